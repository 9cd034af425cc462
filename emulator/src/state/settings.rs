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
pub(crate) fn own_key(region: &str, account: &str) -> String {
    // A made-up key id, the same for ever: what matters is that it is an ARN of this region and account.
    format!("arn:aws:kms:{region}:{account}:key/0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d")
}
