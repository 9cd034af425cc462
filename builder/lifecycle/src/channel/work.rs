//! A change of a channel while it is carried out: its regions, its ledger, and one write with its read-back.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amiforge_progress::Monitor;
use amiforge_publish::api::ec2::Regions;
use amiforge_publish::timer::Timer;

use super::ChannelError;
use super::entry::{Change, Entry, LEDGER_KIND, Record, Slot, Target};
use super::history::other_between;
use super::note::{Note, NoteKind};
use super::region::ChannelRegion;
use crate::api::parameters::{IMAGE, NewVersion, ParameterRegions, ParameterVersion, Parameters, STRING};
use crate::ledger::Ledger;

/// A future of a set that runs on one task.
pub(super) type Concurrent<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

/// The clients, the clock and the progress of all regions.
#[derive(Debug)]
pub struct ChannelServices<'a, R> {
    /// The clients of all regions.
    pub regions: &'a R,
    /// Clock and random source.
    pub timer: &'a Timer,
    /// Hears of progress.
    pub monitor: Monitor<'a>,
}

impl<R> Clone for ChannelServices<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for ChannelServices<'_, R> {}

impl<'a, R: Regions + ParameterRegions> ChannelServices<'a, R> {
    /// The clients of a region.
    pub(super) fn region<'b>(&self, name: &'b str) -> ChannelRegion<'b, R::Ec2, R::Parameters>
    where
        'a: 'b,
    {
        ChannelRegion {
            name,
            ec2: self.regions.ec2(name),
            parameters: self.regions.parameters(name),
            timer: self.timer.with_cancel(self.monitor.cancel),
            monitor: self.monitor,
        }
    }
}

/// A change while it is carried out.
pub(super) struct Work<'a, R> {
    pub(super) services: ChannelServices<'a, R>,
    /// Maximum time until SSM shows a version.
    pub(super) wait: Duration,
    book: Mutex<Book>,
}

/// The ledger, and what it says.
struct Book {
    ledger: Ledger<Record>,
    entry: Option<Entry>,
}

/// A version that was written and read back.
pub(super) struct Written {
    /// Number of the version.
    pub(super) version: u64,
    /// A version of others that it replaced unseen.
    pub(super) replaced: Option<ParameterVersion>,
}

impl<'a, R: Regions + ParameterRegions> Work<'a, R> {
    /// Opens the ledger in a folder.
    pub(super) fn open(
        services: ChannelServices<'a, R>,
        folder: &Path,
        wait: Duration,
    ) -> Result<Self, ChannelError> {
        let ledger = Ledger::open(folder, LEDGER_KIND)?;
        let entry = Entry::replay(ledger.records());
        Ok(Self { services, wait, book: Mutex::new(Book { ledger, entry }) })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The change of the ledger, and how far it is.
    pub(super) fn entry(&self) -> Option<Entry> {
        self.book().entry.clone()
    }

    /// The folder of the ledger.
    pub(super) fn folder(&self) -> PathBuf {
        self.book().ledger.path().parent().map(Path::to_owned).unwrap_or_default()
    }

    /// Begins a change; nothing is called yet.
    pub(super) fn begin(&self, change: Change) -> Result<(), ChannelError> {
        let mut book = self.book();
        book.ledger.replace(vec![Record::Begin { change: change.clone() }])?;
        book.entry = Some(Entry::new(change));
        Ok(())
    }

    /// Records a step; it is on disk when this returns.
    pub(super) fn record(&self, record: Record) -> Result<(), ChannelError> {
        let mut book = self.book();
        let appended = record.clone();
        book.ledger.append(record)?;
        if let Some(entry) = &mut book.entry {
            entry.apply(&appended);
        }
        Ok(())
    }

    /// A target, and how far it is.
    pub(super) fn slot(&self, index: usize) -> Option<(Target, Slot)> {
        let book = self.book();
        let entry = book.entry.as_ref()?;
        Some((entry.change.targets.get(index)?.clone(), entry.slots.get(index)?.clone()))
    }

    /// The version that sets a parameter to an image.
    pub(super) fn new_version(&self, target: &Target, image: &str, kind: NoteKind) -> NewVersion {
        let book = self.book();
        let change = book.entry.as_ref().map(|entry| &entry.change);
        // What is set back is not an image of this change.
        let own = change.filter(|_| image == target.image);
        let note = Note {
            kind,
            image: change.map(|change| change.name.clone()),
            version: own.and_then(|change| change.version.clone()),
            regions: change.map(Change::regions).unwrap_or_default(),
        };
        NewVersion {
            name: target.parameter.clone(),
            value: image.to_owned(),
            kind: STRING.to_owned(),
            data_type: IMAGE.to_owned(),
            description: note.text(),
            overwrite: true,
        }
    }

    /// Sets a parameter and waits until the version is visible. `seen` is the newest version that was read before, 0 if
    /// there was none: then the parameter must not exist, which SSM checks. For an existing one it has no such
    /// condition, so what came between is looked for afterwards. `own` is the image of this change, a version of which may
    /// have appeared meanwhile.
    pub(super) async fn write<C: amiforge_publish::api::ec2::Ec2, P: Parameters>(
        &self,
        region: &ChannelRegion<'_, C, P>,
        new: NewVersion,
        seen: u64,
        own: &str,
    ) -> Result<Written, ChannelError> {
        let new = NewVersion { overwrite: seen > 0, ..new };
        // A parameter that exists by now was made by others, or by an earlier attempt whose answer was lost.
        let version = region.put(&new).await?.unwrap_or(seen + 1);
        if let Err(error) = region.until_visible(&new, version, self.wait).await {
            let existed = matches!(error, ChannelError::NotVisible { .. }) && seen > 0;
            if existed && region.latest(&new.name).await?.is_none() {
                return Err(deleted(region.name, &new.name));
            }
            return Err(error);
        }
        let history = region.history_from(&new.name, version).await?;
        if let Some(other) = other_between(&history, (seen, version), &[&new.value, own]) {
            return Ok(Written { version, replaced: Some(other.clone()) });
        }
        match history.iter().find(|stored| stored.number == version) {
            Some(stored) if stored.value == new.value => Ok(Written { version, replaced: None }),
            Some(stored) => Err(conflict(region.name, &new.name, stored)),
            // Others have added a version meanwhile, and ours was dropped.
            None => Err(region.not_visible(&new, version, Duration::ZERO)),
        }
    }
}

/// The error for a parameter that others deleted.
pub(super) fn deleted(region: &str, parameter: &str) -> ChannelError {
    ChannelError::Deleted { region: region.to_owned(), parameter: parameter.to_owned() }
}

/// The error for a version that others made.
pub(super) fn conflict(region: &str, parameter: &str, other: &ParameterVersion) -> ChannelError {
    ChannelError::Conflict {
        region: region.to_owned(),
        parameter: parameter.to_owned(),
        version: other.number,
        image: other.value.clone(),
        user: other.user.clone(),
    }
}
