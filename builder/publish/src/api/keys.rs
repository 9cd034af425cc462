//! Keys of KMS, as far as encrypting a snapshot needs them.

use std::future::Future;

use crate::service_error::ServiceError;

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsKey {
    /// Its own ARN, never that of an alias.
    pub arn: String,
    /// Its state, such as `Enabled` or `PendingDeletion`.
    pub state: String,
    /// What its material is: EBS takes `SYMMETRIC_DEFAULT` only.
    pub spec: String,
}

/// The keys of a region.
pub trait Keys: Send + Sync {
    /// The key of a name: its id, its ARN, an alias, or the ARN of one.
    fn key(&self, name: &str) -> impl Future<Output = Result<KmsKey, ServiceError>> + Send;
}

/// Where the keys of any region are found.
pub trait KeyRegions: Sync {
    /// The keys of one.
    type Keys: Keys;

    /// Those of a region.
    fn keys(&self, region: &str) -> Self::Keys;
}
