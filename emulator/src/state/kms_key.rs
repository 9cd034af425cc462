//! Stored keys and their aliases. They encrypt nothing.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    /// The account that owns it: twelve digits.
    pub(crate) owner: String,
    /// The description given at creation.
    pub(crate) description: String,
    /// Whether the key is enabled.
    pub(crate) enabled: bool,
    /// The key spec, such as `SYMMETRIC_DEFAULT`.
    pub(crate) spec: String,
    /// The key usage, such as `ENCRYPT_DECRYPT`.
    pub(crate) usage: String,
    /// The time of creation.
    pub(crate) created: Timestamp,
}

/// An alias of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alias {
    /// The name with `alias/`.
    pub(crate) name: String,
    /// The account that owns it: twelve digits.
    pub(crate) owner: String,
    /// The id of the key.
    pub(crate) key: String,
    /// The time of creation or of the last change.
    pub(crate) changed: Timestamp,
}
