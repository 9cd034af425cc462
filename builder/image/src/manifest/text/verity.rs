//! Verified partitions in the text of a manifest.

use amiforge_formats::digest::Digest;
use serde::{Deserialize, Serialize};

use super::value::{ManifestError, digest};
use crate::disk::VerityLayout;

/// A partition that a hash tree of dm-verity covers; digests and salt in hexadecimal.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerityText {
    data: String,
    data_blocks: u64,
    hash: String,
    root_hash: String,
    salt: String,
}

impl From<&VerityLayout> for VerityText {
    fn from(verity: &VerityLayout) -> Self {
        Self {
            data: verity.data.clone(),
            data_blocks: verity.data_blocks,
            hash: verity.hash.clone(),
            root_hash: verity.root_hash.to_string(),
            salt: Digest(verity.salt).to_string(),
        }
    }
}

impl VerityText {
    /// The values that the text has.
    pub(super) fn into_layout(self) -> Result<VerityLayout, ManifestError> {
        Ok(VerityLayout {
            root_hash: digest("verity.root_hash", &self.root_hash)?,
            // As many digits as a digest has.
            salt: digest("verity.salt", &self.salt)?.0,
            data: self.data,
            hash: self.hash,
            data_blocks: self.data_blocks,
        })
    }
}
