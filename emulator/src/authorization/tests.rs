//! What operations need: requests against policies, without HTTP.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::digest::Sha256Digest;
use crate::http::request::{Payload, SignedRequest};
use crate::iam::Policy;
use crate::sigv4::SignatureSeed;
use crate::state::ACCOUNT;
use crate::state::config::RegionConfig;
use crate::state::kms_key::{Alias, KeyRecord};
use crate::state::snapshot::{Snapshot, SnapshotShares};

const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1";

struct Fixture {
    state: State,
    _folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(RegionConfig::new(folder.path())).unwrap();
        let fixture = Self { state, _folder: folder };
        fixture.snapshot("snap-0a", None, &[("team", "web")]);
        fixture.snapshot("snap-0b", Some(KEY), &[]);
        let region = fixture.region();
        let key = KeyRecord {
            owner: ACCOUNT.to_owned(),
            description: String::new(),
            enabled: true,
            spec: "SYMMETRIC_DEFAULT".to_owned(),
            usage: "ENCRYPT_DECRYPT".to_owned(),
            created: fixture.state.now(),
            policy: None,
        };
        region.keys.put("1", key).unwrap();
        let alias = Alias {
            name: "alias/web".to_owned(),
            owner: ACCOUNT.to_owned(),
            key: "1".to_owned(),
            changed: fixture.state.now(),
        };
        region.aliases.put(&format!("{ACCOUNT}/alias/web"), alias).unwrap();
        fixture
    }

    fn region(&self) -> Arc<Region> {
        self.state.region("eu-west-1").unwrap()
    }

    fn snapshot(&self, id: &str, kms_key: Option<&str>, tags: &[(&str, &str)]) {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let snapshot = Snapshot {
            id: id.to_owned(),
            owner: ACCOUNT.to_owned(),
            description: String::new(),
            volume_size: 1,
            volume_id: String::new(),
            parent: None,
            lineage: id.to_owned(),
            kms_key: kms_key.map(str::to_owned),
            start_time: self.state.now(),
            timeout: 60,
            outcome: None,
            start: None,
            tags: tags.collect(),
            shared_with: SnapshotShares::default(),
        };
        self.region().snapshots.start(snapshot).unwrap();
    }

    /// Which action on which resource is refused; `ok` if none is.
    fn check(&self, policy: &Value, service: &'static str, name: &str, path: &[&str], body: &str) -> String {
        let policy = Policy::read(policy).unwrap();
        let (account, key) = (ACCOUNT.to_owned(), "ci".to_owned());
        let seed = SignatureSeed {
            key: [0; 32],
            scope: String::new(),
            date: String::new(),
            signature: String::new(),
        };
        let request = SignedRequest {
            account: account.clone(),
            principal: Principal { account, key, policy: Some(Arc::new(policy)) },
            request_id: String::new(),
            parts: http::Request::new(()).into_parts().0,
            payload: Payload::Buffered { bytes: Bytes::from(body.to_owned()), digest: Sha256Digest::of(b"") },
            seed,
            fail_async: false,
        };
        let path = path.iter().map(|&name| name.to_owned()).collect();
        let operation = Operation { service, name, path, request: &request };
        match check(&self.state, &self.region(), &operation) {
            Ok(()) => "ok".to_owned(),
            Err(refusal) => format!("{} {}", refusal.action, refusal.resource),
        }
    }

    /// The actions that an operation needs, in order: each is allowed after it was refused.
    fn needs(&self, service: &'static str, name: &str, path: &[&str], body: &str) -> Vec<String> {
        let mut allowed: Vec<String> = Vec::new();
        let mut refused = Vec::new();
        loop {
            let statement = json!({"Effect": "Allow", "Action": allowed, "Resource": "*"});
            let statements = if allowed.is_empty() { json!([]) } else { json!([statement]) };
            let outcome = self.check(&document(&statements), service, name, path, body);
            let Some((action, _)) = outcome.split_once(' ') else { return refused };
            allowed.push(action.to_owned());
            refused.push(outcome);
        }
    }
}

fn document(statements: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

#[test]
fn an_operation_without_a_row_needs_the_action_of_its_name() {
    let fixture = Fixture::new();
    assert_eq!(fixture.needs("ec2", "DescribeImages", &[], ""), ["ec2:DescribeImages *"]);
    assert_eq!(fixture.needs("ssm", "DescribeParameters", &[], "{}"), ["ssm:DescribeParameters *"]);
    assert_eq!(fixture.needs("sts", "GetCallerIdentity", &[], ""), [""; 0]);
}

#[test]
fn images_are_registered_with_their_snapshots_and_tags() {
    let body = "BlockDeviceMapping.1.Ebs.SnapshotId=snap-0a&TagSpecification.1.ResourceType=image\
                &TagSpecification.1.Tag.1.Key=team&TagSpecification.1.Tag.1.Value=web";
    let fixture = Fixture::new();
    assert_eq!(
        fixture.needs("ec2", "RegisterImage", &[], body),
        ["ec2:RegisterImage arn:aws:ec2:eu-west-1::image/*", "ec2:CreateTags arn:aws:ec2:eu-west-1::image/*"]
    );
    let allow =
        |resource: &[&str]| document(&json!([{"Effect": "Allow", "Action": "ec2:*", "Resource": resource}]));
    let images = "arn:aws:ec2:eu-west-1::image/*";
    let outcome = fixture.check(&allow(&[images]), "ec2", "RegisterImage", &[], body);
    assert_eq!(outcome, "ec2:RegisterImage arn:aws:ec2:eu-west-1::snapshot/snap-0a");
    let both = allow(&[images, "arn:aws:ec2:*::snapshot/*"]);
    assert_eq!(fixture.check(&both, "ec2", "RegisterImage", &[], body), "ok");
}

#[test]
fn tags_of_resources_and_requests_decide() {
    let fixture = Fixture::new();
    let policy = document(&json!([
        {"Effect": "Allow", "Action": "ec2:DeleteSnapshot", "Resource": "arn:aws:ec2:*::snapshot/*",
         "Condition": {"StringEquals": {"aws:ResourceTag/team": "web"}}},
        {"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "*",
         "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}, "StringEquals": {"aws:RequestTag/team": "web"}}},
    ]));
    let delete = |id: &str| fixture.check(&policy, "ec2", "DeleteSnapshot", &[], &format!("SnapshotId={id}"));
    assert_eq!(delete("snap-0a"), "ok");
    assert_eq!(delete("snap-0b"), "ec2:DeleteSnapshot arn:aws:ec2:eu-west-1::snapshot/snap-0b");
    let tag =
        |tags: &str| fixture.check(&policy, "ec2", "CreateTags", &[], &format!("ResourceId.1=ami-0a&{tags}"));
    assert_eq!(tag("Tag.1.Key=team&Tag.1.Value=web"), "ok");
    assert_ne!(tag("Tag.1.Key=team&Tag.1.Value=db"), "ok");
    assert_ne!(tag("Tag.1.Key=team&Tag.1.Value=web&Tag.2.Key=x"), "ok");
}

#[test]
fn encrypted_snapshots_need_their_key_but_not_that_of_aws() {
    let fixture = Fixture::new();
    let needs = |body: &str| fixture.needs("ebs", "StartSnapshot", &[], body);
    assert_eq!(needs(r#"{"Encrypted": true}"#), ["ebs:StartSnapshot arn:aws:ec2:eu-west-1::snapshot/*"]);
    let key = format!(r#"{{"Encrypted": true, "KmsKeyArn": "{KEY}"}}"#);
    let all = needs(&key);
    assert_eq!(all.len(), 8, "{all:?}");
    assert_eq!(all[7], format!("kms:CreateGrant {KEY}"));
    let parent = needs(r#"{"ParentSnapshotId": "snap-0b", "Tags": [{"Key": "a", "Value": "b"}]}"#);
    assert_eq!(parent.len(), 9, "{parent:?}");
    assert!(parent[1].starts_with("ec2:CreateTags"), "{parent:?}");
    let read = fixture.needs("ebs", "GetSnapshotBlock", &["snap-0b"], "");
    assert_eq!(read[1..], [format!("kms:Decrypt {KEY}")]);
}

#[test]
fn a_key_is_allowed_by_its_alias_and_a_grant_only_for_a_service() {
    let fixture = Fixture::new();
    let aliases = json!({"ForAnyValue:StringEquals": {"kms:ResourceAliases": ["alias/web"]}});
    let mut grant = aliases.clone();
    grant["Bool"] = json!({"kms:GrantIsForAWSResource": "true"});
    let policy = document(&json!([
        {"Effect": "Allow", "Action": "ebs:*", "Resource": "*"},
        {"Effect": "Allow", "Action": ["kms:D*", "kms:Encrypt", "kms:Gen*", "kms:ReEncrypt*"], "Resource": "*",
         "Condition": aliases},
        {"Effect": "Allow", "Action": "kms:CreateGrant", "Resource": "*", "Condition": grant},
    ]));
    let body = format!(r#"{{"Encrypted": true, "KmsKeyArn": "{KEY}"}}"#);
    assert_eq!(fixture.check(&policy, "ebs", "StartSnapshot", &[], &body), "ok");
    assert_eq!(fixture.check(&policy, "kms", "DescribeKey", &[], r#"{"KeyId": "alias/web"}"#), "ok");
    let other = fixture.check(&policy, "kms", "DescribeKey", &[], r#"{"KeyId": "2"}"#);
    assert_eq!(other, "kms:DescribeKey arn:aws:kms:eu-west-1:123456789012:key/2");
}

#[test]
fn parameters_of_images_need_the_right_to_look_at_images() {
    let fixture = Fixture::new();
    let body = r#"{"Name": "/web/stable", "Value": "ami-1", "DataType": "aws:ec2:image"}"#;
    let parameter = "arn:aws:ssm:eu-west-1:123456789012:parameter/web/stable";
    assert_eq!(
        fixture.needs("ssm", "PutParameter", &[], body),
        [format!("ssm:PutParameter {parameter}"), "ec2:DescribeImages *".to_owned()]
    );
    let body = r#"{"Name": "/web/stable:2"}"#;
    assert_eq!(fixture.needs("ssm", "GetParameter", &[], body), [format!("ssm:GetParameter {parameter}")]);
}

#[test]
fn objects_and_buckets_have_their_own_arns() {
    let fixture = Fixture::new();
    assert_eq!(fixture.needs("s3", "PutObject", &["b", "k/l"], ""), ["s3:PutObject arn:aws:s3:::b/k/l"]);
    assert_eq!(
        fixture.needs("s3", "HeadObject", &["b", "k"], ""),
        ["s3:GetObject arn:aws:s3:::b/k", "s3:ListBucket arn:aws:s3:::b"]
    );
}

#[test]
fn a_copy_needs_its_source_and_a_group_its_launches() {
    let fixture = Fixture::new();
    let body = "SourceImageId=ami-1&SourceRegion=us-east-1&Name=n";
    let only_here =
        json!([{"Effect": "Allow", "Action": "ec2:CopyImage", "Resource": "arn:aws:ec2:eu-west-1::*/*"}]);
    let outcome = fixture.check(&document(&only_here), "ec2", "CopyImage", &[], body);
    assert_eq!(outcome, "ec2:CopyImage arn:aws:ec2:us-east-1::image/ami-1");
    let group = "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:*:autoScalingGroupName/g";
    let refresh = "AutoScalingGroupName=g&DesiredConfiguration.LaunchTemplate.LaunchTemplateName=t";
    assert_eq!(
        fixture.needs("autoscaling", "StartInstanceRefresh", &[], refresh),
        [
            format!("autoscaling:StartInstanceRefresh {group}"),
            "ec2:RunInstances arn:aws:ec2:eu-west-1:123456789012:instance/*".to_owned()
        ]
    );
}

#[test]
fn the_message_names_the_sender_the_action_and_the_reason() {
    let refusal = Refusal {
        principal: "arn:aws:iam::123456789012:user/ci".to_owned(),
        action: "ec2:CopyImage".to_owned(),
        resource: "*".to_owned(),
        explicit: false,
    };
    assert_eq!(
        refusal.message(),
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: ec2:CopyImage on resource: * because \
         no identity-based policy allows the ec2:CopyImage action"
    );
    assert!(
        Refusal { explicit: true, ..refusal }
            .message()
            .ends_with("an explicit deny in an identity-based policy")
    );
}

#[test]
fn every_row_is_in_order_and_once() {
    for service in ["autoscaling", "ebs", "ec2", "kms", "s3", "ssm", "sts"] {
        let names: Vec<_> = table(service).iter().map(|rule| rule.operation).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{service}: {names:?}");
    }
}
