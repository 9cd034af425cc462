//! The instances of a group: launched until there are as many as desired, replaced when they are unhealthy, terminated
//! when there are too many.

use std::time::Duration;

use super::errors::GroupError;
use super::refresh_state;
use crate::clock::Timestamp;
use crate::ids;
use crate::services::ec2::Ec2Call;
use crate::state::faults::InjectedFault;
use crate::state::group::{ActivityRecord, GroupMember, GroupRecord, LaunchSource, MemberStage};
use crate::state::instance::{InstancePhase, InstanceRecord, InstanceState};
use crate::state::{Region, State};

/// The pause after a launch that failed.
const RETRY: Duration = Duration::from_mins(1);
/// The number of activities that are kept.
const MAX_ACTIVITIES: usize = 200;

/// The tag that Auto Scaling sets on its instances.
const GROUP_TAG: &str = "aws:autoscaling:groupName";

/// Moves instances to the stage that they have reached. Returns whether anything changed.
pub(super) fn update_stages(group: &mut GroupRecord, now: Timestamp) -> bool {
    let mut changed = false;
    for member in &mut group.members {
        if let MemberStage::Pending { until } = member.stage
            && until <= now
        {
            member.stage = MemberStage::InService { since: until };
            member.healthy = !member.fails;
            changed = true;
        }
    }
    let before = group.members.len();
    let gone =
        |member: &GroupMember| matches!(member.stage, MemberStage::Terminating { until } if until <= now);
    group.members.retain(|member| !gone(member));
    changed || group.members.len() != before
}

/// Terminates one instance, or launches one. Returns whether anything changed.
pub(super) fn step(ec2: &Ec2Call<'_>, group: &mut GroupRecord) -> Result<bool, GroupError> {
    notice_lost(ec2, group);
    if group.deleting {
        let alive =
            group.members.iter().find(|member| member.is_alive()).map(|member| member.instance.clone());
        let Some(instance) = alive else { return Ok(false) };
        terminate(ec2.state, ec2.region, group, &instance, "the deletion of the group", ec2.now)?;
        return Ok(true);
    }
    let unhealthy = group.members.iter().find(|member| member.in_service().is_some() && !member.healthy);
    if let Some(instance) = unhealthy.map(|member| member.instance.clone()) {
        terminate(ec2.state, ec2.region, group, &instance, "an unhealthy status", ec2.now)?;
        return Ok(true);
    }
    let alive = group.members.iter().filter(|member| member.is_alive()).count() as u64;
    let desired = group.settings.desired;
    if alive < desired && group.retry_at.is_none_or(|at| at <= ec2.now) {
        return launch(ec2, group);
    }
    // While a refresh launches before it terminates there are more instances than desired.
    if alive > desired && group.active_refresh().is_none() {
        let oldest = group.members.iter().find(|member| member.is_alive() && !member.protected);
        if let Some(instance) = oldest.map(|member| member.instance.clone()) {
            let cause = "a difference between desired and actual capacity";
            terminate(ec2.state, ec2.region, group, &instance, cause, ec2.now)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// An instance that was stopped or terminated by other means fails its health check.
fn notice_lost(ec2: &Ec2Call<'_>, group: &mut GroupRecord) {
    for member in group.members.iter_mut().filter(|member| member.in_service().is_some()) {
        let instance = ec2.region.instances.find(&member.instance);
        let runs = instance.is_some_and(|instance| {
            matches!(instance.state(ec2.now), InstanceState::Pending | InstanceState::Running)
        });
        member.healthy &= runs;
    }
}

/// Launches an instance by the configuration that applies now. A launch that fails is recorded and tried again later.
/// Returns whether anything changed.
pub(super) fn launch(ec2: &Ec2Call<'_>, group: &mut GroupRecord) -> Result<bool, GroupError> {
    let (from, generation) = current_source(group);
    let number = group.launches;
    group.launches += 1;
    match try_launch(ec2, group, &from, number, generation) {
        Ok(instance) => {
            group.retry_at = None;
            let description = format!("Launching a new EC2 instance: {instance}");
            record(group, description, "a difference between desired and actual capacity", ec2.now, None);
        }
        Err(error) if error.status >= 500 => return Err(error),
        Err(error) => {
            group.retry_at = Some(ec2.now.after(RETRY));
            let message = format!("{} Launching EC2 instance failed.", error.message);
            let cause = "a difference between desired and actual capacity";
            record(group, "Launching a new EC2 instance".to_owned(), cause, ec2.now, Some(message.clone()));
            refresh_state::launch_failed(ec2, group, &message);
        }
    }
    Ok(true)
}

/// What an instance is launched from now: while a refresh runs its configuration, else that of the group.
fn current_source(group: &GroupRecord) -> (LaunchSource, String) {
    match group.active_refresh() {
        Some(active) if refresh_state::is_rolling_back(active) => {
            (group.source.clone(), refresh_state::rollback_generation(active))
        }
        Some(active) => (active.desired.clone().unwrap_or_else(|| group.source.clone()), active.id.clone()),
        None => (group.source.clone(), String::new()),
    }
}

/// Launches an instance and returns its id. A scripted fault of the service `autoscaling` and the action
/// `LaunchInstance` applies, with the group and the image in its target: `fail_later` lets the instance fail its health
/// check, `slow` lets it take longer, anything else fails the launch.
fn try_launch(
    ec2: &Ec2Call<'_>,
    group: &mut GroupRecord,
    from: &LaunchSource,
    number: u64,
    generation: String,
) -> Result<String, GroupError> {
    let mut choice = from.choice(ec2, number)?;
    let pair = choice.settings.check(ec2)?;
    let target = format!("{} {} {}", ec2.region.name, group.name, pair.image.id);
    let (mut extra, mut fails) = (Duration::ZERO, false);
    match ec2.state.faults.next_fault("autoscaling", "LaunchInstance", &target) {
        None => {}
        Some(InjectedFault::FailLater) => fails = true,
        Some(InjectedFault::Slow { millis }) => extra = Duration::from_millis(millis),
        Some(_) => {
            return Err(GroupError::validation(
                "We currently do not have sufficient capacity in the Availability Zone you requested.",
            ));
        }
    }
    choice.settings.zone = Some(quietest_zone(group));
    choice.settings.subnet =
        group.settings.subnets.as_deref().and_then(|all| all.split(',').next()).map(str::to_owned);
    choice.settings.reservation = ids::fresh("r");
    for (key, tag) in group.tags.iter().filter(|(_, tag)| tag.propagate) {
        choice.settings.tags.insert(key.clone(), tag.value.clone());
    }
    choice.settings.tags.insert(GROUP_TAG.to_owned(), group.name.clone());
    let instance = choice.settings.launch(ec2, &pair)?;
    let until = ec2.now.after(ec2.state.config.windows.instances).after(extra);
    group.members.push(GroupMember {
        instance: instance.id.clone(),
        instance_type: instance.instance_type,
        zone: instance.zone,
        template: choice.template,
        image_override: choice.image_override,
        weight: choice.weight,
        stage: MemberStage::Pending { until },
        healthy: true,
        protected: group.settings.protect_new,
        fails,
        generation,
    });
    Ok(instance.id)
}

/// The zone with the fewest instances.
fn quietest_zone(group: &GroupRecord) -> String {
    let count =
        |zone: &&String| group.members.iter().filter(|one| one.is_alive() && one.zone == **zone).count();
    group.settings.zones.iter().min_by_key(count).cloned().unwrap_or_default()
}

/// Begins the termination of an instance.
pub(super) fn terminate(
    state: &State,
    region: &Region,
    group: &mut GroupRecord,
    instance: &str,
    cause: &str,
    now: Timestamp,
) -> Result<(), GroupError> {
    let until = now.after(state.config.windows.instances);
    for member in group.members.iter_mut().filter(|member| member.instance == instance && member.is_alive()) {
        member.stage = MemberStage::Terminating { until };
    }
    region.instances.edit(instance, |record: &mut InstanceRecord| {
        if !matches!(record.phase, InstancePhase::Terminated { .. }) {
            record.phase = InstancePhase::Terminated { from: until };
        }
        Ok::<_, crate::error::Error>(())
    })?;
    record(group, format!("Terminating EC2 instance: {instance}"), cause, now, None);
    Ok(())
}

fn record(group: &mut GroupRecord, description: String, cause: &str, at: Timestamp, failure: Option<String>) {
    let status = if failure.is_some() { "Failed" } else { "Successful" };
    group.activities.push(ActivityRecord {
        id: ids::uuid(),
        description,
        cause: format!("At {} an instance was changed in response to {cause}.", at.iso()),
        at,
        status: status.to_owned(),
        message: failure.map(|message| message.chars().take(255).collect()),
    });
    if group.activities.len() > MAX_ACTIVITIES {
        group.activities.remove(0);
    }
}
