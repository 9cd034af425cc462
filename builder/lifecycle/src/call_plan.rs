//! What a command would do, for its dry run: its calls, and the least IAM policy for exactly these calls.

mod reading;
mod signing;
mod upload;

use std::collections::{BTreeMap, BTreeSet};

use amiforge_publish::request::partition;
use serde::Serialize;
use serde_json::{Value, json};

pub use reading::{WhoisDepth, blocks, image_fields, images, whois};
pub use signing::signature;
pub use upload::upload;

/// The calls of a command, and their IAM policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallPlan {
    /// The calls, in order.
    pub calls: Vec<PlannedCall>,
    /// The IAM policy.
    pub policy: Value,
    /// Facts that only the service knows, conditions of calls, and costs, as sentences.
    pub notes: Vec<String>,
}

/// Calls of one action in one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedCall {
    /// IAM action, such as `ssm:PutParameter`.
    pub action: &'static str,
    /// The region.
    pub region: String,
    /// Number of calls; `None` if it is not known in advance.
    pub count: Option<u64>,
    /// Purpose of the calls.
    pub purpose: &'static str,
    /// ARNs of the resources in the authorization; none for an action without resource types.
    #[serde(skip)]
    pub resources: Vec<String>,
    /// A tag that the resources must have, whatever its value.
    #[serde(skip)]
    pub tag: Option<&'static str>,
}

/// Resources in the authorization of an action. Without an id, all of the kind in the region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resources {
    /// The action supports no resource types.
    Any,
    /// Images.
    Images(Option<String>),
    /// Snapshots.
    Snapshots(Option<String>),
    /// Images and snapshots.
    ImagesAndSnapshots,
    /// A bucket.
    Bucket(String),
    /// The objects of a bucket.
    Objects(String),
    /// A parameter.
    Parameter(String),
    /// The parameters whose names begin with a path.
    Parameters(String),
    /// A key of KMS by its id or its ARN; `*` for all of the region.
    Key(String),
}

/// Collects the calls of one region after the other.
#[derive(Debug)]
pub struct CallList {
    calls: Vec<PlannedCall>,
    region: String,
}

impl CallList {
    /// An empty list.
    pub fn new() -> Self {
        Self { calls: Vec::new(), region: String::new() }
    }

    /// The calls that follow are made in this region.
    pub fn in_region(&mut self, region: &str) {
        region.clone_into(&mut self.region);
    }

    /// Adds calls of one action.
    pub fn add(&mut self, action: &'static str, resources: Resources, purpose: &'static str) {
        let resources = resources.arns(&self.region);
        let region = self.region.clone();
        self.calls.push(PlannedCall { action, region, count: None, purpose, resources, tag: None });
    }

    /// Adds calls of one action on resources that have a tag, whatever its value.
    pub fn add_tagged(
        &mut self,
        action: &'static str,
        resources: Resources,
        tag: &'static str,
        purpose: &'static str,
    ) {
        self.add(action, resources, purpose);
        if let Some(call) = self.calls.last_mut() {
            call.tag = Some(tag);
        }
    }

    /// The plan of these calls.
    pub fn plan(self, notes: Vec<String>) -> CallPlan {
        CallPlan { policy: policy(&self.calls), calls: self.calls, notes }
    }
}

impl Default for CallList {
    fn default() -> Self {
        Self::new()
    }
}

impl Resources {
    /// Their ARNs in a region; none for an action without resource types.
    fn arns(self, region: &str) -> Vec<String> {
        let partition = partition(region);
        let of = |kind: &str, id: Option<&str>| {
            format!("arn:{partition}:ec2:{region}::{kind}/{}", id.unwrap_or("*"))
        };
        match self {
            Self::Any => Vec::new(),
            Self::Images(id) => vec![of("image", id.as_deref())],
            Self::Snapshots(id) => vec![of("snapshot", id.as_deref())],
            Self::ImagesAndSnapshots => vec![of("image", None), of("snapshot", None)],
            Self::Bucket(bucket) => vec![format!("arn:{partition}:s3:::{bucket}")],
            Self::Objects(bucket) => vec![format!("arn:{partition}:s3:::{bucket}/*")],
            Self::Parameter(name) => {
                vec![format!("arn:{partition}:ssm:{region}:*:parameter/{}", name.trim_start_matches('/'))]
            }
            Self::Parameters(path) => {
                vec![format!("arn:{partition}:ssm:{region}:*:parameter{}*", path.trim_end_matches('/'))]
            }
            Self::Key(key) if key.starts_with("arn:") => vec![key],
            Self::Key(key) => vec![format!("arn:{partition}:kms:{region}:*:key/{key}")],
        }
    }
}

/// The policy document for calls: each action once for each condition, on all resources of its calls. An action without
/// resource types is restricted to its regions by a condition, unless it is called in every region (`*`).
pub fn policy(calls: &[PlannedCall]) -> Value {
    let mut regions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut resources: BTreeMap<Option<&str>, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for call in calls {
        if call.resources.is_empty() {
            regions.entry(call.action).or_default().insert(&call.region);
        } else {
            let of_action = resources.entry(call.tag).or_default().entry(call.action).or_default();
            of_action.extend(call.resources.iter().map(String::as_str));
        }
    }
    let mut statements = Vec::new();
    for (regions, actions) in by_value(regions) {
        let mut statement = json!({ "Effect": "Allow", "Action": actions, "Resource": ["*"] });
        if !regions.contains("*") {
            statement["Condition"] = json!({ "StringEquals": { "aws:RequestedRegion": regions } });
        }
        statements.push(statement);
    }
    for (tag, resources) in resources {
        for (resources, actions) in by_value(resources) {
            let mut statement = json!({ "Effect": "Allow", "Action": actions, "Resource": resources });
            if let Some(tag) = tag {
                // The tag exists.
                statement["Condition"] = json!({ "Null": { format!("aws:ResourceTag/{tag}"): "false" } });
            }
            statements.push(statement);
        }
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// Groups actions with the same set.
fn by_value<'a>(
    sets: BTreeMap<&'a str, BTreeSet<&'a str>>,
) -> BTreeMap<BTreeSet<&'a str>, BTreeSet<&'a str>> {
    let mut groups: BTreeMap<BTreeSet<&str>, BTreeSet<&str>> = BTreeMap::new();
    for (action, set) in sets {
        groups.entry(set).or_default().insert(action);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_of_the_partition_of_their_region() {
        let mut calls = CallList::new();
        for region in ["eu-west-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1"] {
            calls.in_region(region);
            calls.add("ec2:ModifyImageAttribute", Resources::Images(None), "who may launch it");
            calls.add("s3:GetObject", Resources::Objects("backups".to_owned()), "the object");
        }
        calls.add("ec2:DescribeImages", Resources::Any, "the image");
        let text = calls.plan(Vec::new()).policy.to_string();
        for arn in [
            "arn:aws:ec2:eu-west-1::image/*",
            "arn:aws-cn:ec2:cn-north-1::image/*",
            "arn:aws-us-gov:ec2:us-gov-west-1::image/*",
            "arn:aws-eusc:ec2:eusc-de-east-1::image/*",
            "arn:aws-cn:s3:::backups/*",
        ] {
            assert!(text.contains(arn), "{arn}: {text}");
        }
        assert!(text.contains(r#""aws:RequestedRegion":["eusc-de-east-1"]"#), "{text}");
    }

    #[test]
    fn actions_on_the_same_resources_share_a_statement() {
        let mut calls = CallList::new();
        calls.in_region("eu-west-1");
        let image = || Resources::Images(Some("ami-1".to_owned()));
        calls.add("ec2:DescribeImageAttribute", image(), "who may launch it");
        calls.add("ec2:ModifyImageAttribute", image(), "who may launch it");
        let policy = calls.plan(Vec::new()).policy;
        let expected = json!([{
            "Effect": "Allow",
            "Action": ["ec2:DescribeImageAttribute", "ec2:ModifyImageAttribute"],
            "Resource": ["arn:aws:ec2:eu-west-1::image/ami-1"],
        }]);
        assert_eq!(policy["Statement"], expected);
    }

    #[test]
    fn actions_of_the_same_regions_or_resources_share_a_statement() {
        let call = |action, region: &str, resources: &[&str]| PlannedCall {
            action,
            region: region.to_owned(),
            count: None,
            purpose: "",
            resources: resources.iter().map(|&resource| resource.to_owned()).collect(),
            tag: None,
        };
        let calls = [
            call("ec2:DescribeImages", "a", &[]),
            call("ec2:DescribeImages", "b", &[]),
            call("ssm:PutParameter", "a", &["arn:1"]),
            call("ssm:GetParameter", "a", &["arn:1"]),
            call("ssm:DeleteParameter", "b", &["arn:2"]),
        ];
        let policy = policy(&calls);
        let statements = policy["Statement"].as_array().unwrap();
        assert_eq!(statements.len(), 3);
        assert_eq!(statements[0]["Condition"]["StringEquals"]["aws:RequestedRegion"], json!(["a", "b"]));
        assert_eq!(statements[1]["Action"], json!(["ssm:GetParameter", "ssm:PutParameter"]));
        assert_eq!(statements[2]["Resource"], json!(["arn:2"]));
    }
}
