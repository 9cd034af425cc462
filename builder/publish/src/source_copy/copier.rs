//! Makes, adopts, awaits and deletes the copy of a snapshot.
//!
//! `CopySnapshot` takes no client token. So the ledger says of each call that it is about to be sent, and a call whose answer
//! was lost is looked for by the tags that a copy has from its beginning, until EC2 would list it.

use std::cell::RefCell;
use std::time::Duration;

use amiforge_progress::Monitor;

use super::ledger::CopyLedger;
use super::{CopyConsent, SourceCopyError, SourceDownload};
use crate::api::ec2::Tags;
use crate::api::{DescribedSnapshot, Ebs, NewSnapshotCopy, SnapshotCopies, SnapshotState};
use crate::error::{PublishError, call_failed};
use crate::retry::{CallStep, NoObserver, retry};
use crate::service_error::{ServiceError, ServiceErrorKind};
use crate::services::{Services, SnapshotLookup};
use crate::tags::{NAME, SOURCE_COPY_LEDGER, SOURCE_COPY_OF};
use crate::timer::WaitOutcome;

/// How long a copy may exist without being listed: the budget of the retries for eventual consistency.
const LISTING_LAG: Duration = Duration::from_mins(2);
/// The interval between two looks for a copy whose answer was lost.
const LISTING_INTERVAL: Duration = Duration::from_secs(2);
/// First and longest interval between two questions for the state of a copy.
const POLL_INTERVALS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(15)];
/// How long a copy may take. One of many TiB takes hours.
const COPY_LIMIT: Duration = Duration::from_hours(24);
/// Copies that are begun anew because one failed.
const MAX_COPIES: usize = 3;
/// Age in seconds from which the copy of another ledger is a leftover of a machine that is gone.
const LEFTOVER_AGE: i64 = 24 * 60 * 60;

/// How a copy ended.
enum CopyEnd {
    Completed,
    /// It was deleted.
    Gone,
    Failed(String),
}

/// The copies of one snapshot, by their ledger.
pub(super) struct Copier<'a, E, S> {
    services: &'a Services<E, S>,
    request: &'a SourceDownload<'a>,
    /// Borrowed between calls only, never while one is awaited.
    ledger: RefCell<CopyLedger>,
    monitor: Monitor<'a>,
}

impl<'a, E: Ebs, S: SnapshotCopies> Copier<'a, E, S> {
    pub(super) fn open(
        services: &'a Services<E, S>,
        request: &'a SourceDownload<'a>,
        monitor: Monitor<'a>,
    ) -> Result<Self, SourceCopyError> {
        let ledger = CopyLedger::open(request.ledger, (request.snapshot, &services.region))?;
        Ok(Self { services, request, ledger: RefCell::new(ledger), monitor })
    }

    /// A completed copy: that of an earlier run, or a new one.
    pub(super) async fn obtain(&self) -> Result<String, SourceCopyError> {
        let mut reason = "they were deleted".to_owned();
        for _ in 0..MAX_COPIES {
            let id = match self.adopt().await? {
                Some(id) => id,
                None => self.begin().await?,
            };
            match self.until_completed(&id).await? {
                CopyEnd::Completed => return Ok(id),
                CopyEnd::Gone => self.ledger.borrow_mut().delete(&id)?,
                CopyEnd::Failed(why) => {
                    self.delete(&id).await?;
                    reason = why;
                }
            }
        }
        Err(SourceCopyError::Failed { snapshot: self.request.snapshot.to_owned(), reason })
    }

    /// Deletes every copy, then the ledger.
    pub(super) async fn discard(self) -> Result<(), SourceCopyError> {
        self.settle().await?;
        let copies = self.ledger.borrow().copies();
        for id in copies {
            self.delete(&id).await?;
        }
        self.ledger.into_inner().remove()
    }

    /// Deletes a copy. EC2 may not know one yet that was just begun, and would then say that there is nothing to delete.
    async fn delete(&self, id: &str) -> Result<(), SourceCopyError> {
        if let SnapshotLookup::Exists(_) = self.find(id).await? {
            self.services.delete_snapshot(id).await?;
        }
        self.ledger.borrow_mut().delete(id)
    }

    /// A copy, awaited while EC2 may not know it yet.
    async fn find(&self, id: &str) -> Result<SnapshotLookup, SourceCopyError> {
        Ok(self.services.find_snapshot(id, CallStep::EventuallyConsistent).await?)
    }

    /// The copy of an earlier run or of a lost answer that is or can become completed.
    async fn adopt(&self) -> Result<Option<String>, SourceCopyError> {
        self.settle().await?;
        let mut best: Option<(bool, String)> = None;
        let copies = self.ledger.borrow().copies();
        for id in copies {
            let state = match self.find(&id).await? {
                SnapshotLookup::Exists(copy) => copy.state,
                SnapshotLookup::Missing => {
                    self.ledger.borrow_mut().delete(&id)?;
                    continue;
                }
            };
            let completed = state == SnapshotState::Completed;
            if completed || state == SnapshotState::Pending && best.is_none() {
                best = Some((completed, id));
            }
            if completed {
                break;
            }
        }
        if let Some((_, id)) = &best {
            self.message(&format!("{id} is a copy of {} that is there already", self.request.snapshot));
        }
        Ok(best.map(|(_, id)| id))
    }

    /// Waits until it is known whether each call that was sent took effect.
    async fn settle(&self) -> Result<(), SourceCopyError> {
        let started = self.services.timer.now();
        while self.ledger.borrow().is_uncertain() {
            for copy in self.listed().await? {
                self.ledger.borrow_mut().record(&copy.id)?;
            }
            if !self.ledger.borrow().is_uncertain() {
                break;
            }
            if self.services.timer.now().saturating_sub(started) >= LISTING_LAG {
                // It would be listed by now.
                self.ledger.borrow_mut().settle()?;
            } else {
                self.pause(LISTING_INTERVAL).await?;
            }
        }
        Ok(())
    }

    /// The copies of this ledger that are listed.
    async fn listed(&self) -> Result<Vec<DescribedSnapshot>, SourceCopyError> {
        let key = self.ledger.borrow().key().to_owned();
        let all = self.all_listed().await?;
        Ok(all.into_iter().filter(|copy| copy.tags.get(SOURCE_COPY_LEDGER) == Some(&key)).collect())
    }

    /// The listed copies of the snapshot, also those of other ledgers.
    async fn all_listed(&self) -> Result<Vec<DescribedSnapshot>, SourceCopyError> {
        let tags = [(SOURCE_COPY_OF, self.request.snapshot)];
        let list = || self.services.ec2.describe_tagged_snapshots(&tags);
        let listed = retry(&self.services.timer, CallStep::Idempotent, &NoObserver, list).await;
        Ok(listed.map_err(call_failed(format!("looking for copies of {}", self.request.snapshot)))?)
    }

    /// Begins a copy, if the user agrees to it.
    async fn begin(&self) -> Result<String, SourceCopyError> {
        if self.request.consent == CopyConsent::Missing {
            return Err(super::needs_copy(self.services, self.request).await?);
        }
        self.delete_leftovers().await?;
        let copy = self.new_copy();
        let step = CallStep::Copy { wait: COPY_LIMIT };
        let begun = retry(&self.services.timer, step, &NoObserver, || self.call(&copy)).await;
        let id = begun.map_err(call_failed(format!("copying {}", self.request.snapshot)))?;
        self.message(&format!("{id} is begun as a copy of {}, and deleted once it was read", copy.snapshot));
        Ok(id)
    }

    /// Sends the call, unless an earlier one whose answer was lost took effect.
    async fn call(&self, copy: &NewSnapshotCopy) -> Result<String, ServiceError> {
        let known = self.ledger.borrow().copies();
        self.settle().await.map_err(|error| local(&error))?;
        let found = self.ledger.borrow().copies().into_iter().find(|id| !known.contains(id));
        if let Some(found) = found {
            return Ok(found);
        }
        self.ledger.borrow_mut().begin().map_err(|error| local(&error))?;
        match self.services.ec2.copy_snapshot(copy).await {
            Ok(id) => {
                self.ledger.borrow_mut().record(&id).map_err(|error| local(&error))?;
                Ok(id)
            }
            Err(error) => {
                if has_no_effect(error.kind) {
                    self.ledger.borrow_mut().settle().map_err(|error| local(&error))?;
                }
                Err(error)
            }
        }
    }

    fn new_copy(&self) -> NewSnapshotCopy {
        let snapshot = self.request.snapshot;
        let mut tags = Tags::new();
        let name = format!("amiforge: copy of {snapshot}, deleted once it was read");
        tags.insert(NAME.to_owned(), name.clone());
        tags.insert(SOURCE_COPY_OF.to_owned(), snapshot.to_owned());
        tags.insert(SOURCE_COPY_LEDGER.to_owned(), self.ledger.borrow().key().to_owned());
        NewSnapshotCopy {
            snapshot: snapshot.to_owned(),
            region: self.services.region.clone(),
            description: name,
            tags,
        }
    }

    /// Deletes the copies of ledgers that have not been used for a day.
    async fn delete_leftovers(&self) -> Result<(), SourceCopyError> {
        let key = self.ledger.borrow().key().to_owned();
        for copy in self.all_listed().await? {
            let foreign = copy.tags.get(SOURCE_COPY_LEDGER) != Some(&key);
            if foreign && self.request.now.saturating_sub(copy.started) >= LEFTOVER_AGE {
                self.message(&format!("{} is a copy that was left over a day ago: deleted", copy.id));
                self.services.delete_snapshot(&copy.id).await?;
            }
        }
        Ok(())
    }

    /// Waits until a copy has ended, and reports its progress.
    async fn until_completed(&self, id: &str) -> Result<CopyEnd, SourceCopyError> {
        let mut progress = CopyProgress { monitor: self.monitor, total: None, done: 0 };
        let end = self.poll(id, &mut progress).await;
        if progress.total.is_some() {
            self.monitor.progress.end();
        }
        end
    }

    async fn poll(&self, id: &str, progress: &mut CopyProgress<'_>) -> Result<CopyEnd, SourceCopyError> {
        let (started, mut interval) = (self.services.timer.now(), POLL_INTERVALS[0]);
        loop {
            let copy = match self.find(id).await? {
                SnapshotLookup::Exists(copy) => copy,
                SnapshotLookup::Missing => return Ok(CopyEnd::Gone),
            };
            match copy.state {
                SnapshotState::Completed => return Ok(CopyEnd::Completed),
                SnapshotState::Pending => progress.report(self.request.snapshot, &copy),
                _ => {
                    let reason = copy.state_message.unwrap_or_else(|| "EC2 gives no reason".to_owned());
                    return Ok(CopyEnd::Failed(reason));
                }
            }
            let waited = self.services.timer.now().saturating_sub(started);
            if waited >= COPY_LIMIT {
                let hours = waited.as_secs() / 3600;
                return Err(SourceCopyError::StillPending { copy: id.to_owned(), hours });
            }
            self.pause(interval).await?;
            interval = (interval * 3 / 2).min(POLL_INTERVALS[1]);
        }
    }

    async fn pause(&self, time: Duration) -> Result<(), SourceCopyError> {
        match self.services.timer.wait(time).await {
            WaitOutcome::Interrupted => Err(PublishError::Interrupted.into()),
            WaitOutcome::Elapsed => Ok(()),
        }
    }

    fn message(&self, text: &str) {
        self.monitor.progress.message(text);
    }
}

/// The bytes of a copy by the percentage that EC2 reports.
struct CopyProgress<'a> {
    monitor: Monitor<'a>,
    /// Length of the volume, once the step began.
    total: Option<u64>,
    done: u64,
}

impl CopyProgress<'_> {
    fn report(&mut self, snapshot: &str, copy: &DescribedSnapshot) {
        let total = copy.volume_gib << 30;
        if self.total.is_none() {
            self.monitor.progress.begin(&format!("copying {snapshot} in its region"), Some(total));
            self.total = Some(total);
        }
        let percent = copy.progress.as_deref().and_then(|text| text.trim_end_matches('%').parse().ok());
        let done = total / 100 * percent.unwrap_or(0u64).min(100);
        self.monitor.progress.advance(done.saturating_sub(self.done));
        self.done = done.max(self.done);
    }
}

/// Whether a call that failed so had no effect, as far as its error says.
fn has_no_effect(kind: ServiceErrorKind) -> bool {
    !matches!(
        kind,
        ServiceErrorKind::Service
            | ServiceErrorKind::Transport
            | ServiceErrorKind::TimedOut
            | ServiceErrorKind::Unreadable
            | ServiceErrorKind::Interrupted
    )
}

/// The error of the ledger, or of looking for a copy, as one that is not retried.
fn local(error: &SourceCopyError) -> ServiceError {
    let kind = match error {
        SourceCopyError::Publish(PublishError::Interrupted) => ServiceErrorKind::Interrupted,
        _ => ServiceErrorKind::Refused,
    };
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    ServiceError::local(kind, message)
}
