//! Reports on the use of an image by other accounts.

use serde::{Deserialize, Serialize};

use super::tags::Tags;
use crate::clock::Timestamp;

/// A report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UsageReport {
    /// `aiur-` and 17 hexadecimal digits.
    pub(crate) id: String,
    /// The account that requested it.
    pub(crate) owner: String,
    /// The image.
    pub(crate) image: String,
    /// The resource types, each with the number of versions of a launch template to look at.
    pub(crate) kinds: Vec<(String, Option<u64>)>,
    /// The accounts to look at; empty for all.
    pub(crate) accounts: Vec<String>,
    /// The time of the request.
    pub(crate) created: Timestamp,
    /// The time at which it can be read.
    pub(crate) ready: Timestamp,
    /// The time at which it is deleted.
    pub(crate) expires: Timestamp,
    /// Number of resources by account and resource type.
    pub(crate) entries: Vec<UsageEntry>,
    /// The tags given at creation.
    pub(crate) tags: Tags,
    /// The client token and the parameters of the request.
    pub(crate) token: Option<(String, String)>,
}

/// The use of the image by an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UsageEntry {
    /// The account.
    pub(crate) account: String,
    /// The resource type.
    pub(crate) kind: String,
    /// Number of resources.
    pub(crate) count: u64,
}
