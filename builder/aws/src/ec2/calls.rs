//! The calls of EC2 in use, with the parameters that are sent and the fields that are read.
//!
//! A new call is a row in [`CALLS`] and structures for its input and output in one of the modules below. A test
//! compares both with botocore's model of the service.

pub(super) mod account;
pub(super) mod images;
pub(super) mod launches;
pub(super) mod snapshots;
pub(super) mod tags;

use account::{
    DefaultKmsKey, DescribeRegions, EncryptionByDefault, GetEbsDefaultKmsKeyId, GetEbsEncryptionByDefault,
    GetImageBlockPublicAccessState, ImageBlockPublicAccess, Regions,
};
use images::{
    CopyImage, DeregisterImage, DescribeImageAttribute, DescribeImages, DisableImageDeregistrationProtection,
    EnableImageDeprecation, EnableImageDeregistrationProtection, Image, ImageAttribute, Images,
    ModifyImageAttribute, NewImageId, RegisterImage,
};
use launches::{
    CreateLaunchTemplateVersion, DescribeInstanceTypes, DescribeInstances, DescribeLaunchTemplateVersions,
    DescribeLaunchTemplates, InstanceTypeInfo, InstanceTypes, LaunchTemplate, LaunchTemplateVersion,
    LaunchTemplateVersions, LaunchTemplates, ModifyLaunchTemplate, NewLaunchTemplateVersion, Reservation,
    Reservations,
};
use snapshots::{
    DeleteSnapshot, DescribeSnapshotAttribute, DescribeSnapshots, ModifySnapshotAttribute, Snapshot,
    SnapshotAttribute, Snapshots,
};
use tags::CreateTags;

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
    CreateLaunchTemplateVersion -> NewLaunchTemplateVersion,
    CreateTags -> Empty,
    DeleteSnapshot -> Empty,
    DeregisterImage -> Empty,
    DescribeImageAttribute -> ImageAttribute,
    DescribeImages -> Images,
    DescribeInstanceTypes -> InstanceTypes,
    DescribeInstances -> Reservations,
    DescribeLaunchTemplateVersions -> LaunchTemplateVersions,
    DescribeLaunchTemplates -> LaunchTemplates,
    DescribeRegions -> Regions,
    DescribeSnapshotAttribute -> SnapshotAttribute,
    DescribeSnapshots -> Snapshots,
    DisableImageDeregistrationProtection -> Empty,
    EnableImageDeprecation -> Empty,
    EnableImageDeregistrationProtection -> Empty,
    GetEbsDefaultKmsKeyId -> DefaultKmsKey,
    GetEbsEncryptionByDefault -> EncryptionByDefault,
    GetImageBlockPublicAccessState -> ImageBlockPublicAccess,
    ModifyImageAttribute -> Empty,
    ModifyLaunchTemplate -> Empty,
    ModifySnapshotAttribute -> Empty,
    RegisterImage -> NewImageId,
}

paged! {
    DescribeImages: images of Image,
    DescribeInstanceTypes: types of InstanceTypeInfo,
    DescribeInstances: reservations of Reservation,
    DescribeLaunchTemplateVersions: versions of LaunchTemplateVersion,
    DescribeLaunchTemplates: templates of LaunchTemplate,
    DescribeSnapshots: snapshots of Snapshot,
}
