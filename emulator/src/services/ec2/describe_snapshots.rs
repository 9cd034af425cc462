//! `DescribeSnapshots`: selection by id, owner, permission and filters, with pagination, and the failure
//! reason of failed snapshots.

use std::sync::Arc;

use super::call::{Ec2Call, NO_SNAPSHOT};
use super::errors::Ec2Error;
use super::filter::{self, FieldValue};
use super::owners;
use super::pagination::{PageLimits, PageRequest};
use super::settings;
use super::tags;
use crate::clock::Timestamp;
use crate::services::xml::Xml;
use crate::state::OwnerAlias;
use crate::state::account_settings::SnapshotAccess;
use crate::state::snapshot::Snapshot;

const LIMITS: PageLimits = PageLimits { min: 5, max: 1000, default: None };

/// The supported filters besides `tag:KEY` and `tag-key`.
const FILTERS: [&str; 12] = [
    "description",
    "encrypted",
    "owner-alias",
    "owner-id",
    "progress",
    "snapshot-id",
    "start-time",
    "status",
    "storage-tier",
    "transfer-type",
    "volume-id",
    "volume-size",
];

/// `DescribeSnapshots`.
pub(crate) fn describe_snapshots(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let ids = params.text_list("SnapshotId");
    let (owned, restorable) = (params.text_list("Owner"), params.text_list("RestorableBy"));
    // EC2 API Reference, `DescribeSnapshots`: accounts, `self` and `amazon`.
    owners::check(&owned, &[OwnerAlias::Amazon.name()])?;
    owners::check(&restorable, &["all"])?;
    let filters = filter::read(&params, |name| FILTERS.contains(&name) || filter::is_tag_filter(name))?;
    if !ids.is_empty() && PageRequest::is_sized(&params) {
        let message = "The parameter snapshotSet cannot be used with the parameter maxResults";
        return Err(Ec2Error::combination(message));
    }
    let page = PageRequest::read(&params, LIMITS)?;
    call.region.snapshots.cancel_idle(call.now, &call.state.config.windows)?;
    let named = ids.iter().map(|id| call.snapshot(id, NO_SNAPSHOT)).collect::<Result<Vec<_>, _>>()?;
    call.commit()?;
    let mut snapshots = if ids.is_empty() { visible_snapshots(call) } else { unique(named) };
    snapshots.retain(|snapshot| in_scope(call, snapshot, &owned, &restorable));
    snapshots.retain(|snapshot| filter::all_match(&filters, |name| field(call, snapshot, name)));
    let (page_snapshots, next) = page.paginate(snapshots, |snapshot| &snapshot.id);
    let mut xml = Xml::new();
    xml.items("snapshotSet", page_snapshots, |xml, snapshot| write_xml(xml, call, &snapshot));
    xml.optional("nextToken", next);
    Ok(xml)
}

fn unique(mut named: Vec<Arc<Snapshot>>) -> Vec<Arc<Snapshot>> {
    named.sort_by(|a, b| a.id.cmp(&b.id));
    named.dedup_by(|a, b| a.id == b.id);
    named
}

/// All snapshots that are visible to the account.
fn visible_snapshots(call: &Ec2Call<'_>) -> Vec<Arc<Snapshot>> {
    let visible = |snapshot: &Arc<Snapshot>| {
        snapshot.readable_by(call.account)
            && call.is_visible(snapshot.start_time)
            && !is_hidden(call, snapshot)
    };
    call.region.snapshots.all().into_iter().filter(visible).collect()
}

/// Whether a public snapshot is hidden because its owner blocks all public sharing.
fn is_hidden(call: &Ec2Call<'_>, snapshot: &Snapshot) -> bool {
    let named = snapshot.owner == call.account || snapshot.shared_with.accounts.contains(call.account);
    !named && settings::sharing_of(call, &snapshot.owner).snapshots == SnapshotAccess::BlockAllSharing
}

fn in_scope(call: &Ec2Call<'_>, snapshot: &Snapshot, owned: &[&str], restorable: &[&str]) -> bool {
    let own = snapshot.owner == call.account;
    let owner = |owner: &&str| owners::names((call.state, call.account), owner, &snapshot.owner);
    let restorable_by = |by: &&str| match *by {
        "all" => snapshot.shared_with.everybody,
        "self" => own || snapshot.shared_with.accounts.contains(call.account),
        account if account == call.account => own || snapshot.shared_with.accounts.contains(account),
        account => own && snapshot.shared_with.accounts.contains(account),
    };
    (owned.is_empty() || owned.iter().any(owner))
        && (restorable.is_empty() || restorable.iter().any(restorable_by))
}

fn field(call: &Ec2Call<'_>, snapshot: &Snapshot, name: &str) -> FieldValue {
    match name {
        "description" => FieldValue::one(&snapshot.description),
        "encrypted" => FieldValue::one(snapshot.kms_key.is_some()),
        "owner-alias" => FieldValue::maybe(owner_alias(call, snapshot)),
        "owner-id" => FieldValue::one(&snapshot.owner),
        "progress" => FieldValue::one(snapshot.progress(call.now)),
        "snapshot-id" => FieldValue::one(&snapshot.id),
        "start-time" => FieldValue::one(snapshot.start_time.iso()),
        "status" => FieldValue::one(snapshot.status(call.now).as_str()),
        "storage-tier" => FieldValue::one(tier(call, snapshot)),
        "transfer-type" => FieldValue::one("standard"),
        "volume-id" => FieldValue::one(&snapshot.volume_id),
        "volume-size" => FieldValue::one(snapshot.volume_size),
        _ if snapshot.owner == call.account => filter::tag_field(name, &snapshot.tags),
        _ => FieldValue::Unknown,
    }
}

/// The alias of the owner: the list of those of snapshots has `amazon` alone (EC2 API Reference, `Snapshot`, `OwnerAlias`).
fn owner_alias(call: &Ec2Call<'_>, snapshot: &Snapshot) -> Option<&'static str> {
    let alias = call.state.accounts.alias(&snapshot.owner);
    alias.filter(|alias| *alias == OwnerAlias::Amazon).map(OwnerAlias::name)
}

fn tier(call: &Ec2Call<'_>, snapshot: &Snapshot) -> &'static str {
    call.region.tiers.find(&snapshot.id).map_or("standard", |tier| tier.tier(call.now))
}

fn write_xml(xml: &mut Xml, call: &Ec2Call<'_>, snapshot: &Snapshot) {
    xml.value("snapshotId", &snapshot.id);
    xml.value("volumeId", &snapshot.volume_id);
    xml.value("status", snapshot.status(call.now).as_str());
    xml.optional("statusMessage", snapshot.state_message(call.now));
    xml.value("startTime", snapshot.start_time.iso());
    xml.optional("completionTime", snapshot.completion_time(call.now).map(Timestamp::iso));
    xml.value("progress", snapshot.progress(call.now));
    xml.value("ownerId", &snapshot.owner);
    xml.optional("ownerAlias", owner_alias(call, snapshot));
    xml.value("volumeSize", snapshot.volume_size);
    xml.value("description", &snapshot.description);
    xml.value("encrypted", snapshot.kms_key.is_some());
    xml.optional("kmsKeyId", snapshot.kms_key.as_ref());
    xml.optional("fullSnapshotSizeInBytes", snapshot.full_size(call.now));
    xml.value("storageTier", tier(call, snapshot));
    let until = call.region.tiers.find(&snapshot.id).and_then(|tier| tier.restored_until(call.now));
    xml.optional("restoreExpiryTime", until.map(Timestamp::iso));
    xml.value("transferType", "standard");
    if snapshot.owner == call.account {
        tags::write_xml(xml, &snapshot.tags);
    }
}
