//! The rollback of an instance refresh: the instances that it launched are replaced by ones of the configuration that
//! the group has had all the time.

use super::errors::GroupError;
use super::refresh::{self, Counts};
use super::scaling;
use crate::clock::Timestamp;
use crate::services::ec2::Ec2Call;
use crate::state::group::{GroupMember, GroupRecord, RefreshRecord, RefreshStatus, RollbackRecord};

/// Whether a refresh is being rolled back.
pub(super) fn is_running(record: &RefreshRecord) -> bool {
    record.status == RefreshStatus::RollbackInProgress
}

/// The generation of the instances that the rollback launches.
pub(super) fn generation(record: &RefreshRecord) -> String {
    format!("{}/rollback", record.id)
}

/// Begins the rollback of the last refresh.
pub(super) fn begin(group: &mut GroupRecord, reason: &str, now: Timestamp) {
    let Some(record) = group.refreshes.last_mut() else { return };
    let (percentage, left) = refresh::progress(record);
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

/// One step of a rollback. Returns whether anything changed.
pub(super) fn step(ec2: &Ec2Call<'_>, group: &mut GroupRecord) -> Result<bool, GroupError> {
    let Some(record) = group.active_refresh().filter(|record| is_running(record)).cloned() else {
        return Ok(false);
    };
    let counts = Counts::of(group, &record, &generation(&record), ec2.now);
    let alive = |id: &String| group.members.iter().any(|member| member.instance == *id && member.is_alive());
    let remaining: Vec<_> = record.remaining.iter().filter(|id| alive(id)).cloned().collect();
    if remaining != record.remaining
        && let Some(stored) = group.refreshes.last_mut()
    {
        stored.remaining = remaining;
        stored.progressed = ec2.now;
        return Ok(true);
    }
    let expired = refresh::deadline(ec2.state, group, &record).is_some_and(|at| at <= ec2.now);
    if (counts.unhealthy > 0 && ec2.state.config.windows.refresh_retry.is_zero()) || expired {
        refresh::fail(group, "An instance of the previous configuration did not become healthy.", ec2.now);
        return Ok(true);
    }
    if record.remaining.is_empty() && counts.warming == 0 && counts.alive >= group.settings.desired {
        if let Some(stored) = group.refreshes.last_mut() {
            let reason = stored.rollback.as_ref().map_or(String::new(), |rollback| rollback.reason.clone());
            refresh::end(stored, RefreshStatus::RollbackSuccessful, &reason, ec2.now);
        }
        return Ok(true);
    }
    replace_one(ec2, group, &record, &counts)
}

/// Terminates one of the instances to take back, within the minimum healthy percentage; unhealthy ones at once.
fn replace_one(
    ec2: &Ec2Call<'_>,
    group: &mut GroupRecord,
    record: &RefreshRecord,
    counts: &Counts,
) -> Result<bool, GroupError> {
    let left = |member: &&GroupMember| member.is_alive() && record.remaining.contains(&member.instance);
    let serves = |member: &GroupMember| member.healthy && member.in_service().is_some();
    let useless = group.members.iter().filter(left).find(|member| !serves(member));
    let minimum = (group.settings.desired * record.preferences.min_healthy).div_ceil(100);
    let spares = counts.healthy > minimum || (counts.warming == 0 && counts.alive >= group.settings.desired);
    let next = useless.or_else(|| group.members.iter().filter(left).find(|_| spares));
    let Some(instance) = next.map(|member| member.instance.clone()) else { return Ok(false) };
    scaling::terminate(
        ec2.state,
        ec2.region,
        group,
        &instance,
        "a rollback of an instance refresh",
        ec2.now,
    )?;
    Ok(true)
}
