//! The storage tier of a snapshot that was archived at least once. The tier follows from the last operation and the
//! time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// The last operation on the tier of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotTier {
    /// The operation.
    pub(crate) operation: TierOperation,
    /// The time at which it began.
    pub(crate) started: Timestamp,
    /// The time at which it completes.
    pub(crate) done: Timestamp,
    /// The reason for which it fails when it would complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    /// The time at which the last archival completed.
    pub(crate) archived: Timestamp,
}

/// An operation on the tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TierOperation {
    /// Into the archive.
    Archive,
    /// Out of the archive for a number of days.
    TemporaryRestore(u32),
    /// Out of the archive for good.
    PermanentRestore,
}

impl SnapshotTier {
    fn is_done(&self, now: Timestamp) -> bool {
        now >= self.done
    }

    /// The status of the last operation, as EC2 reports it.
    pub(crate) fn status(&self, now: Timestamp) -> String {
        let name = match self.operation {
            TierOperation::Archive => "archival",
            TierOperation::TemporaryRestore(_) => "temporary-restore",
            TierOperation::PermanentRestore => "permanent-restore",
        };
        let stage = match (self.is_done(now), &self.failure) {
            (false, _) => "in-progress",
            (true, None) => "completed",
            (true, Some(_)) => "failed",
        };
        format!("{name}-{stage}")
    }

    /// The progress of the last operation, from 0 to 100.
    pub(crate) fn percentage(&self, now: Timestamp) -> u64 {
        let (whole, part) = (self.done.since(self.started).as_millis(), now.since(self.started).as_millis());
        if part >= whole { 100 } else { u64::try_from(part * 100 / whole).unwrap_or(100) }
    }

    /// Whether an operation is in progress.
    pub(crate) fn is_busy(&self, now: Timestamp) -> bool {
        !self.is_done(now)
    }

    /// The tier, as EC2 reports it. A temporarily restored snapshot is of the tier `archive`.
    pub(crate) fn tier(&self, now: Timestamp) -> &'static str {
        let succeeded = self.is_done(now) && self.failure.is_none();
        match self.operation {
            TierOperation::Archive if succeeded => "archive",
            TierOperation::Archive => "standard",
            TierOperation::PermanentRestore if succeeded => "standard",
            TierOperation::PermanentRestore | TierOperation::TemporaryRestore(_) => "archive",
        }
    }

    /// The end of a temporary restore that is completed.
    pub(crate) fn restored_until(&self, now: Timestamp) -> Option<Timestamp> {
        let TierOperation::TemporaryRestore(days) = self.operation else { return None };
        let restored = self.is_done(now) && self.failure.is_none();
        let end = self.done.after(Duration::from_hours(24) * days);
        (restored && now < end).then_some(end)
    }

    /// Whether the blocks can be used.
    pub(crate) fn is_usable(&self, now: Timestamp) -> bool {
        self.tier(now) == "standard" || self.restored_until(now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    #[test]
    fn the_tier_follows_from_the_last_operation_and_the_time() {
        let tier = |operation, failure: Option<&str>| SnapshotTier {
            operation,
            started: Timestamp(1000),
            done: Timestamp(2000),
            failure: failure.map(str::to_owned),
            archived: Timestamp(1000),
        };
        let at = |tier: &SnapshotTier, now| {
            let now = Timestamp(now);
            (tier.status(now), tier.tier(now), tier.is_usable(now))
        };
        let archive = tier(TierOperation::Archive, None);
        assert_eq!(at(&archive, 1500), ("archival-in-progress".to_owned(), "standard", true));
        assert_eq!(archive.percentage(Timestamp(1500)), 50);
        assert_eq!(at(&archive, 2000), ("archival-completed".to_owned(), "archive", false));
        let failed = tier(TierOperation::Archive, Some("no"));
        assert_eq!(at(&failed, 2000), ("archival-failed".to_owned(), "standard", true));
        let days = tier(TierOperation::TemporaryRestore(2), None);
        assert_eq!(at(&days, 1500), ("temporary-restore-in-progress".to_owned(), "archive", false));
        assert_eq!(at(&days, 2000), ("temporary-restore-completed".to_owned(), "archive", true));
        assert_eq!(days.restored_until(Timestamp(3000)), Some(Timestamp(2000 + 2 * DAY)));
        assert!(!at(&days, 2000 + 2 * DAY).2);
        let back = tier(TierOperation::PermanentRestore, None);
        assert_eq!(at(&back, 1500), ("permanent-restore-in-progress".to_owned(), "archive", false));
        assert_eq!(at(&back, 2000), ("permanent-restore-completed".to_owned(), "standard", true));
    }
}
