//! The calls of EC2 in use, with the parameters that are sent and the fields that are read.
//!
//! A new call is a row in [`CALLS`] and structures for its input and output in one of the modules below. A test
//! compares both with botocore's model of the service.

pub(super) mod account;
pub(super) mod images;
pub(super) mod imports;
pub(super) mod launches;
pub(super) mod recycle_bin;
pub(super) mod references;
pub(super) mod sharing;
pub(super) mod snapshots;
pub(super) mod storage;
pub(super) mod tags;
pub(super) mod tiers;
pub(super) mod usage;

use account::{
    DefaultKmsKey, DescribeRegions, EncryptionByDefault, GetEbsDefaultKmsKeyId, GetEbsEncryptionByDefault,
    GetImageBlockPublicAccessState, ImageBlockPublicAccess, Regions,
};
use images::{
    AttachImageWatermark, CopyImage, DeregisterImage, DescribeImageAttribute, DescribeImages,
    DisableImageDeregistrationProtection, EnableImageDeprecation, EnableImageDeregistrationProtection, Image,
    ImageAttribute, Images, ModifyImageAttribute, NewImageId, RegisterImage, WatermarkKey,
};
use imports::{
    CancelImportTask, DescribeImportSnapshotTasks, ImportSnapshot, ImportTask, ImportTaskId, ImportTasks,
};
use launches::{
    CreateLaunchTemplateVersion, DescribeInstanceTypes, DescribeInstances, DescribeLaunchTemplateVersions,
    DescribeLaunchTemplates, InstanceTypeInfo, InstanceTypes, LaunchTemplate, LaunchTemplateVersion,
    LaunchTemplateVersions, LaunchTemplates, ModifyLaunchTemplate, NewLaunchTemplateVersion, Reservation,
    Reservations,
};
use recycle_bin::{
    DeleteTags, DeregisteredImage, DisableImage, DisableImageDeprecation, EnableImage,
    ListImagesInRecycleBin, ListSnapshotsInRecycleBin, RecycledImage, RecycledImages, RecycledSnapshot,
    RecycledSnapshots, RestoreImageFromRecycleBin, RestoreSnapshotFromRecycleBin,
};
use references::{DescribeImageReferences, DescribeTags, ImageReferences, Reference, TagRow, TagRows};
use sharing::{
    AllowedImagesSettings, CancelImageLaunchPermission, GetAllowedImagesSettings,
    GetSnapshotBlockPublicAccessState, SnapshotBlockPublicAccess,
};
use snapshots::{
    CopySnapshot, DeleteSnapshot, DescribeSnapshotAttribute, DescribeSnapshots, ModifySnapshotAttribute,
    NewSnapshotId, Snapshot, SnapshotAttribute, Snapshots,
};
use storage::{
    CreateRestoreImageTask, CreateStoreImageTask, DescribeStoreImageTasks, StoreImageTask, StoreImageTasks,
    StoredImageKey,
};
use tags::CreateTags;
use tiers::{
    AvailabilityZones, DescribeAvailabilityZones, DescribeFastSnapshotRestores, DescribeLockedSnapshots,
    DescribeSnapshotTierStatus, DisableFastSnapshotRestores, EnableFastSnapshotRestores, FastRestore,
    FastRestoreResults, FastRestores, LockSnapshot, LockedSnapshot, LockedSnapshots, ModifySnapshotTier,
    RestoreSnapshotTier, SnapshotTier, SnapshotTiers, UnlockSnapshot,
};
use usage::{
    CreateImageUsageReport, DeleteImageUsageReport, DescribeImageUsageReportEntries,
    DescribeImageUsageReports, UsageEntries, UsageEntry, UsageReport, UsageReportId, UsageReports,
};

use super::super::query::{Protocol, QueryService, operations, outputs, paged};

/// The service EC2.
pub(crate) const EC2: QueryService =
    QueryService { id: "EC2", name: "ec2", version: "2016-11-15", protocol: Protocol::Ec2 };

outputs! {
    /// An output of which nothing is read.
    Empty {}
}

operations! {
    /// All calls of EC2 in use.
    pub CALLS of EC2:
    AttachImageWatermark -> WatermarkKey,
    CancelImageLaunchPermission -> Empty,
    CancelImportTask -> Empty,
    CopyImage -> NewImageId,
    CopySnapshot -> NewSnapshotId,
    CreateImageUsageReport -> UsageReportId,
    CreateRestoreImageTask -> NewImageId,
    CreateStoreImageTask -> StoredImageKey,
    CreateLaunchTemplateVersion -> NewLaunchTemplateVersion,
    CreateTags -> Empty,
    DeleteImageUsageReport -> Empty,
    DeleteSnapshot -> Empty,
    DeleteTags -> Empty,
    DeregisterImage -> DeregisteredImage,
    DescribeAvailabilityZones -> AvailabilityZones,
    DescribeFastSnapshotRestores -> FastRestores,
    DescribeImageAttribute -> ImageAttribute,
    DescribeImageReferences -> ImageReferences,
    DescribeImageUsageReportEntries -> UsageEntries,
    DescribeImageUsageReports -> UsageReports,
    DescribeImages -> Images,
    DescribeImportSnapshotTasks -> ImportTasks,
    DescribeLockedSnapshots -> LockedSnapshots,
    DescribeInstanceTypes -> InstanceTypes,
    DescribeInstances -> Reservations,
    DescribeLaunchTemplateVersions -> LaunchTemplateVersions,
    DescribeLaunchTemplates -> LaunchTemplates,
    DescribeRegions -> Regions,
    DescribeSnapshotAttribute -> SnapshotAttribute,
    DescribeSnapshotTierStatus -> SnapshotTiers,
    DescribeSnapshots -> Snapshots,
    DescribeStoreImageTasks -> StoreImageTasks,
    DescribeTags -> TagRows,
    DisableFastSnapshotRestores -> FastRestoreResults,
    DisableImage -> Empty,
    DisableImageDeprecation -> Empty,
    DisableImageDeregistrationProtection -> Empty,
    EnableFastSnapshotRestores -> FastRestoreResults,
    EnableImage -> Empty,
    EnableImageDeprecation -> Empty,
    EnableImageDeregistrationProtection -> Empty,
    GetAllowedImagesSettings -> AllowedImagesSettings,
    GetEbsDefaultKmsKeyId -> DefaultKmsKey,
    GetEbsEncryptionByDefault -> EncryptionByDefault,
    GetImageBlockPublicAccessState -> ImageBlockPublicAccess,
    GetSnapshotBlockPublicAccessState -> SnapshotBlockPublicAccess,
    ImportSnapshot -> ImportTaskId,
    ListImagesInRecycleBin -> RecycledImages,
    ListSnapshotsInRecycleBin -> RecycledSnapshots,
    LockSnapshot -> Empty,
    ModifyImageAttribute -> Empty,
    ModifyLaunchTemplate -> Empty,
    ModifySnapshotAttribute -> Empty,
    ModifySnapshotTier -> Empty,
    RegisterImage -> NewImageId,
    RestoreImageFromRecycleBin -> Empty,
    RestoreSnapshotFromRecycleBin -> Empty,
    RestoreSnapshotTier -> Empty,
    UnlockSnapshot -> Empty,
}

paged! {
    DescribeImageReferences: references of Reference,
    DescribeImageUsageReportEntries: entries of UsageEntry,
    DescribeImageUsageReports: reports of UsageReport,
    DescribeImages: images of Image,
    DescribeImportSnapshotTasks: tasks of ImportTask,
    DescribeFastSnapshotRestores: restores of FastRestore,
    DescribeLockedSnapshots: locks of LockedSnapshot,
    DescribeSnapshotTierStatus: tiers of SnapshotTier,
    DescribeStoreImageTasks: tasks of StoreImageTask,
    DescribeInstanceTypes: types of InstanceTypeInfo,
    DescribeInstances: reservations of Reservation,
    DescribeLaunchTemplateVersions: versions of LaunchTemplateVersion,
    DescribeLaunchTemplates: templates of LaunchTemplate,
    DescribeSnapshots: snapshots of Snapshot,
    DescribeTags: rows of TagRow,
    ListImagesInRecycleBin: images of RecycledImage,
    ListSnapshotsInRecycleBin: snapshots of RecycledSnapshot,
}
