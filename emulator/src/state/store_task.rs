//! A task that stores an image as an object.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A task that stores an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoreTask {
    /// What is stored.
    pub(crate) image: String,
    /// Who stores it.
    pub(crate) owner: String,
    /// Where.
    pub(crate) bucket: String,
    /// `ami-....bin`
    pub(crate) key: String,
    /// When it began.
    pub(crate) begun: Timestamp,
    /// When it is done.
    pub(crate) done: Timestamp,
}

impl StoreTask {
    /// The word on the wire.
    pub(crate) fn state(&self, now: Timestamp) -> &'static str {
        if now < self.done { "InProgress" } else { "Completed" }
    }

    /// How much of it is done at a moment, from 0 to 100.
    pub(crate) fn percentage(&self, now: Timestamp) -> u64 {
        let (whole, part) = (self.done.since(self.begun).as_millis(), now.since(self.begun).as_millis());
        if part >= whole { 100 } else { u64::try_from(part * 100 / whole).unwrap_or(100) }
    }
}
