//! The calls of EC2 in use, with the parameters that are sent and the fields that are read.
//!
//! A new call is a row in [`CALLS`] and structures for its input and output in one of the modules below. A test
//! compares both with botocore's model of the service.

pub(super) mod account;
pub(super) mod images;
pub(super) mod sharing;
pub(super) mod snapshots;
pub(super) mod storage;
pub(super) mod tags;
pub(super) mod tiers;

use account::{
    DefaultKmsKey, DescribeRegions, EncryptionByDefault, GetEbsDefaultKmsKeyId, GetEbsEncryptionByDefault,
    GetImageBlockPublicAccessState, ImageBlockPublicAccess, Regions,
};
use images::{
    CopyImage, DeregisterImage, DescribeImageAttribute, DescribeImages, DisableImageDeregistrationProtection,
    EnableImageDeprecation, EnableImageDeregistrationProtection, Image, ImageAttribute, Images,
    ModifyImageAttribute, NewImageId, RegisterImage,
};
use sharing::{
    AllowedImagesSettings, CancelImageLaunchPermission, GetAllowedImagesSettings,
    GetSnapshotBlockPublicAccessState, SnapshotBlockPublicAccess,
};
use snapshots::{
    DeleteSnapshot, DescribeSnapshotAttribute, DescribeSnapshots, ModifySnapshotAttribute, Snapshot,
    SnapshotAttribute, Snapshots,
};
use storage::{
    CreateRestoreImageTask, CreateStoreImageTask, DescribeStoreImageTasks, StoreImageTasks, StoredImageKey,
};
use tags::CreateTags;
use tiers::{
    AvailabilityZones, DescribeAvailabilityZones, DescribeFastSnapshotRestores, DescribeLockedSnapshots,
    DescribeSnapshotTierStatus, DisableFastSnapshotRestores, EnableFastSnapshotRestores, FastRestore,
    FastRestoreResults, FastRestores, LockSnapshot, LockedSnapshots, ModifySnapshotTier, RestoreSnapshotTier,
    SnapshotTier, SnapshotTiers, UnlockSnapshot,
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
    CancelImageLaunchPermission -> Empty,
    CopyImage -> NewImageId,
    CreateRestoreImageTask -> NewImageId,
    CreateStoreImageTask -> StoredImageKey,
    CreateTags -> Empty,
    DeleteSnapshot -> Empty,
    DeregisterImage -> Empty,
    DescribeAvailabilityZones -> AvailabilityZones,
    DescribeFastSnapshotRestores -> FastRestores,
    DescribeImageAttribute -> ImageAttribute,
    DescribeImages -> Images,
    DescribeLockedSnapshots -> LockedSnapshots,
    DescribeRegions -> Regions,
    DescribeSnapshotAttribute -> SnapshotAttribute,
    DescribeSnapshotTierStatus -> SnapshotTiers,
    DescribeSnapshots -> Snapshots,
    DescribeStoreImageTasks -> StoreImageTasks,
    DisableFastSnapshotRestores -> FastRestoreResults,
    DisableImageDeregistrationProtection -> Empty,
    EnableFastSnapshotRestores -> FastRestoreResults,
    EnableImageDeprecation -> Empty,
    EnableImageDeregistrationProtection -> Empty,
    GetAllowedImagesSettings -> AllowedImagesSettings,
    GetEbsDefaultKmsKeyId -> DefaultKmsKey,
    GetEbsEncryptionByDefault -> EncryptionByDefault,
    GetImageBlockPublicAccessState -> ImageBlockPublicAccess,
    GetSnapshotBlockPublicAccessState -> SnapshotBlockPublicAccess,
    LockSnapshot -> Empty,
    ModifyImageAttribute -> Empty,
    ModifySnapshotAttribute -> Empty,
    ModifySnapshotTier -> Empty,
    RegisterImage -> NewImageId,
    RestoreSnapshotTier -> Empty,
    UnlockSnapshot -> Empty,
}

paged! {
    DescribeImages: images of Image,
    DescribeFastSnapshotRestores: restores of FastRestore,
    DescribeSnapshotTierStatus: tiers of SnapshotTier,
    DescribeSnapshots: snapshots of Snapshot,
}
