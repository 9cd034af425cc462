//! An instance refresh as it runs: instances are replaced in batches within the healthy percentages, with checkpoints,
//! warm-up, bake time and alarms.
//!
//! Follows "How an instance refresh works in an Auto Scaling group" and `RefreshPreferences` of the API reference.
//! Not tried on AWS: the order within a batch, and the wording of status reasons.

use std::time::Duration;

use super::errors::GroupError;
use super::refresh_counts::Counts;
use super::{refresh_state, scaling, source};
use crate::clock::Timestamp;
use crate::services::ec2::Ec2Call;
use crate::state::faults::InjectedFault;
use crate::state::group::{GroupMember, GroupRecord, RefreshRecord, RefreshStatus};

/// Chooses the instances to replace.
pub(super) fn begin(ec2: &Ec2Call<'_>, group: &mut GroupRecord) {
    let Some(record) = group.refreshes.last() else { return };
    let target = record.desired.clone().unwrap_or_else(|| group.source.clone());
    let skips = record.preferences.skip_matching;
    let ignores = record.preferences.protected == "Ignore";
    let chosen = |(index, member): &(usize, &GroupMember)| {
        member.is_alive()
            && !(skips && source::matches(&target, ec2, group, *index))
            && !(ignores && member.protected)
    };
    let remaining: Vec<_> =
        group.members.iter().enumerate().filter(chosen).map(|(_, member)| member.instance.clone()).collect();
    if let Some(record) = group.refreshes.last_mut() {
        record.total = remaining.len() as u64;
        record.remaining = remaining;
    }
}

/// Fails the refresh, or rolls it back, if one of its alarms is in the state ALARM: a scripted fault `fail_later` of
/// the service `cloudwatch` and the action `DescribeAlarms`, with the name of the alarm in its target. The local region
/// has no `CloudWatch`.
pub(super) fn check_alarms(ec2: &Ec2Call<'_>, group: &mut GroupRecord) -> bool {
    let Some(active) = group.active_refresh() else { return false };
    if !matches!(active.status, RefreshStatus::InProgress | RefreshStatus::Baking) {
        return false;
    }
    let rings = |name: &&String| {
        let target = format!("{} {name}", ec2.region.name);
        let fault = ec2.state.faults.next_fault("cloudwatch", "DescribeAlarms", &target);
        fault == Some(InjectedFault::FailLater)
    };
    let Some(alarm) = active.preferences.alarms.iter().find(rings).cloned() else { return false };
    refresh_state::fail(group, &format!("The alarm {alarm} went into the ALARM state."), ec2.now);
    true
}

/// One step of a refresh. Returns whether anything changed.
pub(super) fn step(ec2: &Ec2Call<'_>, group: &mut GroupRecord) -> Result<bool, GroupError> {
    let Some(active) = group.active_refresh().cloned() else { return Ok(false) };
    match active.status {
        RefreshStatus::Pending => {
            if let Some(record) = group.refreshes.last_mut() {
                record.status = RefreshStatus::InProgress;
                record.progressed = ec2.now;
            }
            Ok(true)
        }
        RefreshStatus::InProgress => replace(ec2, group, active),
        RefreshStatus::Baking => Ok(bake(group, &active, ec2.now)),
        RefreshStatus::Cancelling => {
            let moving = group.members.iter().any(|member| member.in_service().is_none());
            if let Some(record) = group.refreshes.last_mut().filter(|_| !moving) {
                refresh_state::end(
                    record,
                    RefreshStatus::Cancelled,
                    "Cancelled at the request of a user.",
                    ec2.now,
                );
            }
            Ok(!moving)
        }
        _ => Ok(false),
    }
}

/// Replaces instances up to the next checkpoint.
fn replace(
    ec2: &Ec2Call<'_>,
    group: &mut GroupRecord,
    mut record: RefreshRecord,
) -> Result<bool, GroupError> {
    let counts = Counts::of(group, &record, &record.id, ec2.now);
    let mut changed = note_progress(group, &mut record, &counts, ec2.now);
    if counts.unhealthy > 0 && ec2.state.config.windows.refresh_retry.is_zero() {
        refresh_state::fail(group, "A new instance failed its health check.", ec2.now);
        return Ok(true);
    }
    if refresh_state::deadline(ec2.state, group, &record).is_some_and(|at| at <= ec2.now) {
        let reason =
            record.reason.clone().unwrap_or_else(|| "No instance became healthy in time.".to_owned());
        refresh_state::fail(group, &format!("The instance refresh made no progress: {reason}"), ec2.now);
        return Ok(true);
    }
    if is_complete(&record, &counts) {
        return Ok(finish_replacing(group, &record, ec2.now));
    }
    let (limit, waiting) = checkpoint(&mut record, &counts, ec2.now);
    changed |= group.refreshes.last().is_some_and(|stored| *stored != record);
    set(group, record.clone());
    if waiting {
        return Ok(changed);
    }
    let replaced = replace_one(ec2, group, &record, &counts, limit)?;
    changed |= explain(group, &counts);
    Ok(changed || replaced)
}

fn set(group: &mut GroupRecord, record: RefreshRecord) {
    if let Some(stored) = group.refreshes.last_mut() {
        *stored = record;
    }
}

/// Records instances that are updated since the last look, and those to replace that are gone.
fn note_progress(
    group: &mut GroupRecord,
    record: &mut RefreshRecord,
    counts: &Counts,
    now: Timestamp,
) -> bool {
    let before = record.clone();
    let alive = |id: &String| group.members.iter().any(|member| member.instance == *id && member.is_alive());
    record.remaining.retain(alive);
    if counts.updated > record.updated {
        record.progressed = now;
    }
    record.updated = counts.updated;
    let changed = before != *record;
    set(group, record.clone());
    changed
}

/// Whether all instances are replaced, or as many as the last checkpoint says.
fn is_complete(record: &RefreshRecord, counts: &Counts) -> bool {
    let last = record.preferences.checkpoints.last().copied().unwrap_or(100);
    let needed = share(record.total, last);
    let replaced = record.total - counts.old.min(record.total);
    counts.updated >= needed && replaced >= needed && counts.warming == 0
}

/// A percentage of a number of instances, rounded up.
fn share(total: u64, percentage: u64) -> u64 {
    (total * percentage).div_ceil(100)
}

/// The number of instances that may be replaced before the next checkpoint, and whether the wait at one is not over.
fn checkpoint(record: &mut RefreshRecord, counts: &Counts, now: Timestamp) -> (u64, bool) {
    let delay = Duration::from_secs(record.preferences.checkpoint_delay);
    while let Some(percentage) = record.preferences.checkpoints.get(record.checkpoint).copied() {
        let limit = share(record.total, percentage);
        if counts.updated < limit {
            return (limit, false);
        }
        match record.checkpoint_until {
            None => {
                record.checkpoint_until = Some(now.after(delay));
                record.reason = Some(format!(
                    "Waiting {} seconds at the checkpoint of {percentage} percent.",
                    delay.as_secs()
                ));
            }
            Some(until) if until <= now => {
                record.checkpoint += 1;
                record.checkpoint_until = None;
                record.progressed = now;
                record.reason = None;
            }
            Some(_) => return (limit, true),
        }
    }
    (record.total, false)
}

/// Begins or continues one replacement, if the percentages allow it.
fn replace_one(
    ec2: &Ec2Call<'_>,
    group: &mut GroupRecord,
    record: &RefreshRecord,
    counts: &Counts,
    limit: u64,
) -> Result<bool, GroupError> {
    let replaceable = oldest(group, record);
    let replaced = record.total - counts.old.min(record.total);
    let launched = counts.updated + counts.warming + counts.unhealthy;
    let desired = group.settings.desired;
    let minimum = share(desired, record.preferences.min_healthy);
    let spares = counts.healthy > minimum && counts.healthy > 0;
    let idle = counts.warming == 0 && launched >= replaced;
    let terminate = |group: &mut GroupRecord| match &replaceable {
        Some(instance) => {
            let cause = "an instance refresh";
            scaling::terminate(ec2.state, ec2.region, group, instance, cause, ec2.now).map(|()| true)
        }
        None => Ok(false),
    };
    // The second half of a replacement that launched first.
    if counts.updated > replaced && counts.alive > desired {
        return terminate(group);
    }
    let may_begin = replaced.max(launched) < limit && replaceable.is_some();
    if !may_begin || counts.alive < desired {
        return Ok(false);
    }
    let launch_first = match record.preferences.max_healthy {
        // Up to the maximum first; beyond it only where nothing else is possible.
        Some(max) => counts.alive < share_down(desired, max) || (!spares && idle),
        // "100 percent": launch before terminate, one at a time.
        None => minimum >= desired && idle,
    };
    if launch_first {
        return if group.retry_at.is_none_or(|at| at <= ec2.now) {
            scaling::launch(ec2, group)
        } else {
            Ok(false)
        };
    }
    let at_least_one = record.preferences.max_healthy.is_none() && minimum < desired && idle;
    if spares || at_least_one { terminate(group) } else { Ok(false) }
}

/// A percentage of a number of instances, rounded down.
fn share_down(total: u64, percentage: u64) -> u64 {
    total * percentage / 100
}

/// The oldest instance that may be replaced now.
fn oldest(group: &GroupRecord, record: &RefreshRecord) -> Option<String> {
    let waits = record.preferences.protected == "Wait";
    let fits = |member: &&GroupMember| {
        member.is_alive() && record.remaining.contains(&member.instance) && !(waits && member.protected)
    };
    group.members.iter().find(fits).map(|member| member.instance.clone())
}

/// Sets the reason that is shown while the refresh waits.
fn explain(group: &mut GroupRecord, counts: &Counts) -> bool {
    let Some(record) = group.active_refresh() else { return false };
    let reason = if refresh_state::waits_for_protection(group, record) {
        "Waiting for instances that are protected from scale-in.".to_owned()
    } else if counts.warming > 0 {
        format!("Waiting for {} instances to warm up before continuing.", counts.warming)
    } else {
        return false;
    };
    match group.refreshes.last_mut() {
        Some(record)
            if record.status == RefreshStatus::InProgress && record.reason.as_deref() != Some(&reason) =>
        {
            record.reason = Some(reason);
            true
        }
        _ => false,
    }
}

/// All instances are replaced: bakes, or succeeds at once.
fn finish_replacing(group: &mut GroupRecord, record: &RefreshRecord, now: Timestamp) -> bool {
    let bake = Duration::from_secs(record.preferences.bake);
    if bake.is_zero() {
        succeed(group, now);
        return true;
    }
    if let Some(record) = group.refreshes.last_mut() {
        record.status = RefreshStatus::Baking;
        record.bake_until = Some(now.after(bake));
        record.reason = Some("Waiting for the bake time.".to_owned());
    }
    true
}

fn bake(group: &mut GroupRecord, record: &RefreshRecord, now: Timestamp) -> bool {
    let over = record.bake_until.is_none_or(|until| until <= now);
    if over {
        succeed(group, now);
    }
    over
}

/// The group gets the desired configuration, as it does only now.
fn succeed(group: &mut GroupRecord, now: Timestamp) {
    let Some(record) = group.refreshes.last_mut() else { return };
    record.updated = record.total.max(record.updated);
    record.status = RefreshStatus::Successful;
    record.reason = None;
    record.ended = Some(now);
    record.bake_until = None;
    record.checkpoint_until = None;
    if let Some(desired) = record.desired.clone() {
        group.source = desired;
    }
}
