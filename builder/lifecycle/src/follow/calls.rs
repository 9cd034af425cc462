//! The calls of a follow.
//!
//! Where launches come from a template, Auto Scaling also asks whether the caller may launch instances from it
//! (`ec2:RunInstances`; Amazon EC2 Auto Scaling User Guide, *Control Amazon EC2 launch template usage*). What a template can
//! need besides depends on it: `iam:PassRole` for an instance profile, `ec2:CreateTags` for tags.

use super::plan::{FollowNeed, FollowPlan};
use super::request::{FollowRequest, WaitPolicy};
use crate::call_plan::{CallList, CallPlan, PlannedCall, Resources};

/// Above the parameters of channels that tags name.
const CHANNELS: &str = "/amiforge/";

/// The calls of a plan, in their order. `parameter`: the parameter whose value is read.
pub fn calls(
    plan: &FollowPlan,
    request: &FollowRequest,
    region: &str,
    parameter: Option<&str>,
) -> Vec<PlannedCall> {
    let partition = amiforge_publish::request::partition(region);
    let mut calls = Vec::new();
    let mut add = |action, count, purpose, resources: Vec<String>| {
        calls.push(PlannedCall { action, region: region.to_owned(), count, purpose, resources, tag: None });
    };
    let any = Vec::new;
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

/// The calls that tell who follows. `parameter`: that of the channel, if one is named; else the channels that the tags of
/// groups name are read, unless an image `is_named`.
pub fn status_calls(region: &str, parameter: Option<&str>, is_named: bool) -> CallPlan {
    let mut calls = CallList::new();
    calls.in_region(region);
    if !is_named {
        let of = || match parameter {
            Some(name) => Resources::Parameter(name.to_owned()),
            None => Resources::Parameters(CHANNELS.to_owned()),
        };
        calls.add("ssm:GetParameter", of(), "the images of the channels");
    }
    for (action, purpose) in [
        ("autoscaling:DescribeAutoScalingGroups", "the groups that opt in"),
        ("ec2:DescribeLaunchTemplates", "the templates that they use"),
        ("ec2:DescribeLaunchTemplateVersions", "their versions"),
        ("autoscaling:DescribeInstanceRefreshes", "what runs, and its progress"),
        ("ec2:DescribeInstances", "the images that run"),
        ("ec2:DescribeInstanceTypes", "their architectures"),
    ] {
        calls.add(action, Resources::Any, purpose);
    }
    calls.plan(Vec::new())
}

fn add_refreshes(
    calls: &mut Vec<PlannedCall>,
    plan: &FollowPlan,
    request: &FollowRequest,
    (region, partition): (&str, &str),
) {
    let groups: Vec<_> = plan.groups.iter().filter(|group| group.need != FollowNeed::Nothing).collect();
    if groups.is_empty() {
        return;
    }
    let arn = |name: &str| {
        format!("arn:{partition}:autoscaling:{region}:*:autoScalingGroup:*:autoScalingGroupName/{name}")
    };
    let arns: Vec<_> = groups.iter().map(|group| arn(&group.name)).collect();
    let start = groups.iter().filter(|group| group.joins().is_none()).count() as u64;
    let mut add = |action, count, purpose, resources: &[String]| {
        let (region, resources) = (region.to_owned(), resources.to_vec());
        calls.push(PlannedCall { action, region, count: Some(count), purpose, resources, tag: None });
    };
    add("autoscaling:StartInstanceRefresh", start, "instances are replaced", &arns);
    add("ec2:RunInstances", 0, "Auto Scaling asks for it where a group launches from a template", &[]);
    if request.wait == WaitPolicy::Start {
        return;
    }
    if groups.iter().any(|group| group.reversible) {
        add("autoscaling:RollbackInstanceRefresh", 0, "only if it fails or hangs", &arns);
    }
    add("autoscaling:CancelInstanceRefresh", 0, "only if it cannot be rolled back", &arns);
}
