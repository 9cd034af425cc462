//! A task that imports an object of S3 as a snapshot. Its state follows from the requests and the time.

use serde::{Deserialize, Serialize};

use super::tags::Tags;
use crate::clock::Timestamp;

/// A task that imports a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImportTask {
    /// The id: `import-snap-...`.
    pub(crate) id: String,
    /// The account that began it.
    pub(crate) owner: String,
    /// The description.
    pub(crate) description: Option<String>,
    /// The client token, and the parameters of the request in a canonical form.
    pub(crate) token: Option<(String, String)>,
    /// The bucket.
    pub(crate) bucket: String,
    /// The key of the object.
    pub(crate) key: String,
    /// `RAW`, `VHD` or `VMDK`.
    pub(crate) format: String,
    /// The size of the object in bytes.
    pub(crate) size: u64,
    /// The ARN of the key that the snapshot is encrypted with.
    pub(crate) kms_key: Option<String>,
    /// Its tags.
    pub(crate) tags: Tags,
    /// The time at which it began.
    pub(crate) begun: Timestamp,
    /// The time at which it ends.
    pub(crate) done: Timestamp,
    /// How it ended; `None` until a request after that time looks.
    pub(crate) end: Option<ImportEnd>,
    /// The reason for which it fails when it would complete.
    pub(crate) failure: Option<String>,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum ImportEnd {
    /// With this snapshot.
    Completed(String),
    /// It failed or was cancelled, with this message.
    Deleted(String),
}

impl ImportTask {
    /// The progress at a point in time, from 0 to 100.
    pub(crate) fn percentage(&self, now: Timestamp) -> u64 {
        let (whole, part) = (self.done.since(self.begun).as_millis(), now.since(self.begun).as_millis());
        if part >= whole { 100 } else { u64::try_from(part * 100 / whole).unwrap_or(100) }
    }

    /// Whether it has not ended.
    pub(crate) fn is_active(&self) -> bool {
        self.end.is_none()
    }
}
