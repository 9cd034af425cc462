//! `DescribeAutoScalingGroups`, and the XML form of groups and their instances.

use super::call::{GroupCall, members, required, text_members, write_members};
use super::errors::GroupError;
use super::tag_operations;
use crate::services::xml::Xml;
use crate::state::group::{GroupMember, GroupRecord, MemberStage};

/// The maximum number of groups in a page.
const MAX_PAGE: usize = 100;

/// A filter on tags.
struct TagFilter {
    name: String,
    values: Vec<String>,
}

/// `DescribeAutoScalingGroups`. Names that do not exist are left out.
pub(crate) fn describe(call: &GroupCall<'_>) -> Result<Option<Xml>, GroupError> {
    let params = call.params();
    let names = text_members(&params, "AutoScalingGroupNames");
    let instances = params.boolean("IncludeInstances")?.unwrap_or(true);
    params.boolean("IncludeManagedResources")?;
    let filters = read_filters(call)?;
    let mut groups = call.groups();
    groups.retain(|group| names.is_empty() || names.contains(&group.name.as_str()));
    groups.retain(|group| filters.iter().all(|filter| filter.matches(group)));
    let (page, next) = call.page(groups, MAX_PAGE, |group| group.name.clone())?;
    call.commit()?;
    let mut xml = Xml::new();
    write_members(&mut xml, "AutoScalingGroups", page, |xml, group| {
        write_group(xml, &group, &call.region.name, instances);
    });
    xml.optional("NextToken", next);
    Ok(Some(xml))
}

/// The filters of the API reference: `tag-key`, `tag-value` and `tag:KEY`.
fn read_filters(call: &GroupCall<'_>) -> Result<Vec<TagFilter>, GroupError> {
    let read = |entry: &crate::services::ec2::Params<'_>| {
        let name = required(entry, "Name")?.to_owned();
        let values: Vec<_> = text_members(entry, "Values").into_iter().map(str::to_owned).collect();
        if !matches!(name.as_str(), "tag-key" | "tag-value") && !name.starts_with("tag:") {
            return Err(GroupError::validation(format!("Filter type {name} is not correct.")));
        }
        Ok(TagFilter { name, values })
    };
    members(&call.params(), "Filters").iter().map(read).collect()
}

impl TagFilter {
    fn matches(&self, group: &GroupRecord) -> bool {
        let any = |text: &str| self.values.iter().any(|value| value == text);
        match self.name.strip_prefix("tag:") {
            Some(key) => group.tags.get(key).is_some_and(|tag| any(&tag.value)),
            None if self.name == "tag-key" => group.tags.keys().any(|key| any(key)),
            None => group.tags.values().any(|tag| any(&tag.value)),
        }
    }
}

fn write_group(xml: &mut Xml, group: &GroupRecord, region: &str, instances: bool) {
    let settings = &group.settings;
    xml.value("AutoScalingGroupName", &group.name);
    xml.value("AutoScalingGroupARN", group.arn(region));
    group.source.write_xml(xml);
    xml.value("MinSize", settings.min);
    xml.value("MaxSize", settings.max);
    xml.value("DesiredCapacity", settings.desired);
    xml.value("DefaultCooldown", settings.cooldown);
    write_members(xml, "AvailabilityZones", &settings.zones, |xml, zone| xml.text(zone));
    write_members(xml, "LoadBalancerNames", [(); 0], |_, ()| {});
    write_members(xml, "TargetGroupARNs", [(); 0], |_, ()| {});
    xml.value("HealthCheckType", &settings.health_check);
    xml.value("HealthCheckGracePeriod", settings.grace);
    if instances {
        write_members(xml, "Instances", &group.members, write_member);
    }
    xml.value("CreatedTime", group.created.iso());
    write_members(xml, "SuspendedProcesses", [(); 0], |_, ()| {});
    xml.value("VPCZoneIdentifier", settings.subnets.as_deref().unwrap_or_default());
    write_members(xml, "EnabledMetrics", [(); 0], |_, ()| {});
    if group.deleting {
        xml.value("Status", "Delete in progress");
    }
    write_members(xml, "Tags", &group.tags, |xml, (key, tag)| {
        tag_operations::write_tag(xml, &group.name, key, tag);
    });
    write_members(xml, "TerminationPolicies", &settings.termination_policies, |xml, policy| xml.text(policy));
    xml.value("NewInstancesProtectedFromScaleIn", settings.protect_new);
    xml.optional("DefaultInstanceWarmup", settings.warmup);
    if let Some((min, max)) = settings.maintenance {
        xml.element("InstanceMaintenancePolicy", |xml| {
            xml.value("MinHealthyPercentage", min);
            xml.value("MaxHealthyPercentage", max);
        });
    }
}

/// Writes an instance of a group.
pub(super) fn write_member(xml: &mut Xml, member: &GroupMember) {
    xml.value("InstanceId", &member.instance);
    xml.value("InstanceType", &member.instance_type);
    xml.value("AvailabilityZone", &member.zone);
    let state = match member.stage {
        MemberStage::Pending { .. } => "Pending",
        MemberStage::InService { .. } => "InService",
        MemberStage::Terminating { .. } => "Terminating",
    };
    xml.value("LifecycleState", state);
    xml.value("HealthStatus", if member.healthy { "Healthy" } else { "Unhealthy" });
    xml.element("LaunchTemplate", |xml| member.template.write_xml(xml));
    // Only where the image is that of an override (API reference, Instance.ImageId).
    xml.optional("ImageId", member.image_override.as_ref());
    xml.value("ProtectedFromScaleIn", member.protected);
    xml.optional("WeightedCapacity", member.weight.as_ref());
}
