//! The state of an instance refresh: its progress and limits, and how it ends or turns into a rollback.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::services::ec2::Ec2Call;
use crate::state::State;
use crate::state::group::{GroupMember, GroupRecord, RefreshRecord, RefreshStatus, RollbackRecord};

/// How long protected instances are waited for (API reference, `ScaleInProtectedInstances`).
const PROTECTED_WAIT: Duration = Duration::from_hours(1);

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
pub(super) fn waits_for_protection(group: &GroupRecord, record: &RefreshRecord) -> bool {
    let left = || group.members.iter().filter(|member| record.remaining.contains(&member.instance));
    record.preferences.protected == "Wait" && left().next().is_some() && left().all(|member| member.protected)
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
        _ if record.preferences.auto_rollback => begin_rollback(group, reason, now),
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

/// Whether a refresh is being rolled back.
pub(super) fn is_rolling_back(record: &RefreshRecord) -> bool {
    record.status == RefreshStatus::RollbackInProgress
}

/// The generation of the instances that the rollback launches.
pub(super) fn rollback_generation(record: &RefreshRecord) -> String {
    format!("{}/rollback", record.id)
}

/// Begins the rollback of the last refresh.
pub(super) fn begin_rollback(group: &mut GroupRecord, reason: &str, now: Timestamp) {
    let Some(record) = group.refreshes.last_mut() else { return };
    let (percentage, left) = progress(record);
    let launched = |member: &&GroupMember| member.is_alive() && member.generation == record.id;
    let remaining: Vec<_> =
        group.members.iter().filter(launched).map(|member| member.instance.clone()).collect();
    record.rollback = Some(RollbackRecord {
        reason: reason.to_owned(),
        started: now,
        percentage,
        left,
        total: remaining.len() as u64,
    });
    record.remaining = remaining;
    record.status = RefreshStatus::RollbackInProgress;
    record.reason = Some(reason.to_owned());
    record.checkpoint_until = None;
    record.bake_until = None;
    record.progressed = now;
    // A launch that failed was one of the new configuration.
    group.retry_at = None;
}
