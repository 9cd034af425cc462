//! The calls of `backup`, `restore-image`, `copy` and `snapshot`, for their dry runs, and what they cost.

use amiforge_publish::request::{CopyTarget, KeyChoice};

use crate::call_plan::{CallList, CallPlan, Resources};

/// Price of fast restores in US dollars per snapshot, zone and hour: list price of us-east-1, 2026-11. Billed by the
/// minute, at least an hour.
pub const FAST_RESTORE_HOUR: f64 = 0.75;

/// The calls of `backup`.
pub fn backup(region: &str, image: &str, bucket: &str) -> CallPlan {
    let mut calls = CallList::new();
    calls.in_region(region);
    let id = || Resources::Images(Some(image.to_owned()));
    let (own_bucket, objects) = (Resources::Bucket(bucket.to_owned()), Resources::Objects(bucket.to_owned()));
    calls.add("ec2:DescribeImages", Resources::Any, "the image");
    calls.add("s3:ListBucket", own_bucket, "the bucket exists, in this region");
    calls.add(
        "ec2:DescribeStoreImageTasks",
        Resources::Any,
        "whether it is stored already, and how far it is",
    );
    calls.add("s3:GetObject", objects.clone(), "whether the object is there, and its size");
    calls.add("ec2:DescribeSnapshots", Resources::Any, "sizes, encryption and tiers of its snapshots");
    calls.add("ec2:CreateStoreImageTask", id(), "stores it");
    for action in ["s3:PutObject", "s3:PutObjectTagging", "s3:AbortMultipartUpload"] {
        calls.add(action, objects.clone(), "made by EC2 for the caller: the object");
    }
    calls.add("ec2:DescribeTags", Resources::Any, "made by EC2 for the caller: the tags of the image");
    for action in ["ebs:ListSnapshotBlocks", "ebs:ListChangedBlocks", "ebs:GetSnapshotBlock"] {
        calls.add(action, Resources::Snapshots(None), "made by EC2 for the caller: the blocks");
    }
    calls.plan(vec![
        "an image that is stored already is not stored again".to_owned(),
        "the size of the object: its data is compressed".to_owned(),
    ])
}

/// The calls of `restore-image`.
pub fn restore(region: &str, bucket: &str) -> CallPlan {
    let mut calls = CallList::new();
    calls.in_region(region);
    let (own_bucket, objects) = (Resources::Bucket(bucket.to_owned()), Resources::Objects(bucket.to_owned()));
    calls.add(
        "ec2:DescribeImages",
        Resources::Any,
        "the name is free, or its AMI of this object; it is available",
    );
    calls.add("s3:ListBucket", own_bucket, "the bucket exists, in this region");
    calls.add("s3:GetObject", objects, "the object exists; EC2 reads it for the caller");
    calls.add("ec2:CreateRestoreImageTask", Resources::ImagesAndSnapshots, "restores it");
    for action in ["ebs:StartSnapshot", "ebs:PutSnapshotBlock", "ebs:CompleteSnapshot"] {
        calls.add(action, Resources::Snapshots(None), "made by EC2 for the caller: the snapshots");
    }
    calls.add("ec2:GetEbsEncryptionByDefault", Resources::Any, "made by EC2 for the caller");
    calls.add("ec2:CreateTags", Resources::ImagesAndSnapshots, "tags of the image and of its snapshots");
    calls.add("ec2:DescribeSnapshots", Resources::Any, "their tags are there");
    let purpose = "only where an earlier restore failed: its image and snapshots";
    calls.add("ec2:DeregisterImage", Resources::ImagesAndSnapshots, purpose);
    calls.add("ec2:DeleteSnapshot", Resources::Snapshots(None), purpose);
    calls.plan(Vec::new())
}

/// The calls of `copy`, with those that attach a watermark if there is one to be attached.
pub fn copy(home: &str, targets: &[CopyTarget], with_watermark: bool) -> CallPlan {
    let mut calls = CallList::new();
    calls.in_region(home);
    calls.add("ec2:DescribeImages", Resources::Any, "the image");
    calls.add("ec2:DescribeSnapshots", Resources::Any, "the tags of its snapshots");
    calls.add("ec2:DescribeRegions", Resources::Any, "the target regions are enabled");
    calls.add("ec2:CopyImage", Resources::ImagesAndSnapshots, "the image that is copied, with its snapshots");
    for target in targets {
        calls.in_region(&target.region);
        calls.add(
            "ec2:DescribeImages",
            Resources::Any,
            "the name is free, or its AMI a copy; it is available",
        );
        if matches!(target.encryption, KeyChoice::Alias(_)) {
            calls.add("kms:DescribeKey", Resources::Any, "the key that the alias stands for");
        }
        calls.add("ec2:CopyImage", Resources::ImagesAndSnapshots, "the copy");
        calls.add("ec2:DescribeSnapshots", Resources::Any, "how far it is; its tags are there");
        calls.add("ec2:CreateTags", Resources::ImagesAndSnapshots, "tags of the copy and of its snapshots");
        if with_watermark {
            calls.add("ec2:AttachImageWatermark", Resources::Images(None), "its watermark");
        }
        let purpose = "only where an earlier copy failed: its image and snapshots";
        calls.add("ec2:DeregisterImage", Resources::ImagesAndSnapshots, purpose);
        calls.add("ec2:DeleteSnapshot", Resources::Snapshots(None), purpose);
    }
    calls.plan(vec![
        "transfer between regions, about 0.02 US dollars per GB (us-east-1, 2026-11), and the storage of the copies"
            .to_owned(),
        "the copy of an encrypted image needs the use of its key too".to_owned(),
    ])
}

/// The operation of `snapshot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotOperation {
    /// Lock.
    Lock,
    /// Unlock.
    Unlock,
    /// Archive.
    Archive,
    /// Restore from the archive.
    Restore,
    /// Enable fast restores.
    EnableFastRestore,
    /// Disable fast restores.
    DisableFastRestore,
}

/// The calls of `snapshot`. `name` is a snapshot, or an image whose snapshots are meant.
pub fn snapshot(region: &str, name: &str, operation: SnapshotOperation, zones: usize) -> CallPlan {
    let mut calls = CallList::new();
    calls.in_region(region);
    let id = || Resources::Snapshots(name.starts_with("snap-").then(|| name.to_owned()));
    if name.starts_with("ami-") || operation == SnapshotOperation::Archive {
        calls.add("ec2:DescribeImages", Resources::Any, "the AMI of the snapshots, or those that use them");
    }
    let mut notes = Vec::new();
    match operation {
        SnapshotOperation::Lock | SnapshotOperation::Unlock => {
            calls.add("ec2:DescribeLockedSnapshots", Resources::Any, "their locks");
            match operation {
                SnapshotOperation::Lock => calls.add("ec2:LockSnapshot", id(), "locks them"),
                _ => calls.add("ec2:UnlockSnapshot", id(), "unlocks them"),
            }
        }
        SnapshotOperation::Archive => {
            calls.add("ec2:DescribeSnapshotTierStatus", Resources::Any, "their tiers");
            calls.add("ec2:ModifySnapshotTier", id(), "archives them");
            notes.push(
                "an archived snapshot is a full one and is billed for at least 90 days: about 0.0125 US dollars per GB and \
                 month (us-east-1, 2026-11), in place of 0.05 for what it does not share with others"
                    .to_owned(),
            );
            notes.push("its sharing and its fast restores end".to_owned());
        }
        SnapshotOperation::Restore => {
            calls.add("ec2:DescribeSnapshotTierStatus", Resources::Any, "their tiers");
            calls.add("ec2:RestoreSnapshotTier", id(), "restores them");
            notes.push(
                "about 0.03 US dollars per GB (us-east-1, 2026-11); it takes up to 72 hours".to_owned(),
            );
        }
        SnapshotOperation::EnableFastRestore | SnapshotOperation::DisableFastRestore => {
            calls.add("ec2:DescribeAvailabilityZones", Resources::Any, "the zones of the region");
            calls.add("ec2:DescribeFastSnapshotRestores", Resources::Any, "the zones in which it is enabled");
            if operation == SnapshotOperation::EnableFastRestore {
                calls.add("ec2:EnableFastSnapshotRestores", id(), "enables it");
                notes.push(fast_restore_price(None, (zones > 0).then_some(zones)));
            } else {
                calls.add("ec2:DisableFastSnapshotRestores", id(), "disables it");
            }
        }
    }
    calls.plan(notes)
}

/// The price of fast restores, as a sentence; numbers that are not known are left out.
pub fn fast_restore_price(snapshots: Option<usize>, zones: Option<usize>) -> String {
    let each = format!(
        "fast restores cost about {FAST_RESTORE_HOUR} US dollars per snapshot, zone and hour (us-east-1, 2026-11), at least \
         one hour"
    );
    match (snapshots, zones) {
        (Some(snapshots), Some(zones)) => {
            let hour = FAST_RESTORE_HOUR * snapshots as f64 * zones as f64;
            format!(
                "{each}: {hour:.2} an hour for {snapshots} snapshots in {zones} zones, {:.2} a month of 30 days",
                hour * 720.0
            )
        }
        _ => each,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_of_fast_restores_is_per_snapshot_and_zone() {
        let text = fast_restore_price(Some(2), Some(3));
        assert!(text.contains("4.50 an hour") && text.contains("3240.00 a month"), "{text}");
    }

    #[test]
    fn a_policy_names_the_image_and_the_bucket() {
        let text = backup("us-gov-west-1", "ami-1", "backups").policy.to_string();
        for arn in ["arn:aws-us-gov:ec2:us-gov-west-1::image/ami-1", "arn:aws-us-gov:s3:::backups/*"] {
            assert!(text.contains(arn), "{arn}: {text}");
        }
    }
}
