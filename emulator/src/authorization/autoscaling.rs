//! Auto Scaling. Operations that change something have the group as their resource.

use super::call::Call;
use super::ec2::{new_resource, profile_role};
use super::resource::Resource;
use super::rule::{Need, Rule, also, own, rule};

/// Amazon EC2 Auto Scaling User Guide, "Control Amazon EC2 launch template usage in Auto Scaling groups": who
/// names a launch template must be allowed to launch from it.
const LAUNCH: Need = also(&["ec2:RunInstances"], launched);
/// The role of the template's instance profile is passed to EC2.
const PASS_ROLE: Need = also(&["iam:PassRole"], profile_role);

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    rule("AttachInstances", &[own(group)]),
    rule("CancelInstanceRefresh", &[own(group)]),
    rule("CompleteLifecycleAction", &[own(group)]),
    rule("CreateAutoScalingGroup", &[own(group), LAUNCH, PASS_ROLE]),
    rule("CreateOrUpdateTags", &[own(tagged_groups)]),
    rule("DeleteAutoScalingGroup", &[own(group)]),
    rule("DeleteLifecycleHook", &[own(group)]),
    rule("DeleteTags", &[own(tagged_groups)]),
    rule("DetachInstances", &[own(group)]),
    rule("EnterStandby", &[own(group)]),
    rule("ExitStandby", &[own(group)]),
    rule("PutLifecycleHook", &[own(group)]),
    rule("ResumeProcesses", &[own(group)]),
    rule("RollbackInstanceRefresh", &[own(group)]),
    rule("SetDesiredCapacity", &[own(group)]),
    rule("SetInstanceHealth", &[own(group)]),
    rule("SetInstanceProtection", &[own(group)]),
    rule("StartInstanceRefresh", &[own(group), LAUNCH, PASS_ROLE]),
    rule("SuspendProcesses", &[own(group)]),
    rule("TerminateInstanceInAutoScalingGroup", &[own(group)]),
    rule("UpdateAutoScalingGroup", &[own(group), LAUNCH, PASS_ROLE]),
];

/// A group by its name. The id in its ARN is not known before it is created: it is `*` here, which a policy
/// matches with `*`.
fn named(call: &Call<'_>, name: &str) -> Resource {
    Resource::with_arn(call.arn("autoscaling", &format!("autoScalingGroup:*:autoScalingGroupName/{name}")))
}

fn group(call: &Call<'_>) -> Vec<Resource> {
    let group =
        call.text("AutoScalingGroupName").map(|name| named(call, name).requesting(&call.tags("Tags")));
    group.into_iter().collect()
}

fn tagged_groups(call: &Call<'_>) -> Vec<Resource> {
    let tags = call.tags("Tags");
    let groups = call.values("Tags.*.ResourceId").into_iter();
    groups.map(|name| named(call, name).requesting(&tags)).collect()
}

/// The instances of a request that names a launch template.
fn launched(call: &Call<'_>) -> Vec<Resource> {
    let names_template = ["LaunchTemplate.", "MixedInstancesPolicy.", "DesiredConfiguration."];
    if names_template.iter().any(|prefix| call.has(prefix)) {
        vec![new_resource(call, "instance")]
    } else {
        Vec::new()
    }
}
