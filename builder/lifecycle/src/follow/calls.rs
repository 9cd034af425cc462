//! The calls of a follow, and the least IAM policy for them.

use serde::Serialize;
use serde_json::{Value, json};

use super::plan::{Need, Plan};
use super::request::{FollowRequest, WaitPolicy};

/// A call of a follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowCall {
    /// The action in IAM.
    pub action: &'static str,
    /// How often, if that is known.
    pub count: Option<u64>,
    /// Why.
    pub purpose: &'static str,
    /// The ARNs that it is authorized for.
    pub resources: Vec<String>,
}

/// The calls of a plan, in their order. `parameter`: the parameter whose value is read.
pub fn calls(plan: &Plan, request: &FollowRequest, region: &str, parameter: Option<&str>) -> Vec<FollowCall> {
    let partition = amiforge_publish::request::partition(region);
    let mut calls = Vec::new();
    let mut add = |action, count, purpose, resources: Vec<String>| {
        calls.push(FollowCall { action, count, purpose, resources });
    };
    let any = || vec!["*".to_owned()];
    if let Some(name) = parameter {
        let slash = if name.starts_with('/') { "" } else { "/" };
        let arn = format!("arn:{partition}:ssm:{region}:*:parameter{slash}{name}");
        add("ssm:GetParameter", Some(1), "the image of the channel", vec![arn]);
    }
    add("ec2:DescribeImages", Some(1), "the image is available", any());
    add(
        "autoscaling:DescribeAutoScalingGroups",
        None,
        "the groups that opt in, and those that do not",
        any(),
    );
    add("ec2:DescribeLaunchTemplates", None, "the templates that they use", any());
    add("ec2:DescribeLaunchTemplateVersions", None, "their versions; what was made is read back", any());
    add("autoscaling:DescribeInstanceRefreshes", None, "what runs, and its progress", any());
    add("ec2:DescribeInstances", None, "the images that run", any());
    add("ec2:DescribeInstanceTypes", None, "they can run the image", any());
    let template = |id: &String| format!("arn:{partition}:ec2:{region}:*:launch-template/{id}");
    let new: Vec<_> = plan.versions.iter().filter(|version| version.existing.is_none()).collect();
    if !new.is_empty() {
        let arns = new.iter().map(|version| template(&version.template)).collect();
        add("ec2:CreateLaunchTemplateVersion", Some(new.len() as u64), "versions with the image", arns);
    }
    if !plan.defaults.is_empty() {
        let arns = plan.defaults.iter().map(|default| template(&default.template)).collect();
        let count = Some(plan.defaults.len() as u64);
        add("ec2:ModifyLaunchTemplate", count, "default versions", arns);
    }
    add_refreshes(&mut calls, plan, request, (region, partition));
    calls
}

fn add_refreshes(
    calls: &mut Vec<FollowCall>,
    plan: &Plan,
    request: &FollowRequest,
    (region, partition): (&str, &str),
) {
    let groups: Vec<_> = plan.groups.iter().filter(|group| group.need != Need::Nothing).collect();
    if groups.is_empty() {
        return;
    }
    let arn = |name: &str| {
        format!("arn:{partition}:autoscaling:{region}:*:autoScalingGroup:*:autoScalingGroupName/{name}")
    };
    let arns: Vec<_> = groups.iter().map(|group| arn(&group.name)).collect();
    let start = groups.iter().filter(|group| group.joins().is_none()).count() as u64;
    calls.push(FollowCall {
        action: "autoscaling:StartInstanceRefresh",
        count: Some(start),
        purpose: "instances are replaced",
        resources: arns.clone(),
    });
    if request.wait == WaitPolicy::Start {
        return;
    }
    for (action, purpose) in [
        ("autoscaling:RollbackInstanceRefresh", "only if it fails or hangs"),
        ("autoscaling:CancelInstanceRefresh", "only if it cannot be rolled back"),
    ] {
        calls.push(FollowCall { action, count: Some(0), purpose, resources: arns.clone() });
    }
}

/// The policy that allows exactly these calls. Where launches come from a template, AWS also asks whether the caller may
/// launch instances (`ec2:RunInstances`, and `iam:PassRole` for an instance profile); which resources that takes depends
/// on the template, so it is not part of this policy.
pub fn policy(calls: &[FollowCall], region: &str) -> Value {
    let mut statements = Vec::new();
    let described: Vec<_> =
        calls.iter().filter(|call| call.resources == ["*"]).map(|call| call.action).collect();
    if !described.is_empty() {
        statements.push(json!({
            "Effect": "Allow", "Action": described, "Resource": "*",
            "Condition": { "StringEquals": { "aws:RequestedRegion": region } },
        }));
    }
    for call in calls.iter().filter(|call| call.resources != ["*"]) {
        statements.push(json!({ "Effect": "Allow", "Action": [call.action], "Resource": call.resources }));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}
