//! `ModifySnapshotTier`, `RestoreSnapshotTier` and `DescribeSnapshotTierStatus`: snapshots in the archive and back.
//!
//! "Archive Amazon EBS snapshots", Amazon EBS User Guide: a snapshot has to be completed and owned, images that use it
//! have to be disabled, and archiving it ends its sharing and its fast restores. On AWS that happens when the archival
//! completes, here when it begins. Error codes are not documented and were not tried on AWS.

use std::sync::Arc;

use super::call::Ec2Call;
use super::describe_images;
use super::errors::Ec2Error;
use super::filter::{self, FieldValue};
use super::pagination::{PageLimits, PageRequest};
use super::tags;
use crate::clock::Timestamp;
use crate::services::xml::Xml;
use crate::state::image::ImageState;
use crate::state::snapshot::{Snapshot, SnapshotShares, Status};
use crate::state::snapshot_tier::{SnapshotTier, TierOperation};

const LIMITS: PageLimits = PageLimits { min: 1, max: 1000, default: None };

/// The maximum number of days of a temporary restore.
const MAX_DAYS: i64 = 180;

/// The supported filters.
const FILTERS: [&str; 3] = ["last-tiering-operation", "snapshot-id", "volume-id"];

/// The error for a snapshot that is archived and not restored.
pub(crate) fn archived(id: &str) -> Ec2Error {
    let message = format!("The snapshot '{id}' is archived. It has to be restored before it can be used.");
    Ec2Error::new("IncorrectState", message)
}

/// `ModifySnapshotTier`.
pub(crate) fn archive(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let id = params.required("SnapshotId")?;
    params.one_of("StorageTier", &["archive"])?;
    let snapshot = call.own_snapshot(id)?;
    check_archive(call, &snapshot)?;
    call.commit()?;
    let (done, failure) = outcome(call);
    let tier =
        SnapshotTier { operation: TierOperation::Archive, started: call.now, done, failure, archived: done };
    call.region.tiers.put(id, tier)?;
    call.region.disable_fast_restores(id, call.now)?;
    call.region.snapshots.edit(id, |snapshot| {
        snapshot.shared_with = SnapshotShares::default();
        Ok::<_, Ec2Error>(())
    })?;
    let mut xml = Xml::new();
    xml.value("snapshotId", id);
    xml.value("tieringStartTime", call.now.iso());
    Ok(xml)
}

/// When an operation on the tier completes, and why it fails then.
fn outcome(call: &Ec2Call<'_>) -> (Timestamp, Option<String>) {
    let failure = call.fail_async.then(|| "The operation failed on purpose.".to_owned());
    (call.now.after(call.state.config.windows.task), failure)
}

fn check_archive(call: &Ec2Call<'_>, snapshot: &Snapshot) -> Result<(), Ec2Error> {
    let id = &snapshot.id;
    if snapshot.status(call.now) != Status::Completed {
        let message = format!("The snapshot '{id}' is not in the state completed");
        return Err(Ec2Error::new("IncorrectState", message));
    }
    if let Some(tier) = call.region.tiers.find(id)
        && (tier.is_busy(call.now) || tier.tier(call.now) == "archive")
    {
        let message = format!("The snapshot '{id}' is archived already, or is being archived or restored");
        return Err(Ec2Error::new("IncorrectState", message));
    }
    let enabled = describe_images::images_using(call, id).into_iter().find(|image| {
        let image = call.region.images.find(image);
        image.is_some_and(|image| image.state(call.now) != ImageState::Disabled)
    });
    match enabled {
        Some(image) => {
            let message = format!("The snapshot '{id}' is in use by {image}, which is not disabled");
            Err(Ec2Error::new("InvalidSnapshot.InUse", message))
        }
        None => Ok(()),
    }
}

/// `RestoreSnapshotTier`: restores, or changes the period of a temporary restore.
pub(crate) fn restore(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let id = params.required("SnapshotId")?;
    let permanent = params.boolean("PermanentRestore")?.unwrap_or(false);
    let operation = match (params.number("TemporaryRestoreDays")?, permanent) {
        (None, true) => TierOperation::PermanentRestore,
        (Some(days), false) if (1..=MAX_DAYS).contains(&days) => {
            TierOperation::TemporaryRestore(u32::try_from(days).unwrap_or(1))
        }
        (Some(days), false) => {
            return Err(Ec2Error::value(
                "TemporaryRestoreDays",
                &days.to_string(),
                "Expected 1 to 180 days.",
            ));
        }
        (Some(_), true) => {
            return Err(Ec2Error::combination("TemporaryRestoreDays excludes PermanentRestore"));
        }
        (None, false) => return Err(Ec2Error::missing("TemporaryRestoreDays or PermanentRestore")),
    };
    call.own_snapshot(id)?;
    let tier = call.region.tiers.find(id).filter(|tier| tier.tier(call.now) == "archive");
    let tier = tier.filter(|tier| !tier.is_busy(call.now)).ok_or_else(|| {
        let message = format!("The snapshot '{id}' is not archived, or is being archived or restored");
        Ec2Error::new("IncorrectState", message)
    })?;
    call.commit()?;
    // The period of a snapshot that is restored already is changed at once.
    let (done, failure) = if tier.is_usable(call.now) { (call.now, None) } else { outcome(call) };
    let changed = SnapshotTier { operation, started: call.now, done, failure, archived: tier.archived };
    call.region.tiers.put(id, changed)?;
    let mut xml = Xml::new();
    xml.value("snapshotId", id);
    xml.value("restoreStartTime", call.now.iso());
    if let TierOperation::TemporaryRestore(days) = operation {
        xml.value("restoreDuration", days);
    }
    xml.value("isPermanentRestore", permanent);
    Ok(xml)
}

/// `DescribeSnapshotTierStatus`: all snapshots of the account.
pub(crate) fn describe(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let known = |name: &str| FILTERS.contains(&name) || filter::is_tag_filter(name);
    let filters = filter::read(&params, known)?;
    let page = PageRequest::read(&params, LIMITS)?;
    call.commit()?;
    let tier = |snapshot: &Snapshot| call.region.tiers.find(&snapshot.id);
    let field = |snapshot: &Snapshot, name: &str| match name {
        "snapshot-id" => FieldValue::one(&snapshot.id),
        "volume-id" => FieldValue::one(&snapshot.volume_id),
        "last-tiering-operation" => FieldValue::maybe(tier(snapshot).map(|tier| tier.status(call.now))),
        name => filter::tag_field(name, &snapshot.tags),
    };
    let mut snapshots = call.region.snapshots.all();
    snapshots.retain(|snapshot| snapshot.owner == call.account && call.is_visible(snapshot.start_time));
    snapshots.retain(|snapshot| filter::all_match(&filters, |name| field(snapshot, name)));
    let (page_snapshots, next) = page.paginate(snapshots, |snapshot| &snapshot.id);
    let mut xml = Xml::new();
    xml.items("snapshotTierStatusSet", page_snapshots, |xml, snapshot| {
        write_status(xml, call, &snapshot, tier(&snapshot));
    });
    xml.optional("nextToken", next);
    Ok(xml)
}

fn write_status(xml: &mut Xml, call: &Ec2Call<'_>, snapshot: &Snapshot, tier: Option<Arc<SnapshotTier>>) {
    let now = call.now;
    xml.value("snapshotId", &snapshot.id);
    xml.value("volumeId", &snapshot.volume_id);
    xml.value("status", snapshot.status(now).as_str());
    xml.value("ownerId", &snapshot.owner);
    tags::write_xml(xml, &snapshot.tags);
    let Some(tier) = tier else {
        xml.value("storageTier", "standard");
        return;
    };
    xml.value("storageTier", tier.tier(now));
    xml.value("lastTieringStartTime", tier.started.iso());
    xml.value("lastTieringProgress", tier.percentage(now));
    xml.value("lastTieringOperationStatus", tier.status(now));
    let detail = tier.failure.as_ref().filter(|_| !tier.is_busy(now));
    xml.optional("lastTieringOperationStatusDetail", detail);
    if tier.tier(now) == "archive" {
        xml.value("archivalCompleteTime", tier.archived.iso());
    }
    xml.optional("restoreExpiryTime", tier.restored_until(now).map(Timestamp::iso));
}
