//! The block device mappings of an image: parsed from a request, checked against the limits of volumes, and
//! written to responses.
//!
//! Limits of volume types as in the EBS user guide. The caller provides the properties of snapshots.

use super::errors::Ec2Error;
use super::params::Params;
use super::volume_limits;
use crate::services::xml::Xml;
use crate::state::device::{BlockDeviceMapping, DeviceKind, EbsVolume};

/// The properties of a snapshot that a mapping depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MappingSource {
    /// The size in GiB.
    pub(crate) size: i64,
    /// Whether the snapshot is encrypted.
    pub(crate) encrypted: bool,
}

impl BlockDeviceMapping {
    /// Writes the mapping as an `item` of `blockDeviceMapping`.
    pub(crate) fn write_xml(&self, xml: &mut Xml) {
        xml.value("deviceName", &self.device);
        match &self.target {
            DeviceKind::Ephemeral(name) => xml.value("virtualName", name),
            DeviceKind::Nothing => xml.value("noDevice", ""),
            DeviceKind::Ebs(ebs) => xml.element("ebs", |xml| ebs.write_xml(xml)),
        }
    }
}

impl EbsVolume {
    fn write_xml(&self, xml: &mut Xml) {
        xml.optional("snapshotId", self.snapshot.as_ref());
        xml.value("volumeSize", self.volume.size);
        xml.value("deleteOnTermination", self.delete_on_termination);
        xml.value("volumeType", self.volume.kind.name());
        xml.optional("iops", self.volume.iops);
        xml.optional("throughput", self.volume.throughput);
        xml.value("encrypted", self.encrypted);
        xml.optional("kmsKeyId", self.kms_key.as_ref());
        xml.optional("outpostArn", self.outpost.as_ref());
        xml.optional("availabilityZone", self.zone.as_ref());
        xml.optional("AvailabilityZoneId", self.zone_id.as_ref());
        xml.optional("VolumeInitializationRate", self.initialization_rate);
        xml.optional("EbsCardIndex", self.card);
    }
}

/// Parses `BlockDeviceMapping.n`. `source` finds a snapshot or returns the reason why it cannot be used.
pub(crate) fn read(
    params: &Params<'_>,
    source: impl Fn(&str) -> Result<MappingSource, Ec2Error>,
) -> Result<Vec<BlockDeviceMapping>, Ec2Error> {
    let mut mappings: Vec<BlockDeviceMapping> = Vec::new();
    for entry in params.list("BlockDeviceMapping") {
        let device = entry.required("DeviceName")?.to_owned();
        let target = target(&entry, &source)?;
        if mappings.iter().any(|other| other.device == device) {
            return Err(wrong(format!("Invalid device name {device}: it is mapped more than once")));
        }
        mappings.push(BlockDeviceMapping { device, target });
    }
    Ok(mappings)
}

fn target(
    entry: &Params<'_>,
    source: &impl Fn(&str) -> Result<MappingSource, Ec2Error>,
) -> Result<DeviceKind, Ec2Error> {
    let nothing = entry.text("NoDevice");
    let ephemeral = entry.non_empty("VirtualName");
    let ebs = entry.structure("Ebs");
    match (ephemeral, nothing, ebs) {
        (Some(name), None, None) if is_ephemeral(name) => Ok(DeviceKind::Ephemeral(name.to_owned())),
        (Some(name), None, None) => {
            Err(Ec2Error::value("virtualName", name, "Expected 'ephemeral0' to 'ephemeral23'."))
        }
        (None, Some(_), None) => Ok(DeviceKind::Nothing),
        (None, None, Some(ebs)) => Ok(DeviceKind::Ebs(Box::new(read_ebs(&ebs, source)?))),
        (None, None, None) => {
            Err(wrong("A mapping must be of an EBS volume, a virtual name or no device".into()))
        }
        _ => Err(wrong("A mapping may be of one of an EBS volume, a virtual name and no device".into())),
    }
}

fn is_ephemeral(name: &str) -> bool {
    let number = name.strip_prefix("ephemeral").and_then(|number| number.parse::<u8>().ok());
    number.is_some_and(|number| number < 24)
}

fn read_ebs(
    ebs: &Params<'_>,
    find: &impl Fn(&str) -> Result<MappingSource, Ec2Error>,
) -> Result<EbsVolume, Ec2Error> {
    let snapshot = ebs.non_empty("SnapshotId").map(str::to_owned);
    let encrypted = ebs.boolean("Encrypted")?;
    let kms_key = ebs.non_empty("KmsKeyId").map(str::to_owned);
    if snapshot.is_some() && encrypted.is_some() {
        let message = "Parameter encrypted is invalid. You cannot specify the encrypted flag if specifying a \
                       snapshot id in a block device mapping.";
        return Err(Ec2Error::new("InvalidParameter", message));
    }
    if kms_key.is_some() && encrypted != Some(true) {
        let message = "The parameter KmsKeyId requires the parameter Encrypted to be set.";
        return Err(Ec2Error::new("InvalidParameterDependency", message));
    }
    let initialization_rate = ebs.number("VolumeInitializationRate")?;
    if let Some(rate) = initialization_rate {
        check_rate(rate, snapshot.is_some())?;
    }
    let request = volume_limits::read(ebs)?;
    let source = snapshot.as_deref().map(find).transpose()?;
    let volume = request.sized(source.as_ref().map(|source| source.size))?;
    if let (Some(id), Some(source)) = (&snapshot, &source)
        && volume.size < source.size
    {
        return Err(wrong(format!(
            "Volume of size {}GB is smaller than snapshot '{id}', expect size>= {}GB",
            volume.size, source.size
        )));
    }
    Ok(EbsVolume {
        encrypted: source.map_or(encrypted.unwrap_or(false), |source| source.encrypted),
        snapshot,
        volume,
        delete_on_termination: ebs.boolean("DeleteOnTermination")?.unwrap_or(true),
        kms_key,
        initialization_rate,
        card: ebs.number("EbsCardIndex")?,
        outpost: ebs.non_empty("OutpostArn").map(str::to_owned),
        zone: ebs.non_empty("AvailabilityZone").map(str::to_owned),
        zone_id: ebs.non_empty("AvailabilityZoneId").map(str::to_owned),
    })
}

fn check_rate(rate: i64, from_snapshot: bool) -> Result<(), Ec2Error> {
    if !from_snapshot {
        let message = "The parameter volumeInitializationRate requires the parameter snapshotId to be set.";
        return Err(Ec2Error::new("InvalidParameterDependency", message));
    }
    if !(100..=300).contains(&rate) {
        return Err(Ec2Error::value("volumeInitializationRate", &rate.to_string(), "Expected 100 to 300."));
    }
    Ok(())
}

pub(super) fn wrong(message: String) -> Ec2Error {
    Ec2Error::new("InvalidBlockDeviceMapping", message)
}
