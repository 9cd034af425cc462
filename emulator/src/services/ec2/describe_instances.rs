//! `DescribeInstances`: selection by id and filters, with pagination.

use std::sync::Arc;

use super::call::Ec2Call;
use super::errors::Ec2Error;
use super::filter::{self, FieldValue};
use super::image_xml::whole_seconds;
use super::instance_xml::{self, write_instance};
use super::pagination::{PageLimits, PageRequest};
use crate::services::xml::Xml;
use crate::state::instance::InstanceRecord;

const LIMITS: PageLimits = PageLimits { min: 5, max: 1000, default: None };

/// The filters of the documentation besides `tag:KEY` and `tag-key`, one per line. Those for fields that no instance
/// of the local region has match none.
const FILTERS: &str = include_str!("instance_filters.txt");

impl Ec2Call<'_> {
    /// Finds an instance of the account.
    pub(crate) fn instance(&self, id: &str) -> Result<Arc<InstanceRecord>, Ec2Error> {
        let digits = id.strip_prefix("i-").unwrap_or_default();
        if !matches!(digits.len(), 8 | 17) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(Ec2Error::new("InvalidInstanceID.Malformed", format!("Invalid id: \"{id}\"")));
        }
        let instance = self.region.instances.find(id).filter(|instance| self.shows(instance));
        instance.ok_or_else(|| {
            Ec2Error::new("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist"))
        })
    }

    /// The instances with these ids, all of which have to exist.
    pub(crate) fn named_instances(&self, ids: &[&str]) -> Result<Vec<Arc<InstanceRecord>>, Ec2Error> {
        let mut instances = ids.iter().map(|id| self.instance(id)).collect::<Result<Vec<_>, _>>()?;
        instances.sort_by(|a, b| a.id.cmp(&b.id));
        instances.dedup_by(|a, b| a.id == b.id);
        Ok(instances)
    }

    /// Whether an instance is the account's and still described.
    pub(super) fn shows(&self, instance: &InstanceRecord) -> bool {
        instance.owner == self.account
            && self.is_visible(instance.launched)
            && !instance.is_forgotten(self.now)
    }
}

/// `DescribeInstances`.
pub(crate) fn describe(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let ids = params.text_list("InstanceId");
    params.boolean("IncludeManagedResources")?;
    let known = |name: &str| FILTERS.lines().any(|known| known == name) || filter::is_tag_filter(name);
    let filters = filter::read(&params, known)?;
    if !ids.is_empty() && PageRequest::is_sized(&params) {
        let message = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(Ec2Error::combination(message));
    }
    let page = PageRequest::read(&params, LIMITS)?;
    let named = if ids.is_empty() { None } else { Some(call.named_instances(&ids)?) };
    call.commit()?;
    let mut instances = named.unwrap_or_else(|| {
        let all = call.region.instances.all().into_iter().map(|(_, instance)| instance);
        all.filter(|instance| call.shows(instance)).collect()
    });
    instances.retain(|instance| filter::all_match(&filters, |name| field(call, instance, name)));
    instances.sort_by_cached_key(|instance| order(instance));
    let rows: Vec<_> = instances.into_iter().map(|instance| (order(&instance), instance)).collect();
    let (rows, next) = page.paginate(rows, |row| &row.0);
    let instances: Vec<_> = rows.into_iter().map(|(_, instance)| instance).collect();
    let mut xml = Xml::new();
    let reservations = instances.chunk_by(|a, b| a.reservation == b.reservation);
    xml.items("reservationSet", reservations, |xml, instances| {
        instance_xml::write_reservation(xml, instances, call.now, write_instance);
    });
    xml.optional("nextToken", next);
    Ok(xml)
}

/// The sort key: the instances of a reservation follow each other.
fn order(instance: &InstanceRecord) -> String {
    format!("{}/{:05}/{}", instance.reservation, instance.launch_index, instance.id)
}

/// The field of an instance for a filter.
pub(super) fn field(call: &Ec2Call<'_>, instance: &InstanceRecord, name: &str) -> FieldValue {
    let state = instance.state(call.now);
    match name {
        "architecture" => FieldValue::one(&instance.architecture),
        "availability-zone" => FieldValue::one(&instance.zone),
        "boot-mode" => FieldValue::maybe(instance.boot_mode.as_ref()),
        "client-token" => FieldValue::maybe(instance.token.as_ref().map(|(token, _)| token)),
        "current-instance-boot-mode" => FieldValue::one(&instance.current_boot_mode),
        "ena-support" => FieldValue::maybe(instance.ena),
        "hypervisor" => FieldValue::one("xen"),
        "image-id" => FieldValue::one(&instance.image),
        "instance-id" => FieldValue::one(&instance.id),
        "instance-state-code" => FieldValue::one(state.code()),
        "instance-state-name" => FieldValue::one(state.name()),
        "instance-type" => FieldValue::one(&instance.instance_type),
        "key-name" => FieldValue::maybe(instance.key_name.as_ref()),
        "launch-index" => FieldValue::one(instance.launch_index),
        "launch-time" => FieldValue::one(whole_seconds(instance.launched)),
        "monitoring-state" => FieldValue::one("disabled"),
        "owner-id" => FieldValue::one(&instance.owner),
        "reservation-id" => FieldValue::one(&instance.reservation),
        "root-device-name" => FieldValue::one(&instance.root_device),
        "root-device-type" => FieldValue::one("ebs"),
        "subnet-id" => FieldValue::maybe(instance.subnet.as_ref()),
        "tenancy" => FieldValue::one("default"),
        "virtualization-type" => FieldValue::one(&instance.virtualization),
        _ => filter::tag_field(name, &instance.tags),
    }
}
