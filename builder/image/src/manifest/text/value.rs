//! Single values of the text, and why they or the text are not those of a manifest.

use amiforge_formats::digest::Digest;
use amiforge_formats::guid::Guid;

use crate::manifest::SCHEMA;

/// Longest text that is read: room for the blocks of the largest volume of EBS that is not mostly free.
pub const TEXT_MAX: u64 = 1 << 30;

/// Why a text is not a manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not JSON of the right shape.
    #[error("reading the JSON of the manifest")]
    Json(#[source] serde_json::Error),
    /// Another version.
    #[error("the manifest has schema {found}, and this program reads schema {SCHEMA}")]
    Schema {
        /// The version of the text.
        found: u64,
    },
    /// Too long to be read.
    #[error("the manifest is {len} bytes long, and no more than {TEXT_MAX} are read")]
    TooLong {
        /// Its length in bytes.
        len: u64,
    },
    /// A value that cannot be.
    #[error("`{key}` is `{value}`, which is not {expected}")]
    Value {
        /// Where in the JSON.
        key: String,
        /// The value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The list of blocks does not fit the size.
    #[error("the manifest lists {listed} blocks, and a disk of {size} bytes has {needed}")]
    BlockCount {
        /// Blocks in the list.
        listed: u64,
        /// Length of the disk in bytes.
        size: u64,
        /// Blocks that it has.
        needed: u64,
    },
}

/// The error for a value that cannot be.
pub(super) fn wrong(key: &str, value: &str, expected: &'static str) -> ManifestError {
    ManifestError::Value { key: key.to_owned(), value: value.to_owned(), expected }
}

pub(super) fn digest(key: &str, text: &str) -> Result<Digest, ManifestError> {
    // Upper case would give one manifest two texts.
    let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let digest = lower.then(|| text.parse().ok()).flatten();
    digest.ok_or_else(|| wrong(key, text, "64 lower-case hexadecimal digits"))
}

pub(super) fn guid(key: &str, text: &str) -> Result<Guid, ManifestError> {
    let guid: Option<Guid> = text.parse().ok().filter(|guid: &Guid| guid.to_string() == text);
    guid.ok_or_else(|| wrong(key, text, "a GUID"))
}
