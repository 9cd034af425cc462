//! The calls of `upload`.

use amiforge_publish::plan::key_statements;
use amiforge_publish::request::KeyChoice;
use amiforge_publish::upload::{ParentChoice, TAG_UPLOAD};
use serde_json::Value;

use super::{CallList, CallPlan, Resources};

/// The calls of an upload into a snapshot of a region, of its continuation and of `--abandon`.
pub fn upload(region: &str, encryption: &KeyChoice, parent: Option<&ParentChoice>) -> CallPlan {
    let mut calls = CallList::new();
    calls.in_region(region);
    let snapshots = || Resources::Snapshots(None);
    if *encryption == KeyChoice::Account {
        let purpose = "whether the account encrypts by default; without it, blocks of zeros are sent too";
        calls.add("ec2:GetEbsEncryptionByDefault", Resources::Any, purpose);
    }
    if let Some(ParentChoice::Id(id)) = parent
        && id.starts_with("ami-")
    {
        calls.add("ec2:DescribeImages", Resources::Any, "the snapshot of the parent");
    }
    calls.add("ebs:StartSnapshot", snapshots(), "the snapshot");
    calls.add("ec2:CreateTags", snapshots(), "its tags");
    calls.add("ebs:PutSnapshotBlock", snapshots(), "its blocks, 512 KiB each");
    calls.add("ebs:CompleteSnapshot", snapshots(), "its end, with the checksum over all");
    calls.add("ec2:DescribeSnapshots", Resources::Any, "the service has put it together; earlier versions");
    if parent.is_some() {
        calls.add("ebs:ListSnapshotBlocks", snapshots(), "the blocks of the parent");
        let purpose = "the blocks in which the snapshot differs from it";
        calls.add("ebs:ListChangedBlocks", snapshots(), purpose);
        calls.add("ebs:GetSnapshotBlock", snapshots(), "these, to be compared");
    }
    calls.add_tagged("ec2:DeleteSnapshot", snapshots(), TAG_UPLOAD, "only with --abandon");
    let mut plan = calls.plan(vec!["calls that have to be repeated".to_owned()]);
    if let Value::Array(statements) = &mut plan.policy["Statement"] {
        statements.extend(key_statements(&[encryption]));
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_snapshots_of_uploads_may_be_deleted_and_only_a_named_key_is_used() {
        let text = |key: &KeyChoice| upload("eu-west-1", key, None).policy.to_string();
        assert!(text(&KeyChoice::Account).contains(r#""Null":{"aws:ResourceTag/amiforge:upload":"false"}"#));
        assert!(!text(&KeyChoice::Account).contains("kms:"));
        let arn = "arn:aws:kms:eu-west-1:123456789012:key/1";
        assert!(text(&KeyChoice::Arn(arn.to_owned())).contains(arn));
    }
}
