//! `LockSnapshot`, `UnlockSnapshot` and `DescribeLockedSnapshots`.
//!
//! "Amazon EBS snapshot lock", Amazon EBS User Guide, and the API reference of the three operations: which changes each
//! state allows. Error codes are not documented and were not tried on AWS.

use std::time::Duration;

use super::call::Ec2Call;
use super::errors::Ec2Error;
use super::filter::{self, FieldValue};
use super::pagination::{PageLimits, PageRequest};
use super::params::Params;
use crate::clock::Timestamp;
use crate::services::xml::Xml;
use crate::state::snapshot::{Snapshot, Status};
use crate::state::snapshot_lock::{LockMode, LockState, SnapshotLock};

const LIMITS: PageLimits = PageLimits { min: 5, max: 1000, default: None };

/// The maximum duration of a lock in days.
const MAX_DAYS: i64 = 36_500;
/// The maximum cooling-off period in hours.
const MAX_COOL_OFF: i64 = 72;

/// The error for the deletion of a locked snapshot.
pub(crate) fn locked(id: &str) -> Ec2Error {
    Ec2Error::new("OperationNotPermitted", format!("The snapshot '{id}' is locked and cannot be deleted"))
}

/// `LockSnapshot`.
pub(crate) fn lock(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let id = params.required("SnapshotId")?;
    params.required("LockMode")?;
    let mode = match params.one_of("LockMode", &["compliance", "governance"])? {
        Some("compliance") => LockMode::Compliance,
        _ => LockMode::Governance,
    };
    let expires = expiration(call, &params)?;
    let cool_off = cool_off(&params, mode)?;
    let snapshot = call.own_snapshot(id)?;
    if snapshot.status(call.now) == Status::Error {
        let message = format!("The snapshot '{id}' is in the state error, expected pending or completed");
        return Err(Ec2Error::new("IncorrectState", message));
    }
    let before = call.region.locks.find(id).filter(|lock| lock.is_locked(call.now));
    let created = match &before {
        Some(lock) => {
            check_change(call, id, lock, (mode, expires, cool_off))?;
            // An extension in compliance mode does not begin another cooling-off period.
            if lock.state(call.now) == LockState::Compliance { lock.created } else { call.now }
        }
        None => call.now,
    };
    call.commit()?;
    let cool_off = match &before {
        Some(lock) if lock.state(call.now) == LockState::Compliance => lock.cool_off,
        _ => cool_off,
    };
    let lock = SnapshotLock { mode, created, expires, cool_off };
    call.region.locks.put(id, lock.clone())?;
    let mut xml = Xml::new();
    xml.value("snapshotId", id);
    write_lock(&mut xml, &lock, call.now);
    Ok(xml)
}

fn expiration(call: &Ec2Call<'_>, params: &Params<'_>) -> Result<Timestamp, Ec2Error> {
    let days = params.number("LockDuration")?;
    let date = params.non_empty("ExpirationDate");
    match (days, date) {
        (Some(days), None) if (1..=MAX_DAYS).contains(&days) => {
            let days = u64::try_from(days).unwrap_or(1);
            Ok(call.now.after(Duration::from_secs(days * 24 * 3600)))
        }
        (Some(days), None) => {
            Err(Ec2Error::value("LockDuration", &days.to_string(), "Expected 1 to 36500 days."))
        }
        (None, Some(date)) => Timestamp::parse(date)
            .filter(|at| *at > call.now)
            .ok_or_else(|| Ec2Error::value("ExpirationDate", date, "Expected a time in the future.")),
        (None, None) => Err(Ec2Error::missing("LockDuration or ExpirationDate")),
        (Some(_), Some(_)) => Err(Ec2Error::combination("LockDuration excludes ExpirationDate")),
    }
}

fn cool_off(params: &Params<'_>, mode: LockMode) -> Result<Option<u32>, Ec2Error> {
    match params.number("CoolOffPeriod")? {
        None => Ok(None),
        Some(_) if mode == LockMode::Governance => {
            Err(Ec2Error::combination("CoolOffPeriod requires the lock mode compliance"))
        }
        Some(hours) if (1..=MAX_COOL_OFF).contains(&hours) => Ok(u32::try_from(hours).ok()),
        Some(hours) => Err(Ec2Error::value("CoolOffPeriod", &hours.to_string(), "Expected 1 to 72 hours.")),
    }
}

/// Once the cooling-off period is over, a lock in compliance mode can only be extended.
fn check_change(
    call: &Ec2Call<'_>,
    id: &str,
    lock: &SnapshotLock,
    (mode, expires, cool_off): (LockMode, Timestamp, Option<u32>),
) -> Result<(), Ec2Error> {
    if lock.state(call.now) != LockState::Compliance {
        return Ok(());
    }
    let why = if mode != LockMode::Compliance {
        "its mode cannot be changed"
    } else if cool_off.is_some() {
        "a cooling-off period cannot be specified"
    } else if expires < lock.expires {
        "it can only be extended"
    } else {
        return Ok(());
    };
    let message = format!("The snapshot '{id}' is locked in compliance mode: {why}");
    Err(Ec2Error::new("OperationNotPermitted", message))
}

/// `UnlockSnapshot`.
pub(crate) fn unlock(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let id = call.params().required("SnapshotId")?;
    call.own_snapshot(id)?;
    let lock = call.region.locks.find(id).filter(|lock| lock.is_locked(call.now));
    let lock =
        lock.ok_or_else(|| Ec2Error::new("IncorrectState", format!("The snapshot '{id}' is not locked")))?;
    if lock.state(call.now) == LockState::Compliance {
        let message = format!("The snapshot '{id}' is locked in compliance mode and cannot be unlocked");
        return Err(Ec2Error::new("OperationNotPermitted", message));
    }
    call.commit()?;
    call.region.locks.remove(id)?;
    let mut xml = Xml::new();
    xml.value("snapshotId", id);
    Ok(xml)
}

/// `DescribeLockedSnapshots`: the snapshots of the account that are or were locked.
pub(crate) fn describe(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let ids = params.text_list("SnapshotId");
    let filters = filter::read(&params, |name| name == "lock-state")?;
    if !ids.is_empty() && PageRequest::is_sized(&params) {
        let message = "The parameter snapshotSet cannot be used with the parameter maxResults";
        return Err(Ec2Error::combination(message));
    }
    let page = PageRequest::read(&params, LIMITS)?;
    ids.iter().try_for_each(|id| call.own_snapshot(id).map(drop))?;
    call.commit()?;
    let locked = |(id, lock): (String, std::sync::Arc<SnapshotLock>)| {
        let snapshot = call.region.snapshots.find(&id).filter(|snapshot| snapshot.owner == call.account)?;
        (ids.is_empty() || ids.contains(&id.as_str())).then_some((snapshot, lock))
    };
    let mut rows: Vec<_> = call.region.locks.all().into_iter().filter_map(locked).collect();
    rows.retain(|(_, lock)| filter::all_match(&filters, |_| FieldValue::one(lock.state(call.now).name())));
    let (page_rows, next) = page.paginate(rows, |(snapshot, _)| &snapshot.id);
    let mut xml = Xml::new();
    xml.items("snapshotSet", page_rows, |xml, (snapshot, lock)| {
        write_owner(xml, &snapshot);
        write_lock(xml, &lock, call.now);
    });
    xml.optional("nextToken", next);
    Ok(xml)
}

fn write_owner(xml: &mut Xml, snapshot: &Snapshot) {
    xml.value("ownerId", &snapshot.owner);
    xml.value("snapshotId", &snapshot.id);
}

fn write_lock(xml: &mut Xml, lock: &SnapshotLock, now: Timestamp) {
    xml.value("lockState", lock.state(now).name());
    xml.value("lockDuration", lock.days());
    xml.optional("coolOffPeriod", lock.cool_off);
    xml.optional("coolOffPeriodExpiresOn", lock.cool_off_end().map(Timestamp::iso));
    xml.value("lockCreatedOn", lock.created.iso());
    xml.value("lockDurationStartTime", lock.created.iso());
    xml.value("lockExpiresOn", lock.expires.iso());
}
