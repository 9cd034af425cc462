//! Carries out a change: sets the first parameter, then all others at once, looks at all of them again, and labels the
//! versions. If one fails, all are set back.

use std::time::Duration;

use amiforge_publish::ami::join;
use amiforge_publish::api::ec2::{Ec2, Regions};

use super::entry::{ChangeStage, Entry, Record};
use super::history::{held, other_between, type_problem};
use super::label::is_ours;
use super::note::NoteKind;
use super::outcome::Outcome;
use super::region::ChannelRegion;
use super::work::{Concurrent, Work, conflict, deleted};
use super::{ChannelError, ChannelRefusal, RefusalReason};
use crate::api::parameters::{MAX_VERSIONS, ParameterRegions, ParameterVersion, Parameters};

/// Intervals between looks at a parameter that others have changed: who loses against this change sets it back.
const CHANGED_INTERVALS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

impl<R: Regions + ParameterRegions> Work<'_, R> {
    /// Carries out the change of the ledger, from wherever it is.
    ///
    /// # Errors
    /// [`ChannelError::SetBack`] and [`ChannelError::SetBackIncomplete`] with the cause;
    /// [`ChannelError::Interrupted`], after which the same call goes on.
    pub(super) async fn carry_out(&self) -> Result<Outcome, ChannelError> {
        if self.stage() == Some(ChangeStage::Open) {
            match self.set_all().await {
                Ok(()) => self.commit().await?,
                Err(error @ (ChannelError::Interrupted | ChannelError::Ledger(_))) => return Err(error),
                Err(error) => return Err(self.set_back(error).await),
            }
        }
        if self.stage() == Some(ChangeStage::Committed) {
            self.label_all().await?;
            self.record(Record::Done)?;
        }
        self.outcome().ok_or(ChannelError::Unfinished)
    }

    /// The outcome of the ledger's change, once every parameter is set.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        Outcome::of(&self.entry()?, &self.folder())
    }

    fn stage(&self) -> Option<ChangeStage> {
        self.entry().map(|entry| entry.stage)
    }

    /// Makes sure that every parameter holds its image now that all are set.
    async fn commit(&self) -> Result<(), ChannelError> {
        let count = self.entry().map_or(0, |entry| entry.slots.len());
        let looks = (0..count).map(|index| -> Concurrent<'_, _> { Box::pin(self.verify(index)) });
        match first_error(join::all(looks.collect()).await) {
            Ok(()) => self.record(Record::Committed),
            // What they set is newer. To set back what is ours would collide with what they are doing.
            Err(error @ (ChannelError::Conflict { .. } | ChannelError::Deleted { .. })) => {
                self.record(Record::Closed)?;
                Err(ChannelError::Overtaken { source: Box::new(error) })
            }
            Err(error) => Err(error),
        }
    }

    /// Sets every parameter.
    async fn set_all(&self) -> Result<(), ChannelError> {
        let count = self.entry().map_or(0, |entry| entry.slots.len());
        if count > 0 {
            self.set(0).await?;
        }
        let others = (1..count).map(|index| -> Concurrent<'_, _> { Box::pin(self.set(index)) });
        first_error(join::all(others.collect()).await)
    }

    /// Sets a parameter, unless it holds the image already.
    async fn set(&self, index: usize) -> Result<(), ChannelError> {
        let Some((target, slot)) = self.slot(index) else { return Ok(()) };
        if slot.version.is_some() {
            return Ok(());
        }
        let region = self.services.region(&target.region);
        let history = region.history(&target.parameter).await?;
        let latest = history.last();
        if let Some(problem) = latest.and_then(|latest| type_problem(&target.parameter, latest)) {
            return Err(refused(&target.region, RefusalReason::ParameterType, problem, OTHER_PATH));
        }
        let resumed = slot.touched;
        let before = if resumed { slot.before } else { latest.map(held) };
        self.record(Record::Setting { target: index, before: before.clone() })?;
        let seen = before.as_ref().map_or(0, |before| before.version);
        if let Some(latest) = latest.filter(|latest| latest.value == target.image) {
            return self.record_set(index, latest.number);
        }
        if resumed && let Some(other) = other_between(&history, (seen, u64::MAX), &[&target.image]) {
            return Err(conflict(&target.region, &target.parameter, other));
        }
        if latest.is_none() && before.is_some() {
            return Err(deleted(&target.region, &target.parameter));
        }
        make_room(&region, &target.parameter, &history).await?;
        let kind = self.entry().map_or(NoteKind::Promote, |entry| NoteKind::of(entry.change.kind, target.to));
        let new = self.new_version(&target, &target.image, kind);
        let written = self.write(&region, new, seen, &target.image).await?;
        match &written.replaced {
            Some(other) => Err(conflict(&target.region, &target.parameter, other)),
            None => self.record_set(index, written.version),
        }
    }

    fn record_set(&self, index: usize, version: u64) -> Result<(), ChannelError> {
        self.record(Record::Set { target: index, version })?;
        if let Some((target, _)) = self.slot(index) {
            let text = format!(
                "{}: `{}` holds {} as version {version}",
                target.region, target.parameter, target.image
            );
            self.services.monitor.progress.message(&text);
        }
        Ok(())
    }

    /// Makes sure that a parameter holds its image now that all are set.
    async fn verify(&self, index: usize) -> Result<(), ChannelError> {
        let Some((target, _)) = self.slot(index) else { return Ok(()) };
        let region = self.services.region(&target.region);
        let mut intervals = CHANGED_INTERVALS.into_iter();
        loop {
            let latest = region.latest(&target.parameter).await?;
            let holds = latest.as_ref().is_some_and(|latest| latest.value == target.image);
            match (holds, intervals.next()) {
                (true, _) => return Ok(()),
                (false, Some(interval)) => region.pause(interval).await?,
                (false, None) => break,
            }
        }
        match region.history(&target.parameter).await?.last() {
            Some(latest) if latest.value != target.image => {
                Err(conflict(&target.region, &target.parameter, latest))
            }
            Some(_) => Ok(()),
            None => Err(deleted(&target.region, &target.parameter)),
        }
    }

    /// Labels all versions that were set.
    async fn label_all(&self) -> Result<(), ChannelError> {
        let Some(Entry { change, slots, .. }) = self.entry() else { return Ok(()) };
        let label = |(target, slot): (&super::Target, &super::entry::Slot)| -> Concurrent<'_, _> {
            let (target, version) = (target.clone(), slot.version);
            Box::pin(async move {
                let region = self.services.region(&target.region);
                match version {
                    Some(version) => region.label(&target.parameter, version, &target.labels).await,
                    None => Ok(()),
                }
            })
        };
        first_error(join::all(change.targets.iter().zip(&slots).map(label).collect()).await)
    }
}

/// What to do about a parameter of another type.
pub(super) const OTHER_PATH: &str = "choose another `--path`, or delete that parameter if nothing uses it";

/// The first error; what others failed with is the same cause or its consequence. An interrupt is reported before all
/// others, because after it nothing is set back.
fn first_error(results: Vec<Result<(), ChannelError>>) -> Result<(), ChannelError> {
    let mut errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    let interrupted =
        |error: &ChannelError| matches!(error, ChannelError::Interrupted | ChannelError::Ledger(_));
    let first = errors.iter().position(interrupted).unwrap_or(0);
    if errors.is_empty() { Ok(()) } else { Err(errors.swap_remove(first)) }
}

fn refused(region: &str, reason: RefusalReason, problem: String, remedy: &str) -> ChannelError {
    let (region, remedy) = (region.to_owned(), remedy.to_owned());
    ChannelError::Refused(vec![ChannelRefusal { region, reason, problem, remedy }])
}

/// The label that keeps a full history from making room, if it is not one of ours.
pub(super) fn blocking_label(history: &[ParameterVersion]) -> Option<(u64, &String)> {
    let oldest = history.first().filter(|_| history.len() >= MAX_VERSIONS)?;
    Some((oldest.number, oldest.labels.iter().find(|label| !is_ours(label))?))
}

/// Takes our labels off the oldest version if the history is full: SSM would otherwise refuse a new version.
pub(super) async fn make_room<C: Ec2, P: Parameters>(
    region: &ChannelRegion<'_, C, P>,
    parameter: &str,
    history: &[ParameterVersion],
) -> Result<(), ChannelError> {
    if let Some((version, label)) = blocking_label(history) {
        return Err(ChannelError::HistoryFull {
            region: region.name.to_owned(),
            parameter: parameter.to_owned(),
            version,
            label: label.clone(),
        });
    }
    match history.first() {
        Some(oldest) if history.len() >= MAX_VERSIONS && !oldest.labels.is_empty() => {
            region.unlabel(parameter, oldest.number, &oldest.labels).await
        }
        _ => Ok(()),
    }
}
