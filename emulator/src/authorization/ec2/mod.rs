//! EC2: images, snapshots, launch templates and what is made from them.

mod copies;
mod resources;
mod tasks;
mod templates;

use super::key_use;
use super::rule::{Need, Rule, also, any, own, rule};
use copies::{copied_image, copied_snapshot, copied_tags, copy_grants, copy_keys, source_keys};
use resources::{
    created_image, created_snapshot, images, import_tasks, instances, new_image, new_import_image,
    new_import_snapshot, new_snapshot, new_template, registered, snapshots, source_snapshots, tagged,
    tagged_resources, usage_report, usage_reports,
};
use tasks::{bucket, object, snapshots_of_image, tagged_object};
use templates::{launched, templates};

pub(super) use resources::{new_resource, snapshot, snapshot_of};
pub(super) use templates::profile_role;

/// Tags that a request gives to a new resource need an action of their own: Amazon EC2 User Guide, "Grant
/// permission to tag Amazon EC2 resources during creation".
const TAG: Need = also(&["ec2:CreateTags"], tagged);

/// Amazon EC2 User Guide, "Store and restore an AMI using S3", IAM permissions.
const STORE: &[Need] = &[
    own(images),
    also(&["ebs:ListSnapshotBlocks", "ebs:GetSnapshotBlock"], snapshots_of_image),
    also(&["s3:PutObject", "s3:AbortMultipartUpload"], object),
    also(&["s3:PutObjectTagging"], tagged_object),
    also(&["s3:ListBucket"], bucket),
    also(&["ec2:DescribeTags"], any),
];
const RESTORE: &[Need] = &[
    own(new_image),
    TAG,
    also(&["ebs:StartSnapshot", "ebs:PutSnapshotBlock", "ebs:CompleteSnapshot"], new_snapshot),
    also(&["s3:GetObject"], object),
    also(&["s3:ListBucket"], bucket),
    also(&["ec2:GetEbsEncryptionByDefault"], any),
];
/// The role of an instance profile is passed to EC2: IAM User Guide, "Grant a user permissions to pass a role".
const PASS_ROLE: Need = also(&["iam:PassRole"], profile_role);

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    rule("AttachImageWatermark", &[own(images)]),
    rule("CancelImageLaunchPermission", &[own(images)]),
    rule("CancelImportTask", &[own(import_tasks)]),
    // Amazon EC2 User Guide, "Grant permissions to copy Amazon EC2 AMIs": the source image and its snapshots
    // are resources too, and the copy of the snapshots needs no action of its own.
    rule("CopyImage", &[own(copied_image), TAG, also(&["ec2:CreateTags"], copied_tags), key_use::reads(source_keys), key_use::writes(copy_keys), key_use::grants(copy_grants)]),
    rule("CopySnapshot", &[own(copied_snapshot), TAG, key_use::reads(source_keys), key_use::writes(copy_keys), key_use::grants(copy_grants)]),
    rule("CreateImage", &[own(created_image), TAG]),
    rule("CreateImageUsageReport", &[own(usage_report), TAG]),
    rule("CreateLaunchTemplate", &[own(new_template), TAG]),
    rule("CreateLaunchTemplateVersion", &[own(templates)]),
    rule("CreateRestoreImageTask", RESTORE),
    rule("CreateSnapshot", &[own(created_snapshot), TAG]),
    rule("CreateStoreImageTask", STORE),
    rule("CreateTags", &[own(tagged_resources)]),
    rule("DeleteImageUsageReport", &[own(usage_reports)]),
    rule("DeleteLaunchTemplate", &[own(templates)]),
    rule("DeleteLaunchTemplateVersions", &[own(templates)]),
    rule("DeleteSnapshot", &[own(snapshots)]),
    rule("DeleteTags", &[own(tagged_resources)]),
    // DeleteAssociatedSnapshots reports for each snapshot whether ec2:DeleteSnapshot allows it.
    rule("DeregisterImage", &[own(images)]),
    rule("DescribeImageAttribute", &[own(images)]),
    rule("DescribeSnapshotAttribute", &[own(snapshots)]),
    rule("DetachImageWatermark", &[own(images)]),
    rule("DisableFastLaunch", &[own(images)]),
    rule("DisableFastSnapshotRestores", &[own(source_snapshots)]),
    rule("DisableImage", &[own(images)]),
    rule("DisableImageDeprecation", &[own(images)]),
    rule("DisableImageDeregistrationProtection", &[own(images)]),
    rule("EnableFastLaunch", &[own(images)]),
    rule("EnableFastSnapshotRestores", &[own(source_snapshots)]),
    rule("EnableImage", &[own(images)]),
    rule("EnableImageDeprecation", &[own(images)]),
    rule("EnableImageDeregistrationProtection", &[own(images)]),
    rule("GetInstanceTpmEkPub", &[own(instances)]),
    rule("GetLaunchTemplateData", &[own(instances)]),
    // VM Import/Export User Guide, "Required permissions": the service reads the object with the role vmimport.
    rule("ImportImage", &[own(new_import_image), TAG]),
    rule("ImportSnapshot", &[own(new_import_snapshot), TAG]),
    rule("LockSnapshot", &[own(snapshots)]),
    rule("ModifyImageAttribute", &[own(images)]),
    rule("ModifyLaunchTemplate", &[own(templates)]),
    rule("ModifySnapshotAttribute", &[own(snapshots)]),
    rule("ModifySnapshotTier", &[own(snapshots)]),
    rule("RegisterImage", &[own(registered), TAG]),
    rule("ResetImageAttribute", &[own(images)]),
    rule("ResetSnapshotAttribute", &[own(snapshots)]),
    rule("RestoreImageFromRecycleBin", &[own(images)]),
    rule("RestoreSnapshotFromRecycleBin", &[own(snapshots)]),
    rule("RestoreSnapshotTier", &[own(snapshots)]),
    rule("RunInstances", &[own(launched), TAG, PASS_ROLE]),
    rule("StartInstances", &[own(instances)]),
    rule("StopInstances", &[own(instances)]),
    rule("TerminateInstances", &[own(instances)]),
    rule("UnlockSnapshot", &[own(snapshots)]),
];
