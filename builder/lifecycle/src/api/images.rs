//! Images of an account: references, use, clean-up, recycle bin (EC2 API version 2016-11-15), and what other services
//! say about the use of images.
//!
//! As in [`amiforge_publish::api`], one method is one request (or all pages of one), nothing retries, and times are the
//! text of the service (RFC 3339).

use std::future::Future;

use amiforge_publish::api::ec2::{Ec2, Tags};
use amiforge_publish::service_error::ServiceError;

/// Maximum number of images in one call of [`ImageCalls::image_references`].
pub const MAX_REFERENCED: usize = 10;

/// EC2 in one region, for the clean-up of images.
pub trait ImageCalls: Ec2 {
    /// `DescribeImageReferences`: the account's resources in the region that name one of at most [`MAX_REFERENCED`]
    /// images: instances of every state, all versions of launch templates, parameters, recipes of Image Builder.
    fn image_references(
        &self,
        images: &[String],
    ) -> impl Future<Output = Result<Vec<ImageReference>, ServiceError>> + Send;

    /// `DescribeImageAttribute` of `lastLaunchedTime`. The service updates it within 24 hours.
    fn last_launched(&self, image: &str)
    -> impl Future<Output = Result<Option<String>, ServiceError>> + Send;

    /// The account's snapshots with a tag key that begins with `amiforge:`.
    fn own_snapshots(&self) -> impl Future<Output = Result<Vec<StoredSnapshot>, ServiceError>> + Send;

    /// The regions that the account may use.
    fn enabled_regions(&self) -> impl Future<Output = Result<Vec<String>, ServiceError>> + Send;

    /// `CreateImageUsageReport` for instances and launch templates of all accounts; returns its id. An equal token
    /// returns the same report.
    fn create_usage_report(
        &self,
        image: &str,
        token: &str,
        tags: &Tags,
    ) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// `DescribeImageUsageReports` of an image.
    fn usage_reports(
        &self,
        image: &str,
    ) -> impl Future<Output = Result<Vec<UsageReport>, ServiceError>> + Send;

    /// `DescribeImageUsageReportEntries` of a report.
    fn usage_entries(
        &self,
        report: &str,
    ) -> impl Future<Output = Result<Vec<UsageEntry>, ServiceError>> + Send;

    /// `DeleteImageUsageReport`.
    fn delete_usage_report(&self, report: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// `DisableImageDeprecation`: cancels the deprecation.
    fn cancel_deprecation(&self, image: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// `DisableImage`: the image cannot be launched any more, and loses all its launch permissions.
    fn disable_image(&self, image: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// `EnableImage`: a disabled image can be launched again, by its owner alone.
    fn enable_image(&self, image: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// `DeregisterImage` with `DeleteAssociatedSnapshots`: snapshots that another image uses are kept. Returns what
    /// became of each snapshot.
    fn deregister_with_snapshots(
        &self,
        image: &str,
    ) -> impl Future<Output = Result<Vec<SnapshotDeletion>, ServiceError>> + Send;

    /// `DeleteTags`: removes tags by their keys.
    fn delete_tags(
        &self,
        resources: &[String],
        keys: &[&str],
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// `DescribeTags`: the ids of the account's resources that have a tag, also of those in the recycle bin.
    fn tagged_resources(
        &self,
        key: &str,
        value: &str,
    ) -> impl Future<Output = Result<Vec<String>, ServiceError>> + Send;

    /// `ListImagesInRecycleBin`.
    fn recycled_images(&self) -> impl Future<Output = Result<Vec<RecycledImage>, ServiceError>> + Send;

    /// `RestoreImageFromRecycleBin`.
    fn restore_image(&self, image: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// `ListSnapshotsInRecycleBin`.
    fn recycled_snapshots(&self) -> impl Future<Output = Result<Vec<RecycledSnapshot>, ServiceError>> + Send;

    /// `RestoreSnapshotFromRecycleBin`.
    fn restore_snapshot(&self, snapshot: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// What keeps a snapshot although no image has it.
pub trait SnapshotUse: Send + Sync {
    /// `DescribeLockedSnapshots`: those of the account's snapshots that are locked.
    fn locked_snapshots(&self) -> impl Future<Output = Result<Vec<String>, ServiceError>> + Send;

    /// `DescribeStoreImageTasks`: the images that are being stored.
    fn images_being_stored(&self) -> impl Future<Output = Result<Vec<String>, ServiceError>> + Send;
}

/// What services other than EC2 say about the use of images in one region.
pub trait ImageUse: Send + Sync {
    /// The images that the parameters below a path hold and held: `GetParametersByPath` and `GetParameterHistory`.
    fn channel_images(
        &self,
        below: &str,
    ) -> impl Future<Output = Result<Vec<ChannelImage>, ServiceError>> + Send;

    /// The images that Auto Scaling groups name by themselves: launch configurations, and the overrides of mixed
    /// instances policies. What they name by a launch template is among [`ImageCalls::image_references`].
    fn group_images(&self) -> impl Future<Output = Result<Vec<ImageReference>, ServiceError>> + Send;
}

/// Clients of [`ImageUse`] of all regions.
pub trait UseRegions: Send + Sync {
    /// The client.
    type Use: ImageUse;

    /// The client of a region.
    fn image_use(&self, region: &str) -> Self::Use;
}

/// A resource that names an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageReference {
    /// The image.
    #[serde(skip)]
    pub image: String,
    /// The resource type, such as `ec2:Instance`.
    pub kind: String,
    /// The ARN of the resource.
    pub arn: String,
}

/// A channel that holds or held an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelImage {
    /// The parameter.
    pub parameter: String,
    /// The image.
    #[serde(skip)]
    pub image: String,
    /// When it held the image.
    pub held: Held,
}

/// When a channel held an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// It holds it.
    Now,
    /// It held it until its last change: where a rollback leads.
    Before,
    /// It held it earlier.
    Earlier,
}

impl ChannelImage {
    /// The name of the channel: the last part of the parameter's path.
    pub fn channel(&self) -> &str {
        self.parameter.rsplit('/').next().unwrap_or_default()
    }
}

/// A snapshot with what it costs to keep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredSnapshot {
    /// Its id.
    pub id: String,
    /// `pending`, `completed` or `error`.
    pub state: String,
    /// When it was started, in seconds since 1970.
    pub started: i64,
    /// Length of the volume in GiB.
    pub volume_gib: u64,
    /// Length of all its blocks in bytes, including those that other snapshots share.
    pub full_bytes: Option<u64>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// `standard` or `archive`.
    pub tier: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// A report on the use of an image by other accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageReport {
    /// Its id.
    pub id: String,
    /// `pending`, `available` or `error`.
    pub state: String,
    /// Why it is in the state `error`.
    pub reason: Option<String>,
    /// When it was requested, in seconds since 1970.
    pub created: i64,
    /// Its tags.
    pub tags: Tags,
}

/// The use of an image by an account.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageEntry {
    /// The account.
    pub account: String,
    /// The resource type, such as `ec2:Instance`.
    pub kind: String,
    /// Number of resources.
    pub count: u64,
}

/// What became of a snapshot of a deregistered image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotDeletion {
    /// The snapshot.
    pub snapshot: String,
    /// `success`, `skipped`, `missing-permissions`, `internal-error` or `client-error`.
    pub code: String,
}

/// An image in the recycle bin.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecycledImage {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// When it was deregistered.
    pub entered: Option<String>,
    /// When it is deleted for good.
    pub leaves: Option<String>,
}

/// A snapshot in the recycle bin.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecycledSnapshot {
    /// Its id.
    pub id: String,
    /// Its description.
    pub description: Option<String>,
    /// When it was deleted.
    pub entered: Option<String>,
    /// When it is deleted for good.
    pub leaves: Option<String>,
}
