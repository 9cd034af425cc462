//! The calls of a publish, each with the resource types in its IAM authorization.

use serde::Serialize;

use super::volume::{Parent, SourceName, SourceRead, Volume};
use crate::request::{KeyChoice, Request, SnapshotSharing};

/// Calls of one action in one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedCall {
    /// IAM action, such as `ec2:RegisterImage`.
    pub action: &'static str,
    /// The region.
    pub region: String,
    /// Number of calls; `None` if it is not known in advance.
    pub count: Option<u64>,
    /// Purpose of the calls.
    pub purpose: &'static str,
    /// Resource types of the authorization.
    #[serde(skip)]
    pub(super) scope: ResourceScope,
}

/// Resource types in the authorization of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ResourceScope {
    /// The action supports no resource types.
    Any,
    /// Snapshots.
    Snapshots,
    /// Images.
    Images,
    /// Images and snapshots.
    ImagesAndSnapshots,
    /// Images and snapshots, also those of the region that is copied from.
    CopiedImages,
    /// The bucket of an import.
    Bucket,
    /// The objects of imports in it.
    Objects,
    /// Tasks that import, and the snapshots that they make.
    ImportTasks,
    /// Images and snapshots with the tag of this publish.
    OwnTagged,
    /// KMS keys; the statements of the named keys allow the action.
    Keys,
    /// Parameters; the statement of the sources allows the action.
    Parameters,
}

/// The calls of a publish, in order.
pub(super) fn calls(request: &Request, volumes: &[Volume], blocks: u64, parent: Parent) -> Vec<PlannedCall> {
    let uploads = volumes.len() as u64;
    calls_with(request, |list| list.add_upload_calls(uploads, blocks, parent))
}

/// The calls of a publish whose snapshots are imported: `parts` parts of `uploads` objects.
pub(super) fn import_calls(request: &Request, uploads: u64, parts: u64) -> Vec<PlannedCall> {
    calls_with(request, |list| list.add_import_calls(uploads, parts))
}

/// The calls of a registration of a snapshot that exists.
pub(super) fn register_calls(request: &Request) -> Vec<PlannedCall> {
    let mut list = CallList { calls: Vec::new(), region: request.region.clone() };
    // The snapshot is encrypted or is not, whatever the request says.
    list.add_account_checks(request, &KeyChoice::Account);
    list.add("ec2:DescribeSnapshots", None, "it is complete; its tags are there", ResourceScope::Any);
    let purpose = "the name is free, or its AMI equal; the AMI is available";
    list.add("ec2:DescribeImages", None, purpose, ResourceScope::Any);
    list.add("ec2:RegisterImage", Some(1), "the AMI", ResourceScope::ImagesAndSnapshots);
    let purpose = "tags of the AMI and of its snapshot";
    list.add("ec2:CreateTags", None, purpose, ResourceScope::ImagesAndSnapshots);
    list.add_attribute_calls(request);
    list.calls
}

/// The calls that read snapshots whose disks are sources of the image. A file that is in the store is not read again.
pub(super) fn source_calls(sources: &[SourceRead]) -> Vec<PlannedCall> {
    let mut list = CallList { calls: Vec::new(), region: String::new() };
    for source in sources {
        list.region.clone_from(&source.region);
        if let SourceName::Parameter(_) = source.named_by {
            list.add("ssm:GetParameter", None, "the image of a source", ResourceScope::Parameters);
        }
        if source.named_by != SourceName::Snapshot {
            let purpose = "the snapshot of a source of the image";
            list.add("ec2:DescribeImages", None, purpose, ResourceScope::Any);
        }
        list.add("ec2:DescribeSnapshots", None, "the snapshot of a source", ResourceScope::Any);
        list.add("ebs:ListSnapshotBlocks", None, "the blocks of a source", ResourceScope::Snapshots);
        list.add("ebs:GetSnapshotBlock", None, "these, 512 KiB each", ResourceScope::Snapshots);
    }
    list.calls
}

fn calls_with(request: &Request, add_uploads: impl FnOnce(&mut CallList)) -> Vec<PlannedCall> {
    let mut list = CallList { calls: Vec::new(), region: request.region.clone() };
    list.add_account_checks(request, &request.encryption);
    if !request.copies.is_empty() {
        list.add(
            "ec2:DescribeRegions",
            Some(1),
            "every region that is copied to is one of the account",
            ResourceScope::Any,
        );
    }
    list.add(
        "ec2:DescribeImages",
        None,
        "the name is free, or its AMI equal; the AMI is available",
        ResourceScope::Any,
    );
    add_uploads(&mut list);
    list.add("ec2:RegisterImage", Some(1), "the AMI", ResourceScope::ImagesAndSnapshots);
    list.add(
        "ec2:CreateTags",
        None,
        "tags of the AMI and of its snapshots",
        ResourceScope::ImagesAndSnapshots,
    );
    list.add_attribute_calls(request);
    list.add_abandon_calls(request);
    for copy in &request.copies {
        list.region.clone_from(&copy.region);
        list.add_account_checks(request, &copy.encryption);
        list.add("ec2:CopyImage", Some(1), "the copy", ResourceScope::CopiedImages);
        list.add("ec2:DescribeImages", None, "it is available", ResourceScope::Any);
        list.add("ec2:DescribeSnapshots", None, "how far it is; its tags are there", ResourceScope::Any);
        list.add(
            "ec2:CreateTags",
            None,
            "tags of the copy and of its snapshots",
            ResourceScope::ImagesAndSnapshots,
        );
        list.add_attribute_calls(request);
        list.add_abandon_calls(request);
    }
    list.calls
}

struct CallList {
    calls: Vec<PlannedCall>,
    region: String,
}

impl CallList {
    fn add(&mut self, action: &'static str, count: Option<u64>, purpose: &'static str, scope: ResourceScope) {
        self.calls.push(PlannedCall { action, region: self.region.clone(), count, purpose, scope });
    }

    /// Adds the calls of the checks before the upload.
    fn add_account_checks(&mut self, request: &Request, key: &KeyChoice) {
        if request.share.is_public() {
            let purpose = "the account lets AMIs become public";
            self.add("ec2:GetImageBlockPublicAccessState", Some(1), purpose, ResourceScope::Any);
        }
        if key.alias().is_some() {
            self.add("kms:DescribeKey", Some(1), "the key that the alias stands for", ResourceScope::Keys);
        }
        if *key == KeyChoice::Account {
            let purpose = "whether the account encrypts by default";
            self.add("ec2:GetEbsEncryptionByDefault", None, purpose, ResourceScope::Any);
        }
        if *key == KeyChoice::Account && !request.share.with.is_empty() {
            let purpose = "if it does: with a key that others can be allowed to use";
            self.add("ec2:GetEbsDefaultKmsKeyId", None, purpose, ResourceScope::Any);
        }
    }

    /// Adds the calls that upload `uploads` snapshots with `blocks` blocks in all.
    fn add_upload_calls(&mut self, uploads: u64, blocks: u64, parent: Parent) {
        self.add("ebs:StartSnapshot", Some(uploads), "a snapshot for each bundle", ResourceScope::Snapshots);
        self.add("ebs:PutSnapshotBlock", Some(blocks), "its blocks, 512 KiB each", ResourceScope::Snapshots);
        self.add(
            "ebs:CompleteSnapshot",
            Some(uploads),
            "its end, with the checksum over all",
            ResourceScope::Snapshots,
        );
        self.add(
            "ec2:DescribeSnapshots",
            None,
            "the service has put it together; its tags are there",
            ResourceScope::Any,
        );
        if parent == Parent::Some {
            self.add("ebs:ListSnapshotBlocks", None, "the blocks of the parent", ResourceScope::Snapshots);
            self.add(
                "ebs:ListChangedBlocks",
                None,
                "the blocks in which the snapshot differs from it",
                ResourceScope::Snapshots,
            );
            self.add("ebs:GetSnapshotBlock", None, "these, to be compared", ResourceScope::Snapshots);
        }
    }

    /// Adds the calls that import `uploads` objects of `parts` parts in all.
    fn add_import_calls(&mut self, uploads: u64, parts: u64) {
        let objects = ResourceScope::Objects;
        self.add("s3:ListBucket", None, "the bucket is in the region", ResourceScope::Bucket);
        let purpose = "an upload whose answer was lost";
        self.add("s3:ListBucketMultipartUploads", Some(uploads), purpose, ResourceScope::Bucket);
        // One action for the beginning, the parts and the end.
        self.add("s3:PutObject", Some(parts + 2 * uploads), "the image in parts", objects);
        self.add("s3:ListMultipartUploadParts", None, "the parts that are there", objects);
        self.add("s3:GetObject", Some(uploads), "the checksum of the object", objects);
        self.add("ec2:ImportSnapshot", Some(uploads), "a snapshot of the object", ResourceScope::ImportTasks);
        self.add("ec2:DescribeImportSnapshotTasks", None, "what the import does", ResourceScope::Any);
        self.add("ec2:DescribeSnapshots", None, "it is completed; its tags are there", ResourceScope::Any);
        self.add("ebs:ListSnapshotBlocks", None, "the proof, if allowed", ResourceScope::Snapshots);
        self.add("ebs:GetSnapshotBlock", None, "the proof, if allowed", ResourceScope::Snapshots);
        self.add("s3:DeleteObject", Some(uploads), "the object is not needed any more", objects);
        let purpose = "only with --abandon, or after an interrupt";
        self.add("ec2:CancelImportTask", Some(0), purpose, ResourceScope::ImportTasks);
        self.add("s3:AbortMultipartUpload", Some(0), "only with --abandon", objects);
        let purpose = "only with --abandon: the snapshot of an import has no tags at first";
        self.add("ec2:DeleteSnapshot", Some(0), purpose, ResourceScope::Snapshots);
    }

    /// Adds the calls that set attributes of an AMI.
    fn add_attribute_calls(&mut self, request: &Request) {
        if request.uefi_data.is_some() || !request.share.with.is_empty() {
            let purpose = "who may launch it; its UEFI variables";
            self.add("ec2:DescribeImageAttribute", None, purpose, ResourceScope::Images);
        }
        if request.watermark.is_some() {
            let purpose = "its watermark, which a copy has from its source";
            self.add("ec2:AttachImageWatermark", Some(1), purpose, ResourceScope::Images);
        }
        if request.deprecation.is_some() {
            self.add(
                "ec2:EnableImageDeprecation",
                Some(1),
                "when it counts as deprecated",
                ResourceScope::Images,
            );
        }
        if request.protection.is_some() {
            let purpose = "it cannot be deregistered";
            self.add("ec2:EnableImageDeregistrationProtection", Some(1), purpose, ResourceScope::Images);
        }
        if !request.share.with.is_empty() {
            self.add("ec2:ModifyImageAttribute", None, "who may launch it", ResourceScope::Images);
        }
        if request.share.snapshots == SnapshotSharing::Shared {
            self.add(
                "ec2:DescribeSnapshotAttribute",
                None,
                "who may use its snapshots",
                ResourceScope::Snapshots,
            );
            self.add(
                "ec2:ModifySnapshotAttribute",
                None,
                "who may use its snapshots",
                ResourceScope::Snapshots,
            );
        }
    }

    /// Adds the calls of `--abandon`.
    fn add_abandon_calls(&mut self, request: &Request) {
        let purpose = "only with --abandon, or to make a failed copy anew";
        let mut actions = vec!["ec2:DeregisterImage"];
        // Where snapshots are imported, those without a tag are deleted too.
        if !self.calls.iter().any(|call| call.action == "ec2:DeleteSnapshot" && call.region == self.region) {
            actions.push("ec2:DeleteSnapshot");
        }
        if request.protection.is_some() {
            actions.push("ec2:DisableImageDeregistrationProtection");
        }
        for action in actions {
            self.add(action, Some(0), purpose, ResourceScope::OwnTagged);
        }
    }
}
