//! The XML form of instances and reservations.

use std::sync::Arc;

use super::image_xml::whole_seconds;
use super::tags;
use crate::clock::Timestamp;
use crate::services::xml::Xml;
use crate::state::instance::{InstanceRecord, InstanceState};

/// Writes a reservation with its instances; they share reservation and owner.
pub(crate) fn write_reservation(
    xml: &mut Xml,
    instances: &[Arc<InstanceRecord>],
    now: Timestamp,
    write: impl Fn(&mut Xml, &InstanceRecord, Timestamp),
) {
    if let Some(first) = instances.first() {
        xml.value("reservationId", &first.reservation);
        xml.value("ownerId", &first.owner);
    }
    xml.element("groupSet", |_| {});
    xml.items("instancesSet", instances, |xml, instance| write(xml, instance, now));
}

/// Writes a state.
pub(crate) fn write_state(xml: &mut Xml, name: &str, state: InstanceState) {
    xml.element(name, |xml| {
        xml.value("code", state.code());
        xml.value("name", state.name());
    });
}

/// Writes an instance as an `item` of `instancesSet`.
pub(crate) fn write_instance(xml: &mut Xml, instance: &InstanceRecord, now: Timestamp) {
    let state = instance.state(now);
    xml.value("instanceId", &instance.id);
    xml.value("imageId", &instance.image);
    write_state(xml, "instanceState", state);
    xml.value("privateDnsName", "");
    xml.value("dnsName", "");
    let reason = match state {
        InstanceState::Stopping
        | InstanceState::Stopped
        | InstanceState::ShuttingDown
        | InstanceState::Terminated => "User initiated",
        _ => "",
    };
    xml.value("reason", reason);
    xml.optional("keyName", instance.key_name.as_ref());
    xml.value("amiLaunchIndex", instance.launch_index);
    xml.element("productCodes", |_| {});
    xml.value("instanceType", &instance.instance_type);
    xml.value("launchTime", whole_seconds(instance.launched));
    xml.element("placement", |xml| {
        xml.value("availabilityZone", &instance.zone);
        xml.value("groupName", "");
        xml.value("tenancy", "default");
    });
    xml.element("monitoring", |xml| xml.value("state", "disabled"));
    xml.optional("subnetId", instance.subnet.as_ref());
    xml.value("architecture", &instance.architecture);
    xml.value("rootDeviceType", "ebs");
    xml.value("rootDeviceName", &instance.root_device);
    xml.element("blockDeviceMapping", |_| {});
    xml.value("virtualizationType", &instance.virtualization);
    xml.optional("clientToken", instance.token.as_ref().map(|(token, _)| token));
    tags::write_xml(xml, &instance.tags);
    xml.value("hypervisor", "xen");
    xml.optional("enaSupport", instance.ena);
    xml.optional("bootMode", instance.boot_mode.as_ref());
    xml.value("currentInstanceBootMode", &instance.current_boot_mode);
    xml.value("platformDetails", "Linux/UNIX");
    xml.value("usageOperation", "RunInstances");
}
