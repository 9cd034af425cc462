//! Stored keys and their aliases. What encrypts follows from the secret of the folder and the id of a key.

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
    /// The key policy as it was given; the default one if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
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
