//! The lock of a snapshot against deletion. Its state follows from the time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// The lock of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotLock {
    /// The mode.
    pub(crate) mode: LockMode,
    /// The time at which the snapshot was locked.
    pub(crate) created: Timestamp,
    /// The time at which the lock expires.
    pub(crate) expires: Timestamp,
    /// The cooling-off period of the compliance mode, in hours.
    pub(crate) cool_off: Option<u32>,
}

/// The mode of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LockMode {
    /// It can be unlocked by those who are permitted to.
    Governance,
    /// It cannot be unlocked after the cooling-off period.
    Compliance,
}

/// The state of a lock, as EC2 reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockState {
    /// Locked in governance mode.
    Governance,
    /// Locked in compliance mode, and it can still be unlocked.
    ComplianceCoolOff,
    /// Locked in compliance mode for good.
    Compliance,
    /// No longer locked.
    Expired,
}

impl LockState {
    /// The value on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Governance => "governance",
            Self::ComplianceCoolOff => "compliance-cooloff",
            Self::Compliance => "compliance",
            Self::Expired => "expired",
        }
    }
}

impl SnapshotLock {
    /// The state at a point in time.
    pub(crate) fn state(&self, now: Timestamp) -> LockState {
        match self.mode {
            _ if now >= self.expires => LockState::Expired,
            LockMode::Governance => LockState::Governance,
            LockMode::Compliance if self.cool_off_end().is_some_and(|end| now < end) => {
                LockState::ComplianceCoolOff
            }
            LockMode::Compliance => LockState::Compliance,
        }
    }

    /// The end of the cooling-off period.
    pub(crate) fn cool_off_end(&self) -> Option<Timestamp> {
        self.cool_off.map(|hours| self.created.after(Duration::from_hours(u64::from(hours))))
    }

    /// The duration in days, rounded up.
    pub(crate) fn days(&self) -> u64 {
        self.expires.since(self.created).as_secs().div_ceil(24 * 3600)
    }

    /// Whether the snapshot cannot be deleted.
    pub(crate) fn is_locked(&self, now: Timestamp) -> bool {
        self.state(now) != LockState::Expired
    }
}
