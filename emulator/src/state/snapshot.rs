//! The record of a snapshot without its blocks. The status follows from the requests and the time: no
//! background work is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::state::config::Windows;

/// The record of a snapshot without its blocks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// The id: `snap-...`.
    pub(crate) id: String,
    /// The account that owns it.
    pub(crate) owner: String,
    /// The description; may be empty.
    pub(crate) description: String,
    /// The size in GiB of a volume created from it.
    pub(crate) volume_size: u64,
    /// The volume that it was taken of; a placeholder for snapshots that were started or copied.
    pub(crate) volume_id: String,
    /// The snapshot whose blocks it inherited.
    pub(crate) parent: Option<String>,
    /// The oldest ancestor, or the snapshot itself: snapshots are related if they share it.
    pub(crate) lineage: String,
    /// The ARN of the key that it is encrypted with; `None` if it is not encrypted.
    pub(crate) kms_key: Option<String>,
    /// The time at which it was started.
    pub(crate) start_time: Timestamp,
    /// The idle time in minutes after which it is cancelled while pending.
    pub(crate) timeout: u64,
    /// The outcome, once its completion was requested.
    pub(crate) outcome: Option<SnapshotOutcome>,
    /// The request that started it with a client token; a repeated request gets the same response.
    pub(crate) start: Option<StartToken>,
    /// Tags, by key.
    pub(crate) tags: BTreeMap<String, String>,
    /// The other accounts that may create volumes from it.
    pub(crate) shared_with: SnapshotShares,
}

/// The outcome of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotOutcome {
    /// The time at which it becomes visible.
    pub(crate) at: Timestamp,
    /// The reason for a failure.
    pub(crate) failure: Option<String>,
    /// The number of blocks, including inherited ones.
    pub(crate) blocks: u64,
}

/// A `StartSnapshot` request with a client token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StartToken {
    /// The token.
    pub(crate) token: String,
    /// The parameters in a canonical form that is the same for equal requests.
    #[serde(rename = "asked")]
    pub(crate) request: String,
    /// The body of its response.
    #[serde(rename = "answer")]
    pub(crate) response: String,
}

/// The accounts that may create volumes from a snapshot besides its owner.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct SnapshotShares {
    /// Accounts.
    pub(crate) accounts: BTreeSet<String>,
    /// Whether it is public.
    pub(crate) everybody: bool,
}

/// The status of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// It accepts blocks, or its completion is not visible yet.
    Pending,
    /// It has all its blocks and accepts no more.
    Completed,
    /// It failed.
    Error,
}

impl Status {
    /// The value in both APIs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Error => "error",
        }
    }
}

impl Snapshot {
    /// The status at a point in time.
    pub(crate) fn status(&self, now: Timestamp) -> Status {
        match &self.outcome {
            Some(outcome) if now >= outcome.at && outcome.failure.is_some() => Status::Error,
            Some(outcome) if now >= outcome.at => Status::Completed,
            _ => Status::Pending,
        }
    }

    /// The reason for its failure, as EC2 reports it in `StateMessage`.
    pub(crate) fn state_message(&self, now: Timestamp) -> Option<&str> {
        let outcome = self.outcome.as_ref().filter(|outcome| now >= outcome.at)?;
        outcome.failure.as_deref()
    }

    /// The value of EC2's `Progress`.
    pub(crate) fn progress(&self, now: Timestamp) -> &'static str {
        match (self.status(now), &self.outcome) {
            (Status::Completed, _) => "100%",
            (_, Some(_)) => "99%",
            (_, None) => "0%",
        }
    }

    /// The time of its completion; `None` while it is not completed.
    pub(crate) fn completion_time(&self, now: Timestamp) -> Option<Timestamp> {
        let outcome = self.outcome.as_ref().filter(|outcome| outcome.failure.is_none())?;
        (now >= outcome.at).then_some(outcome.at)
    }

    /// The size of its blocks in bytes, including inherited ones; `None` while it is not completed.
    pub(crate) fn full_size(&self, now: Timestamp) -> Option<u64> {
        let outcome = self.outcome.as_ref().filter(|outcome| outcome.failure.is_none())?;
        (now >= outcome.at).then_some(outcome.blocks * super::blocks::BLOCK_SIZE as u64)
    }

    /// Whether an account may read it and create volumes from it.
    pub(crate) fn readable_by(&self, account: &str) -> bool {
        self.owner == account || self.shared_with.everybody || self.shared_with.accounts.contains(account)
    }

    /// Whether the operations that read blocks find it: some time after its completion.
    pub(crate) fn listable(&self, now: Timestamp, windows: &Windows) -> bool {
        self.completion_time(now).is_some_and(|at| now >= at.after(windows.list_after_completion))
    }

    /// The time at which it is cancelled if nothing is written after `last_write`; `None` once its completion
    /// was requested.
    pub(crate) fn deadline(&self, last_write: Timestamp, windows: &Windows) -> Option<Timestamp> {
        let minutes = Duration::from_secs(self.timeout.saturating_mul(60));
        self.outcome.is_none().then(|| last_write.after(minutes).after(windows.cancel_lag))
    }
}
