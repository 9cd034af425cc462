//! Keys of KMS, as encryption of a snapshot needs them.

use std::future::Future;

use crate::service_error::ServiceError;

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsKey {
    /// Its own ARN, never that of an alias.
    pub arn: String,
    /// Its state, such as `Enabled` or `PendingDeletion`.
    pub state: String,
    /// The key spec: EBS accepts `SYMMETRIC_DEFAULT` only.
    pub spec: String,
}

/// The KMS of a region.
pub trait Keys: Send + Sync {
    /// The key with a name: its id, its ARN, an alias, or the ARN of an alias.
    fn key(&self, name: &str) -> impl Future<Output = Result<KmsKey, ServiceError>> + Send;
}

/// KMS clients of all regions.
pub trait KeyRegions: Sync {
    /// The client.
    type Keys: Keys;

    /// The client of a region.
    fn keys(&self, region: &str) -> Self::Keys;
}
