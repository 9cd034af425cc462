//! What a command would do, for its dry run: its calls, and the least IAM policy for exactly these calls.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_publish::request::partition;
use serde::Serialize;
use serde_json::{Value, json};

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
    /// IAM action, such as `ec2:ModifyImageAttribute`.
    pub action: &'static str,
    /// The region.
    pub region: String,
    /// Purpose of the calls.
    pub purpose: &'static str,
    /// Resources of the authorization.
    #[serde(skip)]
    pub resources: Resources,
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
        self.calls.push(PlannedCall { action, region: self.region.clone(), purpose, resources });
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

/// The least policy: the actions, on the resources of their authorization, in the regions in which they are called.
fn policy(calls: &[PlannedCall]) -> Value {
    let mut by_action: BTreeMap<(&Resources, &str), BTreeSet<&str>> = BTreeMap::new();
    for call in calls {
        by_action.entry((&call.resources, call.action)).or_default().insert(&call.region);
    }
    let mut groups: BTreeMap<(&Resources, BTreeSet<&str>), BTreeSet<&str>> = BTreeMap::new();
    for ((resources, action), regions) in by_action {
        groups.entry((resources, regions)).or_default().insert(action);
    }
    let statement = |((resources, regions), actions): ((&Resources, BTreeSet<&str>), BTreeSet<&str>)| {
        let mut statement =
            json!({ "Effect": "Allow", "Action": actions, "Resource": arns(resources, &regions) });
        if *resources == Resources::Any {
            statement["Condition"] = json!({ "StringEquals": { "aws:RequestedRegion": regions } });
        }
        statement
    };
    let statements: Vec<Value> = groups.into_iter().map(statement).collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn arns(resources: &Resources, regions: &BTreeSet<&str>) -> Vec<String> {
    let of_kind = |kind: &str, id: Option<&str>| {
        let id = id.unwrap_or("*");
        regions.iter().map(|region| format!("arn:{}:ec2:{region}::{kind}/{id}", partition(region))).collect()
    };
    let partitions: BTreeSet<&str> = regions.iter().map(|region| partition(region)).collect();
    let of_bucket =
        |path: &str| partitions.iter().map(|partition| format!("arn:{partition}:s3:::{path}")).collect();
    match resources {
        Resources::Any => vec!["*".to_owned()],
        Resources::Images(id) => of_kind("image", id.as_deref()),
        Resources::Snapshots(id) => of_kind("snapshot", id.as_deref()),
        Resources::ImagesAndSnapshots => {
            let mut arns: Vec<String> = of_kind("image", None);
            arns.extend::<Vec<String>>(of_kind("snapshot", None));
            arns
        }
        Resources::Bucket(bucket) => of_bucket(bucket),
        Resources::Objects(bucket) => of_bucket(&format!("{bucket}/*")),
    }
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
}
