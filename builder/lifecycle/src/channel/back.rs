//! Sets a change back: every parameter gets what it held before, unless others have changed it since, or the image that
//! it held is gone. A parameter that the change has created is deleted.

use std::time::Duration;

use amiforge_publish::ami::join;
use amiforge_publish::api::ec2::{Ec2, Regions};

use super::ChannelError;
use super::check::image_problem;
use super::entry::{Held, Record, Slot, Stage, Target};
use super::error::Kept;
use super::history::{held, other_between, replaced};
use super::note::NoteKind;
use super::region::ChannelRegion;
use super::set::make_room;
use super::work::{Concurrent, Work};
use crate::api::parameters::{ParameterRegions, ParameterVersion, Parameters};

/// How often a version of others that is replaced unseen while setting back is put back in turn.
const ATTEMPTS: usize = 5;
/// Intervals between looks for a parameter whose creation may still be checked by SSM.
const CREATION_INTERVALS: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(10)];

impl<R: Regions + ParameterRegions> Work<'_, R> {
    /// Sets the change of the ledger back because of `cause`. The first parameter, which keeps other operators from
    /// beginning, comes last.
    pub(super) async fn set_back(&self, cause: ChannelError) -> ChannelError {
        match self.try_set_back().await {
            Ok((kept, left)) if left.is_empty() => match self.record(Record::Closed) {
                Ok(()) => ChannelError::SetBack { source: Box::new(cause), kept },
                Err(error) => error,
            },
            Ok((_, left)) => ChannelError::SetBackIncomplete { source: Box::new(cause), left },
            Err(error) => error,
        }
    }

    /// Sets every parameter back that can be. Returns what stays as it is, and what is left to do, as text.
    async fn try_set_back(&self) -> Result<(Vec<Kept>, Vec<String>), ChannelError> {
        let Some(entry) = self.entry() else { return Ok((Vec::new(), Vec::new())) };
        if entry.stage != Stage::SettingBack {
            self.record(Record::SettingBack)?;
        }
        let count = entry.slots.len();
        let others = (1..count).map(|index| -> Concurrent<'_, _> { Box::pin(self.set_back_one(index)) });
        let mut results = join::all(others.collect()).await;
        results.push(self.set_back_one(0).await);
        let (mut kept, mut left) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok(one) => kept.extend(one),
                Err(error @ (ChannelError::Interrupted | ChannelError::Ledger(_))) => return Err(error),
                Err(error) => left.push(chain(&error)),
            }
        }
        Ok((kept, left))
    }

    /// Sets a parameter back; returns it if it must stay as it is.
    async fn set_back_one(&self, index: usize) -> Result<Option<Kept>, ChannelError> {
        let Some((target, slot)) = self.slot(index) else { return Ok(None) };
        if !slot.touched || slot.set_back {
            return Ok(None);
        }
        let region = self.services.region(&target.region);
        let kept = match self.restore(&region, &target, &slot).await {
            Err(ChannelError::NotVisible { image, .. }) => {
                Some(format!("SSM does not take {image}, which it held before, any more"))
            }
            kept => kept?,
        };
        self.record(Record::SetBack { target: index })?;
        Ok(kept.map(|reason| Kept { region: target.region, parameter: target.parameter, reason }))
    }

    /// Gives a parameter what it held before; returns why it must stay as it is.
    async fn restore<C: Ec2, P: Parameters>(
        &self,
        region: &ChannelRegion<'_, C, P>,
        target: &Target,
        slot: &Slot,
    ) -> Result<Option<String>, ChannelError> {
        let before = slot.before.as_ref();
        let seen = before.map_or(0, |before| before.version);
        if slot.version == Some(seen) {
            // It held the image already and was not written.
            return Ok(None);
        }
        let history = self.settled_history(region, target, slot).await?;
        let Some(latest) = history.last() else { return Ok(None) };
        let earlier = if latest.value == target.image {
            replaced(&history).map(held).or_else(|| before.cloned())
        } else if other_between(&history, (seen, u64::MAX), &[&target.image]).is_some() {
            // Others have changed it since, and what they set stays.
            return Ok(None);
        } else {
            // A version of ours may still be in SSM's check: a later one has to stand after it.
            before.cloned()
        };
        let Some(earlier) = earlier else {
            region.delete(&target.parameter).await?;
            return Ok(None);
        };
        if let Some(problem) = image_problem(region, &earlier.image).await? {
            return Ok(Some(format!("{}, which it held before, {problem}", earlier.image)));
        }
        self.write_back(region, target, &history, earlier).await?;
        Ok(None)
    }

    /// The versions of a parameter; those of one that this change may have created are waited for.
    async fn settled_history<C: Ec2, P: Parameters>(
        &self,
        region: &ChannelRegion<'_, C, P>,
        target: &Target,
        slot: &Slot,
    ) -> Result<Vec<ParameterVersion>, ChannelError> {
        let mut history = region.history(&target.parameter).await?;
        if slot.before.is_some() || slot.version.is_some() {
            return Ok(history);
        }
        for interval in CREATION_INTERVALS {
            if !history.is_empty() {
                break;
            }
            region.pause(interval).await?;
            history = region.history(&target.parameter).await?;
        }
        Ok(history)
    }

    /// Writes an earlier image. What others set between the look and the write is put back in turn.
    async fn write_back<C: Ec2, P: Parameters>(
        &self,
        region: &ChannelRegion<'_, C, P>,
        target: &Target,
        history: &[ParameterVersion],
        earlier: Held,
    ) -> Result<(), ChannelError> {
        make_room(region, &target.parameter, history).await?;
        let mut seen = history.last().map_or(0, |latest| latest.number);
        let mut image = earlier.image;
        let mut kind = NoteKind::SetBack { to: earlier.version };
        for _ in 0..ATTEMPTS {
            let new = self.new_version(target, &image, kind);
            let written = self.write(region, new, seen, &target.image).await?;
            let Some(other) = written.replaced else { return Ok(()) };
            (seen, image) = (written.version, other.value);
            kind = NoteKind::SetBack { to: other.number };
        }
        Err(super::work::conflict(
            &target.region,
            &target.parameter,
            &ParameterVersion { number: seen, value: image, ..ParameterVersion::default() },
        ))
    }
}

/// An error with its causes, on one line.
pub(super) fn chain(error: &ChannelError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
