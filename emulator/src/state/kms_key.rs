//! A key and its aliases as they are kept. They encrypt nothing.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    /// Account.
    pub(crate) owner: String,
    /// Of the maker.
    pub(crate) description: String,
    /// Whether it may be used.
    pub(crate) enabled: bool,
    /// What its material is, such as `SYMMETRIC_DEFAULT`.
    pub(crate) spec: String,
    /// What it is for, such as `ENCRYPT_DECRYPT`.
    pub(crate) usage: String,
    /// When it was made.
    pub(crate) created: Timestamp,
}

/// A further name of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alias {
    /// With `alias/`.
    pub(crate) name: String,
    /// Account.
    pub(crate) owner: String,
    /// Id of the key.
    pub(crate) key: String,
    /// When it was made or last changed.
    pub(crate) changed: Timestamp,
}
