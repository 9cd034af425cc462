//! Store and restore tasks, storage tiers, locks and fast snapshot restore (EC2 API version 2016-11-15), and the
//! objects of S3 that images are stored as (S3 API version 2006-03-01).

use std::future::Future;

use amiforge_publish::api::ec2::{Ec2, Tags};
use amiforge_publish::service_error::ServiceError;
use serde::Serialize;

/// EC2 in one region: where images and snapshots are stored.
pub trait StorageCalls: Ec2 {
    /// Begins to store an image as an object of a bucket in the region, and returns the object's key. The call takes no
    /// client token.
    fn create_store_task(
        &self,
        image: &str,
        bucket: &str,
        tags: &Tags,
    ) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// The tasks of the last 31 days that store an image, in any order.
    fn store_tasks(&self, image: &str) -> impl Future<Output = Result<Vec<StoreTask>, ServiceError>> + Send;

    /// Begins to restore an image and returns its id. The call takes no client token: a name that is taken is the error
    /// `InvalidAMIName.Duplicate`.
    fn create_restore_task(
        &self,
        restore: &NewRestore,
    ) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// Deregisters an image and deletes its snapshots, except those that others use.
    fn deregister_with_snapshots(&self, image: &str)
    -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Begins to archive a snapshot.
    fn archive_snapshot(&self, snapshot: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Begins to restore an archived snapshot, or changes the period of a temporary restore.
    fn restore_snapshot(
        &self,
        snapshot: &str,
        period: RestorePeriod,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// The storage tier of a snapshot of the account, if it is listed.
    fn tier_status(
        &self,
        snapshot: &str,
    ) -> impl Future<Output = Result<Option<TierStatus>, ServiceError>> + Send;

    /// Locks a snapshot against deletion, or changes its lock.
    fn lock_snapshot(
        &self,
        snapshot: &str,
        lock: &NewLock,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Removes the lock of a snapshot.
    fn unlock_snapshot(&self, snapshot: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// The lock of a snapshot, if it is or was locked.
    fn snapshot_lock(
        &self,
        snapshot: &str,
    ) -> impl Future<Output = Result<Option<SnapshotLock>, ServiceError>> + Send;

    /// Enables or disables fast restores of a snapshot in zones; returns the zones that failed.
    fn change_fast_restores(
        &self,
        snapshot: &str,
        change: FastRestoreChange,
        zones: &[String],
    ) -> impl Future<Output = Result<Vec<ZoneFailure>, ServiceError>> + Send;

    /// The fast restores of a snapshot that the account enabled.
    fn fast_restores(
        &self,
        snapshot: &str,
    ) -> impl Future<Output = Result<Vec<FastRestore>, ServiceError>> + Send;

    /// The names of the availability zones of the region.
    fn zones(&self) -> impl Future<Output = Result<Vec<String>, ServiceError>> + Send;
}

/// S3 in one region.
pub trait ObjectCalls: Send + Sync {
    /// The region of a bucket; [`NotFound`](amiforge_publish::service_error::ServiceErrorKind::NotFound) if it does not
    /// exist.
    fn bucket_region(&self, bucket: &str) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// The size of an object in bytes, if it exists.
    fn object_size(
        &self,
        bucket: &str,
        key: &str,
    ) -> impl Future<Output = Result<Option<u64>, ServiceError>> + Send;
}

/// A task that stores an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreTask {
    /// The image.
    pub image: String,
    /// The bucket.
    pub bucket: String,
    /// The key of the object.
    pub key: String,
    /// `InProgress`, `Completed` or `Failed`.
    pub state: String,
    /// Progress in percent.
    pub progress: u64,
    /// The reason for a failure.
    pub failure: Option<String>,
    /// When it began, in seconds since 1970.
    pub started: i64,
}

/// An image to restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRestore {
    /// The bucket.
    pub bucket: String,
    /// The key of the object.
    pub key: String,
    /// The name of the image, unique in the account and region.
    pub name: String,
    /// Tags of the image.
    pub image_tags: Tags,
    /// Tags of its snapshots.
    pub snapshot_tags: Tags,
}

/// For how long an archived snapshot is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestorePeriod {
    /// For a number of days.
    Days(u64),
    /// For good.
    Permanent,
}

/// The storage tier of a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TierStatus {
    /// `standard` or `archive`.
    pub tier: String,
    /// The state of the last operation, such as `archival-in-progress`.
    pub operation: Option<String>,
    /// Its progress in percent.
    pub progress: Option<u64>,
    /// A message about its state.
    pub detail: Option<String>,
    /// The end of a temporary restore (RFC 3339).
    pub restored_until: Option<String>,
}

/// A lock to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLock {
    /// The mode.
    pub mode: LockMode,
    /// When it expires.
    pub expiry: LockExpiry,
    /// Hours during which a lock in compliance mode can be removed.
    pub cool_off: Option<u64>,
}

/// The mode of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Users with the permission can remove it.
    Governance,
    /// It cannot be removed after the cooling-off period.
    Compliance,
}

impl LockMode {
    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "governance",
            Self::Compliance => "compliance",
        }
    }
}

/// When a lock expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockExpiry {
    /// After a number of days.
    Days(u64),
    /// At a moment (RFC 3339).
    At(String),
}

/// The lock of a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotLock {
    /// `governance`, `compliance-cooloff`, `compliance` or `expired`.
    pub state: String,
    /// When it expires (RFC 3339).
    pub expires: Option<String>,
    /// When the cooling-off period ends (RFC 3339).
    pub cool_off_until: Option<String>,
}

/// A change of fast restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FastRestoreChange {
    /// They are enabled.
    Enable,
    /// They are disabled.
    Disable,
}

/// A zone in which fast restores could not be changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneFailure {
    /// The zone.
    pub zone: String,
    /// The code of the service.
    pub code: String,
    /// Its message.
    pub message: String,
}

/// Fast restores of a snapshot in a zone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FastRestore {
    /// The zone.
    pub zone: String,
    /// `enabling`, `optimizing`, `enabled`, `disabling` or `disabled`.
    pub state: String,
}
