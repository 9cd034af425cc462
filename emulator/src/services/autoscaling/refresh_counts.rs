//! The instances of a group as an instance refresh counts them.

use super::refresh_state::warmup;
use crate::clock::Timestamp;
use crate::state::group::{GroupRecord, RefreshRecord};

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
