//! A task that stores an image as an object of S3.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A task that stores an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoreTask {
    /// The id of the image.
    pub(crate) image: String,
    /// The account that stores it.
    pub(crate) owner: String,
    /// The bucket.
    pub(crate) bucket: String,
    /// The key of the object: `ami-....bin`.
    pub(crate) key: String,
    /// The time at which it began.
    pub(crate) begun: Timestamp,
    /// The time at which it completes.
    pub(crate) done: Timestamp,
    /// The bytes of the snapshots' blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<u64>,
    /// The reason for which it fails when it would complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
}

impl StoreTask {
    /// The state as EC2 reports it.
    pub(crate) fn state(&self, now: Timestamp) -> &'static str {
        match &self.failure {
            _ if now < self.done => "InProgress",
            None => "Completed",
            Some(_) => "Failed",
        }
    }

    /// The reason for its failure.
    pub(crate) fn failure(&self, now: Timestamp) -> Option<&str> {
        self.failure.as_deref().filter(|_| now >= self.done)
    }

    /// The progress at a point in time, from 0 to 100.
    pub(crate) fn percentage(&self, now: Timestamp) -> u64 {
        let (whole, part) = (self.done.since(self.begun).as_millis(), now.since(self.begun).as_millis());
        if part >= whole { 100 } else { u64::try_from(part * 100 / whole).unwrap_or(100) }
    }
}
