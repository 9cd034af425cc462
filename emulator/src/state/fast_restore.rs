//! Fast snapshot restore of a snapshot in an availability zone. Its state follows from the requests and the time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// Fast snapshot restore of a snapshot in a zone, as an account requested it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FastRestore {
    /// The snapshot.
    pub(crate) snapshot: String,
    /// The name of the availability zone.
    pub(crate) zone: String,
    /// Its id.
    pub(crate) zone_id: String,
    /// The account that enabled it.
    pub(crate) owner: String,
    /// The time at which it was enabled.
    pub(crate) enabled: Timestamp,
    /// The time at which it was disabled.
    pub(crate) disabled: Option<Timestamp>,
    /// The duration in milliseconds until it is enabled or disabled.
    pub(crate) duration: u64,
}

/// The times at which the states began, as far as they did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RestoreTimes {
    /// `enabling`.
    pub(crate) enabling: Timestamp,
    /// `optimizing`.
    pub(crate) optimizing: Option<Timestamp>,
    /// `enabled`.
    pub(crate) enabled: Option<Timestamp>,
    /// `disabling`.
    pub(crate) disabling: Option<Timestamp>,
    /// `disabled`.
    pub(crate) disabled: Option<Timestamp>,
}

impl FastRestore {
    /// The table key of a snapshot in a zone for an account.
    pub(crate) fn table_key(account: &str, snapshot: &str, zone: &str) -> String {
        format!("{account}/{snapshot}/{zone}")
    }

    /// The times at which the states began.
    pub(crate) fn times(&self, now: Timestamp) -> RestoreTimes {
        let duration = Duration::from_millis(self.duration);
        let end = self.disabled.map_or(now, |disabled| disabled.min(now));
        let reached = |at: Timestamp| (at <= end).then_some(at);
        RestoreTimes {
            enabling: self.enabled,
            optimizing: reached(self.enabled.after(duration / 3)),
            enabled: reached(self.enabled.after(duration)),
            disabling: self.disabled,
            disabled: self.disabled.map(|at| at.after(duration)).filter(|at| *at <= now),
        }
    }

    /// The state, as EC2 reports it.
    pub(crate) fn state(&self, now: Timestamp) -> &'static str {
        let times = self.times(now);
        match times {
            RestoreTimes { disabled: Some(_), .. } => "disabled",
            RestoreTimes { disabling: Some(_), .. } => "disabling",
            RestoreTimes { enabled: Some(_), .. } => "enabled",
            RestoreTimes { optimizing: Some(_), .. } => "optimizing",
            _ => "enabling",
        }
    }
}
