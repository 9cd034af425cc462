//! The calls of a command, made without a network, and the IAM policy for exactly these calls.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

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
}

/// The policy document for calls. An action without resource types is restricted to its regions by a condition.
pub fn policy(calls: &[PlannedCall]) -> Value {
    let mut regions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut resources: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for call in calls {
        if call.resources.is_empty() {
            regions.entry(call.action).or_default().insert(&call.region);
        } else {
            resources.entry(call.action).or_default().extend(call.resources.iter().map(String::as_str));
        }
    }
    let any = by_value(regions).into_iter().map(|(regions, actions)| {
        json!({
            "Effect": "Allow",
            "Action": actions,
            "Resource": ["*"],
            "Condition": { "StringEquals": { "aws:RequestedRegion": regions } },
        })
    });
    let named = by_value(resources)
        .into_iter()
        .map(|(resources, actions)| json!({ "Effect": "Allow", "Action": actions, "Resource": resources }));
    json!({ "Version": "2012-10-17", "Statement": any.chain(named).collect::<Vec<_>>() })
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
    fn actions_with_the_same_resources_share_a_statement() {
        let call = |action, region: &str, resources: &[&str]| PlannedCall {
            action,
            region: region.to_owned(),
            count: None,
            purpose: "",
            resources: resources.iter().map(|&resource| resource.to_owned()).collect(),
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
