//! Errors of sharing.

use amiforge_publish::ami::AmiError;

/// Why an image cannot be shared, or is not shared any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SharingError {
    /// A call failed.
    #[error(transparent)]
    Ami(#[from] AmiError),
    /// There is no such image.
    #[error("no AMI `{image}` is listed in {region}")]
    NoImage {
        /// Its id or name.
        image: String,
        /// The region.
        region: String,
    },
    /// The image is not in a state in which it can be shared.
    #[error("{image} in {region} is `{state}`, and only an available AMI can be shared")]
    NotAvailable {
        /// The image.
        image: String,
        /// The region.
        region: String,
        /// Its state.
        state: String,
    },
    /// The account blocks public images or snapshots.
    #[error("the account blocks public {what} in {region}")]
    PublicBlocked {
        /// The region.
        region: String,
        /// `AMIs` or `snapshots`.
        what: &'static str,
    },
    /// The account has as many public images as it may have.
    #[error("the account has {count} public AMIs in {region}, and its quota is {quota}")]
    PublicQuota {
        /// The region.
        region: String,
        /// Public images.
        count: usize,
        /// The quota.
        quota: usize,
    },
    /// An encrypted image cannot be public.
    #[error("{snapshot} of {image} in {region} is encrypted, and an encrypted AMI cannot be public")]
    EncryptedPublic {
        /// The image.
        image: String,
        /// The region.
        region: String,
        /// The encrypted snapshot.
        snapshot: String,
    },
    /// The key is one that no other account can use.
    #[error(
        "{snapshot} of {image} in {region} is encrypted with the AWS managed key {key}, which no other account can use"
    )]
    ManagedKey {
        /// The image.
        image: String,
        /// The region.
        region: String,
        /// The snapshot.
        snapshot: String,
        /// The key.
        key: String,
    },
    /// The image would have too many launch permissions.
    #[error(
        "{image} in {region} would have {count} launch permissions, and {limit} are the most for one AMI"
    )]
    TooMany {
        /// The image.
        image: String,
        /// The region.
        region: String,
        /// Permissions that it would have.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// The service reports other permissions than those that were set.
    #[error("{resource} in {region} does not have the permissions that were just set: {difference}")]
    Changed {
        /// The image or the snapshot.
        resource: String,
        /// The region.
        region: String,
        /// The difference.
        difference: String,
    },
}
