//! The outcome of a change: what each parameter holds, and held before. Launch templates and groups that follow a
//! channel begin with this value.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::entry::{ChangeKind, Entry, Held, LEDGER_KIND, Record};
use crate::ledger::{Ledger, LedgerError};

/// A channel that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The kind of change.
    pub kind: ChangeKind,
    /// Name of the image.
    pub name: String,
    /// The channel.
    pub channel: String,
    /// Version of the image, if all parameters have the same one.
    pub version: Option<String>,
    /// The parameters, sorted by region and name.
    pub moved: Vec<Moved>,
    /// The ledger of the channel.
    #[serde(skip)]
    pub ledger: PathBuf,
}

/// A parameter of a channel that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moved {
    /// The region.
    pub region: String,
    /// Name of the parameter.
    pub parameter: String,
    /// The image that it holds.
    pub image_id: String,
    /// Number of the version of the parameter.
    pub parameter_version: u64,
    /// What it held before; `None` if it did not exist.
    pub before: Option<Held>,
    /// Whether it held the image before.
    pub unchanged: bool,
}

impl Outcome {
    /// The outcome of a change of which every parameter is set.
    pub(super) fn of(entry: &Entry, ledger: &Path) -> Option<Self> {
        let moved = entry.change.targets.iter().zip(&entry.slots).map(|(target, slot)| {
            let before = slot.before.clone();
            Some(Moved {
                region: target.region.clone(),
                parameter: target.parameter.clone(),
                image_id: target.image.clone(),
                parameter_version: slot.version?,
                unchanged: before.as_ref().is_some_and(|before| before.image == target.image),
                before,
            })
        });
        Some(Self {
            kind: entry.change.kind,
            name: entry.change.name.clone(),
            channel: entry.change.channel.clone(),
            version: entry.change.version.clone(),
            moved: moved.collect::<Option<_>>()?,
            ledger: ledger.to_owned(),
        })
    }

    /// Records that the user has seen the outcome. A roll back that was killed before is not done twice by its
    /// repetition.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn record_shown(&self) -> Result<(), LedgerError> {
        let mut ledger: Ledger<Record> = Ledger::open(&self.ledger, LEDGER_KIND)?;
        match ledger.records().last() {
            Some(Record::Done) => ledger.append(Record::Shown),
            _ => Ok(()),
        }
    }

    /// Those parameters that hold another image than before.
    pub fn changed(&self) -> impl Iterator<Item = &Moved> {
        self.moved.iter().filter(|moved| !moved.unchanged)
    }
}
