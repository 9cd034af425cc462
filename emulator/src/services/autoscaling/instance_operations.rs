//! Instances of groups: `DescribeAutoScalingInstances`, `SetInstanceHealth`, `SetInstanceProtection` and
//! `TerminateInstanceInAutoScalingGroup`; `DescribeScalingActivities`.

use std::sync::Arc;

use super::advance::store_changed;
use super::call::{GroupCall, required, text_members, write_members};
use super::describe_groups::write_member;
use super::errors::GroupError;
use super::scaling;
use crate::services::xml::Xml;
use crate::state::group::{ActivityRecord, GroupRecord};

/// The maximum number of instances in a page, and of ids in a request.
const MAX_INSTANCES: usize = 50;
/// The maximum number of activities in a page.
const MAX_ACTIVITIES: usize = 100;

/// `DescribeAutoScalingInstances`. Ids that do not exist are left out.
pub(crate) fn describe(call: &GroupCall<'_>) -> Result<Option<Xml>, GroupError> {
    let params = call.params();
    let ids = text_members(&params, "InstanceIds");
    params.boolean("IncludeManagedResources")?;
    if ids.len() > MAX_INSTANCES {
        let message = format!("At most {MAX_INSTANCES} instances may be named in one call");
        return Err(GroupError::validation(message));
    }
    let mut rows = Vec::new();
    for group in call.groups() {
        for member in &group.members {
            if ids.is_empty() || ids.contains(&member.instance.as_str()) {
                rows.push((group.name.clone(), member.clone()));
            }
        }
    }
    rows.sort_by(|a, b| a.1.instance.cmp(&b.1.instance));
    let (page, next) = call.page(rows, MAX_INSTANCES, |row| row.1.instance.clone())?;
    call.commit()?;
    let mut xml = Xml::new();
    write_members(&mut xml, "AutoScalingInstances", page, |xml, (group, member)| {
        xml.value("AutoScalingGroupName", group);
        write_member(xml, &member);
    });
    xml.optional("NextToken", next);
    Ok(Some(xml))
}

/// The group of an instance.
fn group_of(call: &GroupCall<'_>, instance: &str) -> Result<Arc<GroupRecord>, GroupError> {
    let holds = |group: &Arc<GroupRecord>| group.members.iter().any(|member| member.instance == instance);
    call.groups().into_iter().find(holds).ok_or_else(|| {
        GroupError::validation(format!(
            "Instance Id not found - No managed instance found for instance ID {instance}"
        ))
    })
}

/// `SetInstanceHealth`.
pub(crate) fn set_health(call: &GroupCall<'_>) -> Result<Option<Xml>, GroupError> {
    let _guard = call.lock_region();
    let params = call.params();
    let instance = required(&params, "InstanceId")?;
    required(&params, "HealthStatus")?;
    let status = params.one_of("HealthStatus", &["Healthy", "Unhealthy"])?;
    params.boolean("ShouldRespectGracePeriod")?;
    call.commit()?;
    let mut group = GroupRecord::clone(&*group_of(call, instance)?);
    for member in group.members.iter_mut().filter(|member| member.instance == instance) {
        member.healthy = status == Some("Healthy");
    }
    store_changed(call, group)?;
    Ok(None)
}

/// `SetInstanceProtection`.
pub(crate) fn set_protection(call: &GroupCall<'_>) -> Result<Option<Xml>, GroupError> {
    let _guard = call.lock_region();
    let params = call.params();
    let group = call.named_group()?;
    let ids = text_members(&params, "InstanceIds");
    required(&params, "ProtectedFromScaleIn")?;
    let protected = params.boolean("ProtectedFromScaleIn")?.unwrap_or(false);
    call.commit()?;
    let mut group = GroupRecord::clone(&group);
    for id in &ids {
        let member = group.members.iter_mut().find(|member| member.instance == *id);
        let member = member.ok_or_else(|| {
            GroupError::validation(format!(
                "The instance {id} is not part of Auto Scaling group {}.",
                group.name
            ))
        })?;
        member.protected = protected;
    }
    store_changed(call, group)?;
    Ok(Some(Xml::new()))
}

/// `TerminateInstanceInAutoScalingGroup`.
pub(crate) fn terminate(call: &GroupCall<'_>) -> Result<Option<Xml>, GroupError> {
    let _guard = call.lock_region();
    let params = call.params();
    let instance = required(&params, "InstanceId")?;
    required(&params, "ShouldDecrementDesiredCapacity")?;
    let decrement = params.boolean("ShouldDecrementDesiredCapacity")?.unwrap_or(false);
    call.commit()?;
    let mut group = GroupRecord::clone(&*group_of(call, instance)?);
    if decrement {
        if group.settings.desired <= group.settings.min {
            let message = "Currently, desiredSize equals minSize. Terminating instance without replacement will violate \
                           group's min size constraint.";
            return Err(GroupError::validation(message));
        }
        group.settings.desired -= 1;
    }
    scaling::terminate(call.state, call.region, &mut group, instance, "a user request", call.now)?;
    let activity = group.activities.last().cloned();
    let name = group.name.clone();
    store_changed(call, group)?;
    let mut xml = Xml::new();
    if let Some(activity) = activity {
        xml.element("Activity", |xml| write_activity(xml, &name, &activity));
    }
    Ok(Some(xml))
}

/// `DescribeScalingActivities`: the newest first.
pub(crate) fn activities(call: &GroupCall<'_>) -> Result<Option<Xml>, GroupError> {
    let params = call.params();
    let ids = text_members(&params, "ActivityIds");
    params.boolean("IncludeDeletedGroups")?;
    params.boolean("IncludeManagedResources")?;
    let groups = match params.non_empty("AutoScalingGroupName") {
        Some(name) => vec![call.group(name)?],
        None => call.groups(),
    };
    let mut rows = Vec::new();
    for group in &groups {
        for (index, activity) in group.activities.iter().enumerate() {
            if ids.is_empty() || ids.contains(&activity.id.as_str()) {
                // Later times first.
                let order =
                    format!("{:020}/{:020}/{}", u64::MAX - activity.at.0, usize::MAX - index, group.name);
                rows.push((order, group.name.clone(), activity.clone()));
            }
        }
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let (page, next) = call.page(rows, MAX_ACTIVITIES, |row| row.0.clone())?;
    call.commit()?;
    let mut xml = Xml::new();
    write_members(&mut xml, "Activities", page, |xml, (_, group, activity)| {
        write_activity(xml, &group, &activity);
    });
    xml.optional("NextToken", next);
    Ok(Some(xml))
}

fn write_activity(xml: &mut Xml, group: &str, activity: &ActivityRecord) {
    xml.value("ActivityId", &activity.id);
    xml.value("AutoScalingGroupName", group);
    xml.value("Description", &activity.description);
    xml.value("Cause", &activity.cause);
    xml.value("StartTime", activity.at.iso());
    xml.value("EndTime", activity.at.iso());
    xml.value("StatusCode", &activity.status);
    xml.optional("StatusMessage", activity.message.as_ref());
    xml.value("Progress", 100);
    xml.value("Details", "{}");
}
