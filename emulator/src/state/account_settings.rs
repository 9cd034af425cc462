//! The settings of an account in a region: encryption by default and block public access.

use serde::{Deserialize, Serialize};

use super::partition::partition;

/// Encryption by default. EC2 changes it, and EBS direct applies it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct AccountSettings {
    /// Whether new snapshots and volumes are encrypted if the request does not specify it.
    pub(crate) encrypt_by_default: bool,
    /// The key that is used if the request names none, instead of the region's own key.
    pub(crate) default_key: Option<String>,
}

/// The ARN of the region's own key, which encrypts an account's snapshots if no other key is named.
pub(crate) fn default_ebs_key_arn(region: &str, account: &str) -> String {
    // A fixed, invented key id: only the region and the account of the ARN matter.
    let partition = partition(region);
    format!("arn:{partition}:kms:{region}:{account}:key/0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d")
}

/// Block public access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct BlockPublicAccess {
    /// Whether images cannot be made public.
    pub(crate) images_blocked: bool,
    /// Whether snapshots can be made public.
    pub(crate) snapshots: SnapshotAccess,
}

/// The state of block public access for snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SnapshotAccess {
    /// Snapshots can be made public.
    #[default]
    Unblocked,
    /// No snapshot can be made public; public ones stay public.
    BlockNewSharing,
    /// No snapshot can be made public, and public ones are treated as private.
    BlockAllSharing,
}

impl SnapshotAccess {
    /// The value on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unblocked => "unblocked",
            Self::BlockNewSharing => "block-new-sharing",
            Self::BlockAllSharing => "block-all-sharing",
        }
    }
}
