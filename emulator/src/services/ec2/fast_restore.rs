//! `EnableFastSnapshotRestores`, `DisableFastSnapshotRestores` and `DescribeFastSnapshotRestores`.
//!
//! "Amazon EBS fast snapshot restore", Amazon EBS User Guide: for own and shared snapshots of at most 16 TiB, per
//! availability zone and account. Each snapshot and zone succeeds or fails on its own. Error codes are not documented
//! and were not tried on AWS.

use std::sync::Arc;

use super::call::{Ec2Call, NO_SNAPSHOT};
use super::errors::Ec2Error;
use super::filter::{self, FieldValue};
use super::pagination::{PageLimits, PageRequest};
use super::params::Params;
use super::regions;
use super::snapshot_tier;
use crate::clock::Timestamp;
use crate::services::xml::Xml;
use crate::state::fast_restore::FastRestore;
use crate::state::snapshot::Status;

/// botocore's model allows 0 to 200 results; 0 is no page.
const LIMITS: PageLimits = PageLimits { min: 1, max: 200, default: Some(200) };

/// The maximum size of a snapshot in GiB.
const MAX_SIZE: u64 = 16 << 10;

/// The supported filters.
const FILTERS: [&str; 5] = ["availability-zone", "availability-zone-id", "owner-id", "snapshot-id", "state"];

/// A zone: name and id.
type Zone = (String, String);

/// The outcome of a snapshot in a zone.
struct ZoneOutcome {
    snapshot: String,
    zone: Zone,
    outcome: Result<FastRestore, Ec2Error>,
}

/// `EnableFastSnapshotRestores`.
pub(crate) fn enable(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    change(call, enable_one)
}

/// `DisableFastSnapshotRestores`.
pub(crate) fn disable(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    change(call, disable_one)
}

fn change(
    call: &Ec2Call<'_>,
    one: impl Fn(&Ec2Call<'_>, &str, &Zone) -> Result<FastRestore, Ec2Error>,
) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let snapshots = params.text_list("SourceSnapshotId");
    if snapshots.is_empty() {
        return Err(Ec2Error::missing("SourceSnapshotId"));
    }
    let zones = zones(call, &params)?;
    call.commit()?;
    let mut outcomes = Vec::new();
    for snapshot in snapshots {
        for zone in &zones {
            let outcome = one(call, snapshot, zone);
            if let Ok(restore) = &outcome {
                let key = FastRestore::table_key(call.account, snapshot, &zone.0);
                call.region.fast_restores.put(&key, restore.clone())?;
            }
            outcomes.push(ZoneOutcome { snapshot: snapshot.to_owned(), zone: zone.clone(), outcome });
        }
    }
    Ok(write_outcomes(call, &outcomes))
}

fn zones(call: &Ec2Call<'_>, params: &Params<'_>) -> Result<Vec<Zone>, Ec2Error> {
    let (names, ids) = (params.text_list("AvailabilityZone"), params.text_list("AvailabilityZoneId"));
    let requested: Vec<&str> = match (names.is_empty(), ids.is_empty()) {
        (true, true) => return Err(Ec2Error::missing("AvailabilityZone or AvailabilityZoneId")),
        (false, false) => return Err(Ec2Error::combination("AvailabilityZone excludes AvailabilityZoneId")),
        (false, true) => names,
        (true, false) => ids,
    };
    let all = regions::zones_of(&call.region.name);
    let zone = |requested: &&str| {
        let zone = all.iter().find(|(name, id)| name == requested || id == requested);
        zone.cloned()
            .ok_or_else(|| Ec2Error::value("availabilityZone", requested, "The zone does not exist."))
    };
    requested.iter().map(zone).collect()
}

fn existing(call: &Ec2Call<'_>, snapshot: &str, zone: &Zone) -> Option<Arc<FastRestore>> {
    call.region.fast_restores.find(&FastRestore::table_key(call.account, snapshot, &zone.0))
}

fn enable_one(call: &Ec2Call<'_>, id: &str, zone: &Zone) -> Result<FastRestore, Ec2Error> {
    let snapshot = call.snapshot(id, NO_SNAPSHOT)?;
    if snapshot.status(call.now) != Status::Completed {
        let message = format!("The snapshot '{id}' is not in the state completed");
        return Err(Ec2Error::new("IncorrectState", message));
    }
    if call.region.tiers.find(id).is_some_and(|tier| tier.tier(call.now) == "archive") {
        return Err(snapshot_tier::archived(id));
    }
    if snapshot.volume_size > MAX_SIZE {
        let message = format!("The snapshot '{id}' is larger than 16 TiB");
        return Err(Ec2Error::new("InvalidParameterValue", message));
    }
    // A repeated request changes nothing.
    if let Some(restore) = existing(call, id, zone).filter(|restore| restore.disabled.is_none()) {
        return Ok(FastRestore::clone(&restore));
    }
    Ok(FastRestore {
        snapshot: id.to_owned(),
        zone: zone.0.clone(),
        zone_id: zone.1.clone(),
        owner: call.account.to_owned(),
        enabled: call.now,
        disabled: None,
        duration: u64::try_from(call.state.config.windows.task.as_millis()).unwrap_or(u64::MAX),
    })
}

fn disable_one(call: &Ec2Call<'_>, id: &str, zone: &Zone) -> Result<FastRestore, Ec2Error> {
    call.snapshot(id, NO_SNAPSHOT)?;
    let restore = existing(call, id, zone).ok_or_else(|| {
        let message = format!("Fast snapshot restore of '{id}' is not enabled in {}", zone.0);
        Ec2Error::new("InvalidState", message)
    })?;
    let disabled = restore.disabled.or(Some(call.now));
    Ok(FastRestore { disabled, ..FastRestore::clone(&restore) })
}

fn write_outcomes(call: &Ec2Call<'_>, outcomes: &[ZoneOutcome]) -> Xml {
    let mut xml = Xml::new();
    let successful = outcomes.iter().filter_map(|one| one.outcome.as_ref().ok());
    xml.items("successful", successful, |xml, restore| write_xml(xml, restore, call.now));
    let failed = outcomes.iter().filter_map(|one| Some((one, one.outcome.as_ref().err()?)));
    xml.items("unsuccessful", failed, |xml, (one, error)| {
        xml.value("snapshotId", &one.snapshot);
        xml.items("fastSnapshotRestoreStateErrorSet", [error], |xml, error| {
            xml.value("availabilityZone", &one.zone.0);
            xml.value("availabilityZoneId", &one.zone.1);
            xml.element("error", |xml| {
                xml.value("code", &error.code);
                xml.value("message", &error.message);
            });
        });
    });
    xml
}

fn write_xml(xml: &mut Xml, restore: &FastRestore, now: Timestamp) {
    let (times, state) = (restore.times(now), restore.state(now));
    let reason = match state {
        "enabling" | "disabling" => "Client.UserInitiated",
        _ => "Client.UserInitiated - Lifecycle state transition",
    };
    xml.value("snapshotId", &restore.snapshot);
    xml.value("availabilityZone", &restore.zone);
    xml.value("availabilityZoneId", &restore.zone_id);
    xml.value("state", state);
    xml.value("stateTransitionReason", reason);
    xml.value("ownerId", &restore.owner);
    xml.value("enablingTime", times.enabling.iso());
    xml.optional("optimizingTime", times.optimizing.map(Timestamp::iso));
    xml.optional("enabledTime", times.enabled.map(Timestamp::iso));
    xml.optional("disablingTime", times.disabling.map(Timestamp::iso));
    xml.optional("disabledTime", times.disabled.map(Timestamp::iso));
}

/// `DescribeFastSnapshotRestores`: those that the account enabled.
pub(crate) fn describe(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let filters = filter::read(&params, |name| FILTERS.contains(&name))?;
    let page = PageRequest::read(&params, LIMITS)?;
    call.commit()?;
    let field = |restore: &FastRestore, name: &str| match name {
        "availability-zone" => FieldValue::one(&restore.zone),
        "availability-zone-id" => FieldValue::one(&restore.zone_id),
        "owner-id" => FieldValue::one(&restore.owner),
        "snapshot-id" => FieldValue::one(&restore.snapshot),
        _ => FieldValue::one(restore.state(call.now)),
    };
    let mut rows = call.region.fast_restores.all();
    rows.retain(|(_, restore)| restore.owner == call.account);
    rows.retain(|(_, restore)| filter::all_match(&filters, |name| field(restore, name)));
    let (page_rows, next) = page.paginate(rows, |(key, _)| key);
    let mut xml = Xml::new();
    xml.items("fastSnapshotRestoreSet", page_rows, |xml, (_, restore)| write_xml(xml, &restore, call.now));
    xml.optional("nextToken", next);
    Ok(xml)
}
