//! The calls of EC2 in use, with the parameters that are sent and the fields that are read.
//!
//! A new call is a row in [`CALLS`] and structures for its input and output in one of the modules below. A test
//! compares both with botocore's model of the service.

pub(super) mod account;
pub(super) mod images;
pub(super) mod recycle_bin;
pub(super) mod references;
pub(super) mod snapshots;
pub(super) mod tags;
pub(super) mod usage;

use account::{
    DefaultKmsKey, DescribeRegions, EncryptionByDefault, GetEbsDefaultKmsKeyId, GetEbsEncryptionByDefault,
    GetImageBlockPublicAccessState, ImageBlockPublicAccess, Regions,
};
use images::{
    CopyImage, DeregisterImage, DescribeImageAttribute, DescribeImages, DisableImageDeregistrationProtection,
    EnableImageDeprecation, EnableImageDeregistrationProtection, Image, ImageAttribute, Images,
    ModifyImageAttribute, NewImageId, RegisterImage,
};
use recycle_bin::{
    DeleteTags, DeregisteredImage, DisableImage, DisableImageDeprecation, EnableImage,
    ListImagesInRecycleBin, ListSnapshotsInRecycleBin, RecycledImage, RecycledImages, RecycledSnapshot,
    RecycledSnapshots, RestoreImageFromRecycleBin, RestoreSnapshotFromRecycleBin,
};
use references::{DescribeImageReferences, DescribeTags, ImageReferences, Reference, TagRow, TagRows};
use snapshots::{
    DeleteSnapshot, DescribeSnapshotAttribute, DescribeSnapshots, ModifySnapshotAttribute, Snapshot,
    SnapshotAttribute, Snapshots,
};
use tags::CreateTags;
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
    CopyImage -> NewImageId,
    CreateImageUsageReport -> UsageReportId,
    CreateTags -> Empty,
    DeleteImageUsageReport -> Empty,
    DeleteSnapshot -> Empty,
    DeleteTags -> Empty,
    DeregisterImage -> DeregisteredImage,
    DescribeImageAttribute -> ImageAttribute,
    DescribeImageReferences -> ImageReferences,
    DescribeImageUsageReportEntries -> UsageEntries,
    DescribeImageUsageReports -> UsageReports,
    DescribeImages -> Images,
    DescribeRegions -> Regions,
    DescribeSnapshotAttribute -> SnapshotAttribute,
    DescribeSnapshots -> Snapshots,
    DescribeTags -> TagRows,
    DisableImage -> Empty,
    DisableImageDeprecation -> Empty,
    DisableImageDeregistrationProtection -> Empty,
    EnableImage -> Empty,
    EnableImageDeprecation -> Empty,
    EnableImageDeregistrationProtection -> Empty,
    GetEbsDefaultKmsKeyId -> DefaultKmsKey,
    GetEbsEncryptionByDefault -> EncryptionByDefault,
    GetImageBlockPublicAccessState -> ImageBlockPublicAccess,
    ListImagesInRecycleBin -> RecycledImages,
    ListSnapshotsInRecycleBin -> RecycledSnapshots,
    ModifyImageAttribute -> Empty,
    ModifySnapshotAttribute -> Empty,
    RegisterImage -> NewImageId,
    RestoreImageFromRecycleBin -> Empty,
    RestoreSnapshotFromRecycleBin -> Empty,
}

paged! {
    DescribeImageReferences: references of Reference,
    DescribeImageUsageReportEntries: entries of UsageEntry,
    DescribeImageUsageReports: reports of UsageReport,
    DescribeImages: images of Image,
    DescribeSnapshots: snapshots of Snapshot,
    DescribeTags: rows of TagRow,
    ListImagesInRecycleBin: images of RecycledImage,
    ListSnapshotsInRecycleBin: snapshots of RecycledSnapshot,
}
