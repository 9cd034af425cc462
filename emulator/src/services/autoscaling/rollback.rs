//! The rollback of an instance refresh: the instances that it launched are replaced by ones of the configuration that
//! the group has had all the time.

use super::errors::GroupError;
use super::refresh_counts::Counts;
use super::refresh_state::{self, is_rolling_back, rollback_generation};
use super::scaling;
use crate::services::ec2::Ec2Call;
use crate::state::group::{GroupMember, GroupRecord, RefreshRecord, RefreshStatus};

/// One step of a rollback. Returns whether anything changed.
pub(super) fn step(ec2: &Ec2Call<'_>, group: &mut GroupRecord) -> Result<bool, GroupError> {
    let Some(record) = group.active_refresh().filter(|record| is_rolling_back(record)).cloned() else {
        return Ok(false);
    };
    let counts = Counts::of(group, &record, &rollback_generation(&record), ec2.now);
    let alive = |id: &String| group.members.iter().any(|member| member.instance == *id && member.is_alive());
    let remaining: Vec<_> = record.remaining.iter().filter(|id| alive(id)).cloned().collect();
    if remaining != record.remaining
        && let Some(stored) = group.refreshes.last_mut()
    {
        stored.remaining = remaining;
        stored.progressed = ec2.now;
        return Ok(true);
    }
    let expired = refresh_state::deadline(ec2.state, group, &record).is_some_and(|at| at <= ec2.now);
    if (counts.unhealthy > 0 && ec2.state.config.windows.refresh_retry.is_zero()) || expired {
        refresh_state::fail(
            group,
            "An instance of the previous configuration did not become healthy.",
            ec2.now,
        );
        return Ok(true);
    }
    if record.remaining.is_empty() && counts.warming == 0 && counts.alive >= group.settings.desired {
        if let Some(stored) = group.refreshes.last_mut() {
            let reason = stored.rollback.as_ref().map_or(String::new(), |rollback| rollback.reason.clone());
            refresh_state::end(stored, RefreshStatus::RollbackSuccessful, &reason, ec2.now);
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
