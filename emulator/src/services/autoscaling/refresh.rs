//! An instance refresh as it runs: instances are replaced in batches within the healthy percentages, with checkpoints,
//! warm-up, bake time and alarms.
//!
//! Follows "How an instance refresh works in an Auto Scaling group" and `RefreshPreferences` of the API reference.
//! Not tried on AWS: the order within a batch, and the wording of status reasons.

use std::time::Duration;

use super::errors::GroupError;
use super::{rollback, scaling, source};
use crate::clock::Timestamp;
use crate::services::ec2::Ec2Call;
use crate::state::State;
use crate::state::faults::InjectedFault;
use crate::state::group::{GroupMember, GroupRecord, RefreshRecord, RefreshStatus};

/// How long protected instances are waited for (API reference, `ScaleInProtectedInstances`).
const PROTECTED_WAIT: Duration = Duration::from_hours(1);

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

/// Percentage complete, and the number of instances left to update. During a rollback the percentage goes down to
/// zero, and the number is that of the instances which the refresh had not updated (API reference).
pub(super) fn progress(record: &RefreshRecord) -> (u64, u64) {
    if let Some(rollback) = &record.rollback {
        let left = record.remaining.len() as u64;
        return (rollback.percentage * left / rollback.total.max(1), rollback.left);
    }
    let updated = record.updated.min(record.total);
    let ended = matches!(record.status, RefreshStatus::Successful | RefreshStatus::Baking);
    let percentage = match record.total {
        0 if ended => 100,
        0 => 0,
        total => updated * 100 / total,
    };
    (percentage, record.total - updated)
}

/// The warm-up of a refresh: its own, the group's default, or the health check's grace period.
pub(super) fn warmup(group: &GroupRecord, record: &RefreshRecord) -> Duration {
    let settings = &group.settings;
    Duration::from_secs(record.preferences.warmup.or(settings.warmup).unwrap_or(settings.grace))
}

/// When a refresh without progress fails; `None` if it never does.
pub(super) fn deadline(state: &State, group: &GroupRecord, record: &RefreshRecord) -> Option<Timestamp> {
    let waits = record.checkpoint_until.is_some() || record.bake_until.is_some();
    let windows = state.config.windows;
    let limit = match (waits_for_protection(group, record), windows.refresh_retry) {
        _ if waits => return None,
        (true, _) => PROTECTED_WAIT,
        (false, Duration::ZERO) => return None,
        (false, retry) => retry + windows.instances + warmup(group, record),
    };
    Some(record.progressed.after(limit))
}

/// Whether all instances that are left are protected from scale-in, and the refresh waits for that to end.
fn waits_for_protection(group: &GroupRecord, record: &RefreshRecord) -> bool {
    let left = || group.members.iter().filter(|member| record.remaining.contains(&member.instance));
    record.preferences.protected == "Wait" && left().next().is_some() && left().all(|member| member.protected)
}

/// Fails the refresh, or rolls it back, if one of its alarms is in the state ALARM: a scripted fault `fail_later` of
/// the service `cloudwatch` and the action `DescribeAlarms`, with the name of the alarm in its target. The local region
/// has no CloudWatch.
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
    fail(group, &format!("The alarm {alarm} went into the ALARM state."), ec2.now);
    true
}

/// A launch failed: the refresh, or its rollback, fails with it, unless it tries again for a while.
pub(super) fn launch_failed(ec2: &Ec2Call<'_>, group: &mut GroupRecord, message: &str) {
    if group.active_refresh().is_none() {
        return;
    }
    let reason = format!("An instance could not be launched: {message}");
    if ec2.state.config.windows.refresh_retry.is_zero() {
        fail(group, &reason, ec2.now);
    } else if let Some(record) = group.refreshes.last_mut() {
        record.reason = Some(reason);
    }
}

/// Ends a refresh, or its rollback, as failed; a refresh with auto rollback is rolled back instead.
pub(super) fn fail(group: &mut GroupRecord, reason: &str, now: Timestamp) {
    let Some(record) = group.refreshes.last_mut() else { return };
    match record.status {
        RefreshStatus::RollbackInProgress => end(record, RefreshStatus::RollbackFailed, reason, now),
        RefreshStatus::Cancelling => {}
        _ if record.preferences.auto_rollback => rollback::begin(group, reason, now),
        _ => end(record, RefreshStatus::Failed, reason, now),
    }
}

/// Ends a refresh.
pub(super) fn end(record: &mut RefreshRecord, status: RefreshStatus, reason: &str, now: Timestamp) {
    record.status = status;
    record.reason = Some(reason.to_owned());
    record.ended = Some(now);
    record.checkpoint_until = None;
    record.bake_until = None;
}

/// The counts that decide what a refresh does next.
pub(super) struct Counts {
    /// Instances that are pending or in service.
    pub(super) alive: u64,
    /// Instances that serve: old ones in service, and new ones that are warm.
    pub(super) healthy: u64,
    /// New instances that are warm and healthy.
    pub(super) updated: u64,
    /// New instances that are not there yet.
    pub(super) warming: u64,
    /// New instances that failed their health check.
    pub(super) unhealthy: u64,
    /// Instances to replace that are alive.
    pub(super) old: u64,
}

impl Counts {
    /// Counts the instances of a group for a refresh whose new instances have this generation.
    pub(super) fn of(group: &GroupRecord, record: &RefreshRecord, generation: &str, now: Timestamp) -> Self {
        let warmup = warmup(group, record);
        let mut counts = Self { alive: 0, healthy: 0, updated: 0, warming: 0, unhealthy: 0, old: 0 };
        for member in group.members.iter().filter(|member| member.is_alive()) {
            counts.alive += 1;
            let serves = member.healthy && member.in_service().is_some();
            if member.generation == generation {
                let warm = serves && member.in_service().is_some_and(|since| since.after(warmup) <= now);
                counts.updated += u64::from(warm);
                counts.healthy += u64::from(warm);
                counts.unhealthy += u64::from(!member.healthy);
                counts.warming += u64::from(!warm && member.healthy);
                continue;
            }
            counts.healthy += u64::from(serves);
            counts.old += u64::from(record.remaining.contains(&member.instance));
        }
        counts
    }
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
                end(record, RefreshStatus::Cancelled, "Cancelled at the request of a user.", ec2.now);
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
        fail(group, "A new instance failed its health check.", ec2.now);
        return Ok(true);
    }
    if deadline(ec2.state, group, &record).is_some_and(|at| at <= ec2.now) {
        let reason =
            record.reason.clone().unwrap_or_else(|| "No instance became healthy in time.".to_owned());
        fail(group, &format!("The instance refresh made no progress: {reason}"), ec2.now);
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
    let reason = if waits_for_protection(group, record) {
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
