//! Plans of requests: calls, permissions, cost.

use super::*;
use crate::request::{AmiOptions, Arch, Audience, ImageFacts, KeyChoice, SnapshotSharing, check};

fn request(options: &AmiOptions) -> Request {
    let facts = ImageFacts {
        name: Some("web".to_owned()),
        version: Some("1".to_owned()),
        architecture: Some(Arch::Aarch64),
        tags: [("amiforge:image".to_owned(), "web".to_owned())].into(),
        ..ImageFacts::default()
    };
    check(options, &facts, "eu-west-1", 0).unwrap()
}

fn volume() -> Volume {
    let image = Some("web".to_owned());
    Volume { path: "out/web".to_owned(), image, data: 1000, zero: 24, known: Precision::Exact }
}

fn actions(plan: &Plan) -> Vec<String> {
    let statements = plan.policy["Statement"].as_array().unwrap();
    let mut all: Vec<_> = statements
        .iter()
        .flat_map(|statement| statement["Action"].as_array().unwrap())
        .map(|action| action.as_str().unwrap().to_owned())
        .collect();
    all.sort();
    all
}

#[test]
fn a_publish_without_options_needs_few_permissions() {
    let plan = plan(&request(&AmiOptions::default()), &[volume()], Parent::None, &[]);
    assert_eq!((plan.blocks, plan.bytes), (1000, 1000 * 524_288));
    assert_eq!(
        actions(&plan),
        [
            "ebs:CompleteSnapshot",
            "ebs:PutSnapshotBlock",
            "ebs:StartSnapshot",
            "ec2:CreateTags",
            "ec2:DeleteSnapshot",
            "ec2:DeregisterImage",
            "ec2:DescribeImages",
            "ec2:DescribeSnapshots",
            "ec2:GetEbsEncryptionByDefault",
            "ec2:RegisterImage",
        ]
    );
    assert!(plan.unknown[0].contains("24 blocks of zeros are sent too, 1024 in all"), "{:?}", plan.unknown);
    let text = plan.policy.to_string();
    assert!(text.contains("arn:aws:ec2:eu-west-1::snapshot/*") && !text.contains("kms:"), "{text}");
    let usd: Vec<_> = plan.cost.iter().map(|line| line.usd).collect();
    assert_eq!(usd, [0.006, 0.0262]);
}

#[test]
fn each_option_adds_only_the_permissions_that_it_needs() {
    let plain = actions(&plan(&request(&AmiOptions::default()), &[volume()], Parent::None, &[]));
    let added = |options: &AmiOptions, parent| {
        let mut all = actions(&plan(&request(options), &[volume()], parent, &[]));
        all.retain(|action| !plain.contains(action));
        all.dedup();
        all
    };
    let texts = |all: &[&str]| all.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1";
    assert_eq!(
        added(&AmiOptions::default(), Parent::Some),
        ["ebs:GetSnapshotBlock", "ebs:ListChangedBlocks", "ebs:ListSnapshotBlocks"]
    );
    let deprecated = AmiOptions { deprecate: Some("1d".to_owned()), ..AmiOptions::default() };
    assert_eq!(added(&deprecated, Parent::None), ["ec2:EnableImageDeprecation"]);
    let public = AmiOptions { audience: Audience::Public, ..AmiOptions::default() };
    assert_eq!(
        added(&public, Parent::None),
        [
            "ec2:DescribeImageAttribute",
            "ec2:GetEbsDefaultKmsKeyId",
            "ec2:GetImageBlockPublicAccessState",
            "ec2:ModifyImageAttribute"
        ]
    );
    let shared = AmiOptions {
        share: texts(&["111122223333"]),
        snapshots: SnapshotSharing::Shared,
        encryption: KeyChoice::Arn(key.to_owned()),
        ..AmiOptions::default()
    };
    let shared = added(&shared, Parent::None);
    assert!(shared.contains(&"ec2:ModifySnapshotAttribute".to_owned()), "{shared:?}");
    assert!(shared.contains(&"kms:CreateGrant".to_owned()), "{shared:?}");
}

#[test]
fn an_alias_is_described_and_allowed_by_a_condition() {
    let options = AmiOptions {
        encryption: KeyChoice::Alias("arn:aws:kms:eu-west-1:123456789012:alias/web".to_owned()),
        ..AmiOptions::default()
    };
    let plan = plan(&request(&options), &[volume()], Parent::None, &[]);
    let describe_calls: Vec<_> = plan.calls.iter().filter(|call| call.action == "kms:DescribeKey").collect();
    assert_eq!((describe_calls.len(), describe_calls[0].region.as_str()), (1, "eu-west-1"));
    let statements = plan.policy["Statement"].as_array().unwrap();
    for action in ["kms:CreateGrant", "kms:DescribeKey", "kms:GenerateDataKey*"] {
        let allows =
            |one: &&serde_json::Value| one["Action"].as_array().unwrap().iter().any(|is| is == action);
        let statement = statements.iter().find(allows).unwrap();
        assert_eq!(statements.iter().filter(allows).count(), 1, "{action} is allowed once");
        let alias = &statement["Condition"]["ForAnyValue:StringEquals"]["kms:ResourceAliases"];
        assert_eq!(alias, &serde_json::json!(["alias/web"]), "{statement}");
    }
}

#[test]
fn actions_of_copies_are_allowed_in_their_region_only() {
    let options = AmiOptions {
        copy_to: vec!["eu-central-1".to_owned()],
        encrypt_copies: KeyChoice::Default,
        ..AmiOptions::default()
    };
    let plan = plan(&request(&options), &[volume()], Parent::None, &[]);
    assert_eq!(plan.blocks, 1024, "blocks that will be encrypted have to be written, zeros too");
    let statements = plan.policy["Statement"].as_array().unwrap();
    let of = |action: &str| {
        let has = |one: &&serde_json::Value| one["Action"].as_array().unwrap().iter().any(|is| is == action);
        statements.iter().find(has).unwrap()["Resource"].to_string()
    };
    // The image that is copied is a resource of the copy too.
    assert!(of("ec2:CopyImage").contains("eu-central-1") && of("ec2:CopyImage").contains("eu-west-1"));
    assert!(
        of("ec2:RegisterImage").contains("eu-west-1") && !of("ec2:RegisterImage").contains("eu-central-1")
    );
    assert!(of("ec2:CreateTags").contains("eu-west-1") && of("ec2:CreateTags").contains("eu-central-1"));
    assert_eq!(plan.cost.len(), 4);
}

#[test]
fn partitions_name_their_own_arns() {
    let facts = ImageFacts {
        name: Some("web".to_owned()),
        architecture: Some(Arch::Aarch64),
        ..ImageFacts::default()
    };
    let request = check(&AmiOptions::default(), &facts, "cn-north-1", 0).unwrap();
    let text = plan(&request, &[volume()], Parent::None, &[]).policy.to_string();
    assert!(text.contains("arn:aws-cn:ec2:cn-north-1::image/*"), "{text}");
}

#[test]
fn an_import_needs_a_bucket_and_a_role_instead_of_blocks() {
    let import = crate::import::ImportOptions {
        bucket: "images".to_owned(),
        role: None,
        wait: std::time::Duration::from_mins(1),
    };
    let plan = plan_import(&request(&AmiOptions::default()), &[volume()], &import, &[(2048, 128)], &[]);
    let all = actions(&plan);
    assert!(
        !all.iter().any(|action| action == "ebs:PutSnapshotBlock" || action.starts_with("kms:")),
        "{all:?}"
    );
    for action in ["ec2:ImportSnapshot", "s3:PutObject", "s3:DeleteObject", "ebs:GetSnapshotBlock"] {
        assert!(all.iter().any(|other| other == action), "{action}: {all:?}");
    }
    let text = plan.policy.to_string();
    for arn in ["arn:aws:s3:::images\"", "arn:aws:s3:::images/amiforge/*", ":*:import-snapshot-task/*"] {
        assert!(text.contains(arn), "{arn}: {text}");
    }
    assert_eq!(plan.bytes, 2048 * 524_288, "zeros are sent too");
    let role = plan.role.unwrap();
    assert!(role.trust.to_string().contains("vmie.amazonaws.com") && role.name == "vmimport");
    assert!(role.policy.to_string().contains("arn:aws:s3:::images/*"));
    let key = "arn:aws:kms:eu-west-1:123456789012:key/11111111-1111-4111-8111-111111111111";
    let options = AmiOptions { encryption: KeyChoice::Arn(key.to_owned()), ..AmiOptions::default() };
    let plan = plan_import(&request(&options), &[volume()], &import, &[(2048, 128)], &[]);
    let all = actions(&plan);
    assert!(
        all.contains(&"kms:Decrypt".to_owned()) && !all.contains(&"kms:CreateGrant".to_owned()),
        "{all:?}"
    );
    assert!(plan.role.unwrap().policy.to_string().contains("kms:CreateGrant"));
}
