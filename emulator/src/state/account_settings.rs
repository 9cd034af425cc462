//! What an account has set in a region and EBS direct has to know: encryption by default. EC2's calls change it.

use serde::{Deserialize, Serialize};

/// What an account has set in a region.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct AccountSettings {
    /// Whether new snapshots and volumes are encrypted when nobody says.
    pub(crate) encrypt_by_default: bool,
    /// The key that is used when none is named, instead of the region's own.
    pub(crate) default_key: Option<String>,
}

/// The ARN of the key that a region encrypts an account's snapshots with when none is named.
pub(crate) fn default_ebs_key_arn(region: &str, account: &str) -> String {
    // A made-up key id, the same for ever: what matters is that it is an ARN of this region and account.
    format!("arn:aws:kms:{region}:{account}:key/0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d")
}

/// What may be shared with everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Sharing {
    /// Of images: whether new sharing is blocked.
    pub(crate) images_blocked: bool,
    /// Of snapshots.
    pub(crate) snapshots: SnapshotBlock,
}

/// How far sharing of snapshots with everybody is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SnapshotBlock {
    /// Not at all.
    #[default]
    Unblocked,
    /// What is shared stays so.
    BlockNewSharing,
    /// What is shared is treated as if it were not.
    BlockAllSharing,
}

impl SnapshotBlock {
    /// The word on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unblocked => "unblocked",
            Self::BlockNewSharing => "block-new-sharing",
            Self::BlockAllSharing => "block-all-sharing",
        }
    }
}
