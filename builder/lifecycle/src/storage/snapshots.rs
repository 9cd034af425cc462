//! Locks, storage tiers and fast restores of snapshots: each reads first, changes what differs, and reads back.

use std::time::Duration;

use amiforge_publish::ami::{AmiRegion, service_error};
use amiforge_publish::api::ec2::{ImageOwner, ImageQuery, QueryFilter};
use amiforge_publish::service_error::ServiceErrorKind;
use serde::Serialize;

use super::StorageError;
use crate::api::storage::{
    FastRestore, FastRestoreChange, NewLock, RestorePeriod, SnapshotLock, StorageCalls, TierStatus,
};

/// First and longest interval between two polls.
const INTERVALS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// How long the service may report the state of before.
const READ_BACK: Duration = Duration::from_mins(1);

/// A snapshot after a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotReport {
    /// The region.
    pub region: String,
    /// The snapshot.
    pub snapshot_id: String,
    /// Whether this run changed it.
    pub changed: bool,
    /// Its lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<SnapshotLock>,
    /// Its storage tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<TierStatus>,
    /// Its fast restores.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fast_restores: Vec<FastRestore>,
}

/// Whether to wait until the service is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Only until the work has begun.
    None,
    /// Until it is done, at most this long.
    UntilDone(Duration),
}

/// The snapshots that a name means: itself, or those of an image.
///
/// # Errors
/// [`StorageError::NoImage`], [`StorageError::Ami`].
pub async fn snapshots_of<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    name: &str,
) -> Result<Vec<String>, StorageError> {
    if !name.starts_with("ami-") {
        return Ok(vec![name.to_owned()]);
    }
    let missing = || StorageError::NoImage { image: name.to_owned(), region: region.name.to_owned() };
    Ok(region.find_image(name).await?.ok_or_else(missing)?.snapshots())
}

fn report<C>(region: &AmiRegion<'_, C>, snapshot: &str, changed: bool) -> SnapshotReport {
    SnapshotReport {
        region: region.name.to_owned(),
        snapshot_id: snapshot.to_owned(),
        changed,
        ..SnapshotReport::default()
    }
}

async fn current_lock<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    snapshot: &str,
) -> Result<Option<SnapshotLock>, StorageError> {
    let action = format!("asking whether {snapshot} is locked");
    let lock = region.call(&action, || region.ec2.snapshot_lock(snapshot)).await?;
    Ok(lock.filter(|lock| lock.state != "expired"))
}

/// Locks a snapshot against deletion, or changes its lock.
///
/// # Errors
/// [`StorageError::Ami`]; [`StorageError::SnapshotState`] when the lock does not appear.
pub async fn lock<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    snapshot: &str,
    lock: &NewLock,
) -> Result<SnapshotReport, StorageError> {
    let action = format!("locking {snapshot}");
    region.call(&action, || region.ec2.lock_snapshot(snapshot, lock)).await?;
    let locked = |lock: Option<&SnapshotLock>| lock.is_some();
    let lock = lock_read_back(region, snapshot, locked, "is not locked although it was just locked").await?;
    Ok(SnapshotReport { lock, ..report(region, snapshot, true) })
}

/// Removes the lock of a snapshot; one that is not locked is left alone.
///
/// # Errors
/// [`StorageError::SnapshotState`] for a lock in compliance mode whose cooling-off period is over;
/// [`StorageError::Ami`].
pub async fn unlock<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    snapshot: &str,
) -> Result<SnapshotReport, StorageError> {
    let Some(lock) = current_lock(region, snapshot).await? else {
        return Ok(report(region, snapshot, false));
    };
    if lock.state == "compliance" {
        let until = lock.expires.unwrap_or_default();
        let reason = format!("is locked in compliance mode until {until}, and cannot be unlocked before");
        return Err(state(region, snapshot, reason));
    }
    let action = format!("unlocking {snapshot}");
    match region.call(&action, || region.ec2.unlock_snapshot(snapshot)).await {
        Ok(()) => {}
        // A lost response, or another operator: it is unlocked.
        Err(_) if current_lock(region, snapshot).await?.is_none() => {}
        Err(error) => return Err(error.into()),
    }
    let unlocked = |lock: Option<&SnapshotLock>| lock.is_none();
    lock_read_back(region, snapshot, unlocked, "is locked although it was just unlocked").await?;
    Ok(report(region, snapshot, true))
}

async fn lock_read_back<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    snapshot: &str,
    expected: impl Fn(Option<&SnapshotLock>) -> bool,
    reason: &str,
) -> Result<Option<SnapshotLock>, StorageError> {
    let started = region.timer.now();
    loop {
        let lock = current_lock(region, snapshot).await?;
        if expected(lock.as_ref()) {
            return Ok(lock);
        }
        if region.timer.now().saturating_sub(started) >= READ_BACK {
            return Err(state(region, snapshot, reason.to_owned()));
        }
        region.pause(INTERVALS[0]).await?;
    }
}

fn state<C>(region: &AmiRegion<'_, C>, snapshot: &str, reason: String) -> StorageError {
    StorageError::SnapshotState { snapshot: snapshot.to_owned(), region: region.name.to_owned(), reason }
}

async fn current_tier<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    snapshot: &str,
) -> Result<TierStatus, StorageError> {
    let action = format!("asking for the tier of {snapshot}");
    let tier = region.call(&action, || region.ec2.tier_status(snapshot)).await?;
    tier.ok_or_else(|| state(region, snapshot, "does not exist, or is of another account".to_owned()))
}

fn operation(tier: &TierStatus) -> &str {
    tier.operation.as_deref().unwrap_or_default()
}

/// Moves a snapshot into the archive. The images that use it have to be disabled.
///
/// # Errors
/// [`StorageError::InUse`], [`StorageError::SnapshotState`], [`StorageError::Ami`].
pub async fn archive<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    snapshot: &str,
    waiting: Waiting,
) -> Result<SnapshotReport, StorageError> {
    let tier = current_tier(region, snapshot).await?;
    let under_way = |tier: &TierStatus| tier.tier == "archive" || operation(tier) == "archival-in-progress";
    let changed = !under_way(&tier);
    if changed {
        check_unused(region, snapshot).await?;
        let action = format!("archiving {snapshot}");
        match region.call(&action, || region.ec2.archive_snapshot(snapshot)).await {
            Ok(()) => {}
            // A lost response: the repeated call is refused because the archival is in progress.
            Err(_) if under_way(&current_tier(region, snapshot).await?) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let done = |tier: &TierStatus| tier.tier == "archive";
    let tier = until_tier(region, snapshot, waiting, done).await?;
    Ok(SnapshotReport { tier: Some(tier), ..report(region, snapshot, changed) })
}

/// Refuses a snapshot that an image uses which is not disabled.
async fn check_unused<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    snapshot: &str,
) -> Result<(), StorageError> {
    let query = ImageQuery {
        ids: Vec::new(),
        owner: ImageOwner::Own,
        filters: vec![QueryFilter::exact("block-device-mapping.snapshot-id", snapshot)],
    };
    let action = format!("looking for AMIs that use {snapshot}");
    let mut images = region.call(&action, || region.ec2.describe_images(&query)).await?;
    images.retain(|image| image.state != "disabled");
    if images.is_empty() {
        return Ok(());
    }
    let images = images.into_iter().map(|image| image.id).collect();
    Err(StorageError::InUse { snapshot: snapshot.to_owned(), region: region.name.to_owned(), images })
}

/// Restores a snapshot from the archive, or changes the period of a temporary restore.
///
/// # Errors
/// [`StorageError::SnapshotState`], [`StorageError::Ami`].
pub async fn restore<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    snapshot: &str,
    period: RestorePeriod,
    waiting: Waiting,
) -> Result<SnapshotReport, StorageError> {
    let tier = current_tier(region, snapshot).await?;
    if operation(&tier) == "archival-in-progress" {
        let reason = "is being archived, and can be restored only after that".to_owned();
        return Err(state(region, snapshot, reason));
    }
    let under_way =
        |tier: &TierStatus| tier.tier == "standard" || operation(tier).ends_with("restore-in-progress");
    let changed = !under_way(&tier);
    if changed {
        let action = format!("restoring {snapshot}");
        match region.call(&action, || region.ec2.restore_snapshot(snapshot, period)).await {
            Ok(()) => {}
            // A lost response: the repeated call is refused because the restore is in progress or done.
            Err(_) if under_way(&current_tier(region, snapshot).await?) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let done = |tier: &TierStatus| tier.tier == "standard" || tier.restored_until.is_some();
    let tier = until_tier(region, snapshot, waiting, done).await?;
    Ok(SnapshotReport { tier: Some(tier), ..report(region, snapshot, changed) })
}

/// Waits for the end of an operation, if requested.
async fn until_tier<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    snapshot: &str,
    waiting: Waiting,
    done: impl Fn(&TierStatus) -> bool,
) -> Result<TierStatus, StorageError> {
    let (started, mut interval, mut reported) = (region.timer.now(), INTERVALS[0], None);
    loop {
        let tier = current_tier(region, snapshot).await?;
        if operation(&tier).ends_with("-failed") {
            let detail = tier.detail.as_deref().unwrap_or("the service gives no reason");
            let reason = format!("is `{}`: {detail}", operation(&tier));
            return Err(state(region, snapshot, reason));
        }
        let Waiting::UntilDone(limit) = waiting else { return Ok(tier) };
        if done(&tier) && !operation(&tier).ends_with("-in-progress") {
            return Ok(tier);
        }
        if reported.replace(tier.progress) != Some(tier.progress) {
            let progress = tier.progress.unwrap_or(0);
            let line = format!("{}: {snapshot}: {}, {progress} %", region.name, operation(&tier));
            region.monitor.progress.message(&line);
        }
        let waited = region.timer.now().saturating_sub(started);
        if waited >= limit {
            let what = format!("the work on {snapshot}");
            return Err(StorageError::Unfinished { what, seconds: waited.as_secs() });
        }
        region.pause(interval).await?;
        interval = (interval * 3 / 2).min(INTERVALS[1]);
    }
}

/// The zones to use: those that are named, each of which the region must have, or all.
///
/// # Errors
/// [`StorageError::NoZone`], [`StorageError::Ami`].
pub async fn zones<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    named: &[String],
) -> Result<Vec<String>, StorageError> {
    let all = region.call("asking for the zones", || region.ec2.zones()).await?;
    match named.iter().find(|zone| !all.contains(zone)) {
        Some(zone) => Err(StorageError::NoZone { zone: zone.clone(), region: region.name.to_owned() }),
        None if named.is_empty() => Ok(all),
        None => Ok(named.to_vec()),
    }
}

/// Enables or disables fast restores of a snapshot in zones.
///
/// # Errors
/// [`StorageError::Zones`], [`StorageError::Ami`].
pub async fn fast_restore<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    snapshot: &str,
    change: FastRestoreChange,
    zones: &[String],
) -> Result<SnapshotReport, StorageError> {
    let current = fast_restores(region, snapshot).await?;
    let active = |zone: &&String| {
        let restore = current.iter().find(|restore| restore.zone == **zone);
        restore.is_some_and(|restore| !restore.state.starts_with("disabl"))
    };
    let differs = |zone: &&String| active(zone) != (change == FastRestoreChange::Enable);
    let to_change: Vec<String> = zones.iter().filter(differs).cloned().collect();
    if !to_change.is_empty() {
        let action = format!("changing the fast restores of {snapshot}");
        let failures =
            region.call(&action, || region.ec2.change_fast_restores(snapshot, change, &to_change)).await?;
        if !failures.is_empty() {
            return Err(StorageError::Zones { snapshot: snapshot.to_owned(), failures });
        }
    }
    let fast_restores = fast_restores(region, snapshot).await?;
    Ok(SnapshotReport { fast_restores, ..report(region, snapshot, !to_change.is_empty()) })
}

/// The fast restores of a snapshot, in all zones.
///
/// # Errors
/// [`StorageError::Ami`].
pub async fn fast_restores<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    snapshot: &str,
) -> Result<Vec<FastRestore>, StorageError> {
    let action = format!("asking for the fast restores of {snapshot}");
    match region.call(&action, || region.ec2.fast_restores(snapshot)).await {
        Err(error) if service_error(&error).is_some_and(|error| error.kind == ServiceErrorKind::NotFound) => {
            Ok(Vec::new())
        }
        restores => Ok(restores?),
    }
}
