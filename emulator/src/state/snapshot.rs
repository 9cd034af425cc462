//! What the region knows of a snapshot, but for its blocks. Its status follows from what was asked and from the time:
//! nothing has to happen in the background.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::state::config::Windows;

/// What the region knows of a snapshot, but for its blocks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// `snap-...`
    pub(crate) id: String,
    /// The account that it belongs to.
    pub(crate) owner: String,
    /// May be empty.
    pub(crate) description: String,
    /// Size of a volume made from it, in GiB.
    pub(crate) volume_size: u64,
    /// The volume that it was taken of; made up for snapshots that were started or copied.
    pub(crate) volume_id: String,
    /// The snapshot whose blocks it began with.
    pub(crate) parent: Option<String>,
    /// The oldest ancestor, or itself: snapshots are related if they share it.
    pub(crate) lineage: String,
    /// The ARN of the key that it is encrypted with; nothing if it is not encrypted.
    pub(crate) kms_key: Option<String>,
    /// When it was started.
    pub(crate) start_time: Timestamp,
    /// Minutes of idleness after which it is cancelled while pending.
    pub(crate) timeout: u64,
    /// How it ended, once that was asked for.
    pub(crate) outcome: Option<SnapshotOutcome>,
    /// How it was asked for, if with a token: the same request again gets the same answer.
    pub(crate) start: Option<StartToken>,
    /// Tags, by key.
    pub(crate) tags: BTreeMap<String, String>,
    /// Who else may make volumes from it.
    pub(crate) shared_with: SnapshotShares,
}

/// How a snapshot ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotOutcome {
    /// When that shows.
    pub(crate) at: Timestamp,
    /// Why it failed, if it did.
    pub(crate) failure: Option<String>,
    /// Number of its blocks, inherited ones included.
    pub(crate) blocks: u64,
}

/// A request with a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StartToken {
    /// The token.
    pub(crate) token: String,
    /// All that was asked for, in one form for equal requests.
    #[serde(rename = "asked")]
    pub(crate) request: String,
    /// The answer that it got.
    #[serde(rename = "answer")]
    pub(crate) response: String,
}

/// Who else may make volumes from a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct SnapshotShares {
    /// Accounts.
    pub(crate) accounts: BTreeSet<String>,
    /// Everybody.
    pub(crate) everybody: bool,
}

/// Where a snapshot is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// It takes blocks, or was completed a moment ago.
    Pending,
    /// It has all its blocks and takes no more.
    Completed,
    /// It failed.
    Error,
}

impl Status {
    /// As both APIs write it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Error => "error",
        }
    }
}

impl Snapshot {
    /// Where it is in its life at a moment.
    pub(crate) fn status(&self, now: Timestamp) -> Status {
        match &self.outcome {
            Some(outcome) if now >= outcome.at && outcome.failure.is_some() => Status::Error,
            Some(outcome) if now >= outcome.at => Status::Completed,
            _ => Status::Pending,
        }
    }

    /// Why it failed, as EC2's `StateMessage` says it.
    pub(crate) fn state_message(&self, now: Timestamp) -> Option<&str> {
        let outcome = self.outcome.as_ref().filter(|outcome| now >= outcome.at)?;
        outcome.failure.as_deref()
    }

    /// EC2's `Progress`.
    pub(crate) fn progress(&self, now: Timestamp) -> &'static str {
        match (self.status(now), &self.outcome) {
            (Status::Completed, _) => "100%",
            (_, Some(_)) => "99%",
            (_, None) => "0%",
        }
    }

    /// When it was completed; nothing while it is not.
    pub(crate) fn completion_time(&self, now: Timestamp) -> Option<Timestamp> {
        let outcome = self.outcome.as_ref().filter(|outcome| outcome.failure.is_none())?;
        (now >= outcome.at).then_some(outcome.at)
    }

    /// Bytes of its blocks, inherited ones included; nothing while it is not completed.
    pub(crate) fn full_size(&self, now: Timestamp) -> Option<u64> {
        let outcome = self.outcome.as_ref().filter(|outcome| outcome.failure.is_none())?;
        (now >= outcome.at).then_some(outcome.blocks * super::blocks::BLOCK_SIZE as u64)
    }

    /// Whether an account may read it and make volumes from it.
    pub(crate) fn readable_by(&self, account: &str) -> bool {
        self.owner == account || self.shared_with.everybody || self.shared_with.accounts.contains(account)
    }

    /// Whether the calls that read blocks find it: some time after it was completed.
    pub(crate) fn listable(&self, now: Timestamp, windows: &Windows) -> bool {
        self.completion_time(now).is_some_and(|at| now >= at.after(windows.list_after_completion))
    }

    /// When it is cancelled if nothing more is written after `last_write`; nothing once it was completed.
    pub(crate) fn deadline(&self, last_write: Timestamp, windows: &Windows) -> Option<Timestamp> {
        let minutes = Duration::from_secs(self.timeout.saturating_mul(60));
        self.outcome.is_none().then(|| last_write.after(minutes).after(windows.cancel_lag))
    }
}
