//! Time in a group: computes what happened from one moment to a later one, event by event, so that the result does
//! not depend on how often anybody asks.

use std::collections::BTreeSet;
use std::time::Duration;

use super::call::GroupCall;
use super::errors::GroupError;
use super::{refresh, refresh_state, rollback, scaling, source};
use crate::clock::Timestamp;
use crate::services::ec2::Ec2Call;
use crate::state::group::{GroupRecord, MemberStage, group_key};
use crate::state::{Region, State};
use crate::sync;

/// The most steps at one moment: a group that needs more is defective, and stays as it is.
const MAX_STEPS: usize = 10_000;
/// The most events in one call: what is left is computed by the next.
const MAX_EVENTS: usize = 100_000;

/// Brings all groups of a region up to its time.
pub(crate) fn advance_region(state: &State, region: &Region) {
    let groups = region.groups.all();
    if groups.is_empty() {
        return;
    }
    let _guard = sync::lock(&region.write_lock);
    // Listed again: another request may have changed them.
    for (_, group) in region.groups.all() {
        let mut changed = GroupRecord::clone(&group);
        // The time was read by the request before; a clock that moved on meanwhile does no harm.
        if advance_group(state, region, &mut changed, state.now()).is_err() {
            continue;
        }
        let moved = GroupRecord { advanced: group.advanced, ..changed.clone() };
        if moved != *group {
            // What cannot be stored is computed again by the next request.
            let _ = store(region, changed);
        }
    }
}

/// Stores a group, or removes one that is deleted and has no instances left.
fn store(region: &Region, group: GroupRecord) -> Result<(), GroupError> {
    let key = group_key(&group.owner, &group.name);
    if group.deleting && group.members.is_empty() {
        region.groups.remove(&key)?;
    } else {
        region.groups.put(&key, group)?;
    }
    Ok(())
}

/// Stores a group that a request changed, after computing what follows from the change at this time.
pub(super) fn store_changed(call: &GroupCall<'_>, mut group: GroupRecord) -> Result<(), GroupError> {
    advance_group(call.state, call.region, &mut group, call.now)?;
    store(call.region, group)
}

/// Brings a group up to a time.
fn advance_group(
    state: &State,
    region: &Region,
    group: &mut GroupRecord,
    now: Timestamp,
) -> Result<(), GroupError> {
    for _ in 0..MAX_EVENTS {
        let next = events(state, group).into_iter().find(|at| *at > group.advanced && *at <= now);
        let at = next.unwrap_or(now.max(group.advanced));
        group.advanced = at;
        let owner = group.owner.clone();
        source::with_ec2(state, region, &owner, at, |ec2| settle(ec2, group))?;
        if next.is_none() {
            break;
        }
    }
    Ok(())
}

/// The times at which something may happen by itself.
fn events(state: &State, group: &GroupRecord) -> BTreeSet<Timestamp> {
    let mut events = BTreeSet::new();
    let mut warmup = Duration::ZERO;
    if let Some(active) = group.active_refresh() {
        warmup = refresh_state::warmup(group, active);
        events.extend(active.checkpoint_until);
        events.extend(active.bake_until);
        events.extend(refresh_state::deadline(state, group, active));
    }
    for member in &group.members {
        match member.stage {
            MemberStage::Pending { until } | MemberStage::Terminating { until } => events.extend([until]),
            MemberStage::InService { since } => events.extend([since.after(warmup)]),
        }
    }
    events.extend(group.retry_at);
    events
}

/// Applies all rules at one moment until none changes anything.
fn settle(ec2: &Ec2Call<'_>, group: &mut GroupRecord) -> Result<(), GroupError> {
    for _ in 0..MAX_STEPS {
        let changed = scaling::update_stages(group, ec2.now)
            || refresh::check_alarms(ec2, group)
            || refresh::step(ec2, group)?
            || rollback::step(ec2, group)?
            || scaling::step(ec2, group)?;
        if !changed {
            return Ok(());
        }
    }
    Ok(())
}
