//! The calls of EC2 that are used, with the parameters that are sent and the fields that are read.
//!
//! Another call is a row in [`CALLS`] and a structure for its parameters and its answer beside its kind; a test holds
//! both against botocore's model of the service.

pub(super) mod account;
pub(super) mod images;
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
use snapshots::{
    DeleteSnapshot, DescribeSnapshotAttribute, DescribeSnapshots, ModifySnapshotAttribute, Snapshot,
    SnapshotAttribute, Snapshots,
};
use tags::CreateTags;

use super::super::query::{Protocol, QueryService, operations, outputs, paged};

/// EC2.
pub(crate) const EC2: QueryService =
    QueryService { id: "EC2", name: "ec2", version: "2016-11-15", protocol: Protocol::Ec2 };

outputs! {
    /// An answer of which nothing is read: the call was carried out.
    Empty {}
}

operations! {
    /// Every call of EC2 that is made.
    pub CALLS of EC2:
    CopyImage -> NewImageId,
    CreateTags -> Empty,
    DeleteSnapshot -> Empty,
    DeregisterImage -> Empty,
    DescribeImageAttribute -> ImageAttribute,
    DescribeImages -> Images,
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
    ModifySnapshotAttribute -> Empty,
    RegisterImage -> NewImageId,
}

paged! {
    DescribeImages: images of Image,
    DescribeSnapshots: snapshots of Snapshot,
}
