//! `CreateAutoScalingGroup`, `UpdateAutoScalingGroup`, `SetDesiredCapacity` and `DeleteAutoScalingGroup`.

use super::advance::store_changed;
use super::call::{GroupCall, natural, required};
use super::errors::GroupError;
use super::{group_settings, source, tag_operations};
use crate::ids;
use crate::services::xml::Xml;
use crate::state::group::{GroupRecord, group_key};

/// `CreateAutoScalingGroup`.
pub(crate) fn create(call: &GroupCall<'_>) -> Result<Option<Xml>, GroupError> {
    let _guard = call.lock_region();
    let params = call.params();
    let name = source::group_name(&params)?;
    // The name must not contain a colon (API reference); it is part of the ARN.
    if name.contains(':') || name.chars().count() > 255 {
        let message = format!("'{name}' is not a valid name of an Auto Scaling group");
        return Err(GroupError::validation(message));
    }
    let settings = group_settings::read_new(call)?;
    let launch = source::with_ec2(call.state, call.region, call.account, call.now, |ec2| {
        source::read_required(&params, ec2)
    })?;
    let tags = tag_operations::read_own(&params, name)?;
    call.commit()?;
    if call.region.groups.find(&group_key(call.account, name)).is_some() {
        let message = format!(
            "AutoScalingGroup by this name already exists - A group with the name {name} already exists"
        );
        return Err(GroupError::new("AlreadyExists", message));
    }
    let group = GroupRecord {
        name: name.to_owned(),
        owner: call.account.to_owned(),
        uuid: ids::uuid(),
        created: call.now,
        advanced: call.now,
        source: launch,
        settings,
        tags,
        members: Vec::new(),
        refreshes: Vec::new(),
        activities: Vec::new(),
        launches: 0,
        retry_at: None,
        deleting: false,
    };
    store_changed(call, group)?;
    Ok(None)
}

/// `UpdateAutoScalingGroup`.
pub(crate) fn update(call: &GroupCall<'_>) -> Result<Option<Xml>, GroupError> {
    let _guard = call.lock_region();
    let params = call.params();
    let group = call.named_group()?;
    let settings = group_settings::read_changes(call, group.settings.clone())?;
    if params.non_empty("LaunchConfigurationName").is_some() {
        return Err(GroupError::validation("The local region has no launch configurations"));
    }
    let launch =
        source::with_ec2(call.state, call.region, call.account, call.now, |ec2| source::read(&params, ec2))?;
    call.commit()?;
    // The wording is the one that users report; the configuration belongs to the refresh until it ends.
    if launch.is_some() && group.active_refresh().is_some_and(|refresh| refresh.desired.is_some()) {
        return Err(GroupError::validation(
            "An active instance refresh with a desired configuration exists. All configuration options derived from the \
             desired configuration are not available for update while the instance refresh is active.",
        ));
    }
    let changed = GroupRecord {
        settings,
        source: launch.unwrap_or_else(|| group.source.clone()),
        ..GroupRecord::clone(&group)
    };
    store_changed(call, changed)?;
    Ok(None)
}

/// `SetDesiredCapacity`.
pub(crate) fn set_desired(call: &GroupCall<'_>) -> Result<Option<Xml>, GroupError> {
    let _guard = call.lock_region();
    let params = call.params();
    let group = call.named_group()?;
    required(&params, "DesiredCapacity")?;
    let desired = natural(&params, "DesiredCapacity", u64::from(u32::MAX))?.unwrap_or(0);
    params.boolean("HonorCooldown")?;
    call.commit()?;
    let (min, max) = (group.settings.min, group.settings.max);
    if desired > max {
        let message = format!(
            "New SetDesiredCapacity value {desired} is above max value {max} for the AutoScalingGroup."
        );
        return Err(GroupError::validation(message));
    }
    if desired < min {
        let message = format!(
            "New SetDesiredCapacity value {desired} is below min value {min} for the AutoScalingGroup."
        );
        return Err(GroupError::validation(message));
    }
    let mut changed = GroupRecord::clone(&group);
    changed.settings.desired = desired;
    store_changed(call, changed)?;
    Ok(None)
}

/// `DeleteAutoScalingGroup`.
pub(crate) fn delete(call: &GroupCall<'_>) -> Result<Option<Xml>, GroupError> {
    let _guard = call.lock_region();
    let params = call.params();
    let group = call.named_group()?;
    let force = params.boolean("ForceDelete")?.unwrap_or(false);
    call.commit()?;
    if !force && !group.members.is_empty() {
        let message = "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) \
                       still in the group.";
        return Err(GroupError::new("ResourceInUse", message));
    }
    let mut changed = GroupRecord::clone(&group);
    changed.deleting = true;
    store_changed(call, changed)?;
    Ok(None)
}
