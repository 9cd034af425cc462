//! Whether an AMI that is there is the one that is wanted: field by field, with the words of the service.

use std::fmt;

use crate::api::ec2::{DescribedImage, DeviceMapping, NewImage, OnTermination};
use crate::tags;

/// A field in which an AMI is not what is wanted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldDifference {
    /// The field, as the service names it, such as `bootMode` or `/dev/xvda volumeType`.
    pub field: String,
    /// What is wanted.
    pub wanted: String,
    /// What is there.
    pub found: String,
}

impl fmt::Display for FieldDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {} and should be {}", self.field, self.found, self.wanted)
    }
}

/// The field that says which snapshot a volume is made from.
const SNAPSHOT: &str = "snapshotId";

impl FieldDifference {
    pub(super) fn new(field: impl Into<String>, wanted: Option<&str>, found: Option<&str>) -> Self {
        let shown =
            |value: Option<&str>| value.map_or_else(|| "none".to_owned(), |value| format!("`{value}`"));
        Self { field: field.into(), wanted: shown(wanted), found: shown(found) }
    }

    /// Whether it is about which snapshot a volume is made from.
    pub(super) fn is_of_snapshot(&self) -> bool {
        self.field.ends_with(SNAPSHOT)
    }

    /// Whether it is about which snapshot the volume of a device is made from.
    pub(super) fn is_of_snapshot_of(&self, device: &str) -> bool {
        self.field.strip_prefix(device).and_then(|rest| rest.strip_prefix(' ')) == Some(SNAPSHOT)
    }
}

/// Everything that differs. UEFI variables are not in what the service describes; they are compared apart.
pub fn differences(wanted: &NewImage, found: &DescribedImage) -> Vec<FieldDifference> {
    let mut all = Vec::new();
    let mut field = |name: &str, wanted: Option<&str>, found: Option<&str>| {
        if wanted != found {
            all.push(FieldDifference::new(name, wanted, found));
        }
    };
    let ena = found.ena.map(|ena| ena.to_string());
    field("name", Some(&wanted.name), found.name.as_deref());
    field("description", wanted.description.as_deref(), found.description.as_deref());
    field("architecture", Some(&wanted.architecture), found.architecture.as_deref());
    field("virtualizationType", Some("hvm"), found.virtualization.as_deref());
    field("bootMode", Some(&wanted.boot_mode), found.boot_mode.as_deref());
    field("tpmSupport", wanted.tpm.as_deref(), found.tpm.as_deref());
    field("imdsSupport", wanted.imds.as_deref(), found.imds.as_deref());
    field("enaSupport", Some("true"), ena.as_deref());
    field("sriovNetSupport", Some("simple"), found.sriov.as_deref());
    field("rootDeviceName", Some(&wanted.root_device), found.root_device.as_deref());
    for (key, value) in wanted.tags.iter().filter(|(key, _)| key.starts_with(tags::PREFIX)) {
        // One that is missing can be set; one that says something else is of something else.
        if let Some(other) = found.tags.get(key) {
            field(&format!("tag {key}"), Some(value), Some(other));
        }
    }
    all.extend(volumes(&wanted.mappings, &found.mappings));
    all
}

fn volumes(wanted: &[DeviceMapping], found: &[DeviceMapping]) -> Vec<FieldDifference> {
    let mut all = Vec::new();
    for mapping in wanted {
        match found.iter().find(|other| other.device == mapping.device) {
            Some(other) => all.extend(volume(mapping, other)),
            None => all.push(FieldDifference::new(mapping.device.as_str(), Some("a volume"), None)),
        }
    }
    let extra = found.iter().filter(|other| wanted.iter().all(|mapping| mapping.device != other.device));
    all.extend(extra.map(|other| FieldDifference::new(other.device.as_str(), None, Some("a volume"))));
    all
}

fn volume(wanted: &DeviceMapping, found: &DeviceMapping) -> Vec<FieldDifference> {
    let mut all = Vec::new();
    let mut field = |name: &str, wanted_is: Option<&str>, found_is: Option<&str>| {
        if wanted_is != found_is {
            all.push(FieldDifference::new(format!("{} {name}", wanted.device), wanted_is, found_is));
        }
    };
    field(SNAPSHOT, wanted.snapshot.as_deref(), found.snapshot.as_deref());
    field("volumeType", wanted.volume_type.as_deref(), found.volume_type.as_deref());
    let text = |number: Option<u64>| number.map(|number| number.to_string());
    if wanted.size.is_some() {
        field("volumeSize", text(wanted.size).as_deref(), text(found.size).as_deref());
    }
    let gp3 = wanted.volume_type.as_deref() == Some("gp3");
    for (name, wanted, found, default) in
        [("iops", wanted.iops, found.iops, 3_000), ("throughput", wanted.throughput, found.throughput, 125)]
    {
        // Nothing said is the default of the type, which the service may or may not tell.
        let same = match (wanted, found) {
            (Some(wanted), found) => found == Some(wanted) || found.is_none() && gp3 && wanted == default,
            (None, Some(found)) => !gp3 || found == default,
            (None, None) => true,
        };
        if !same {
            field(name, text(wanted.or(Some(default))).as_deref(), text(found).as_deref());
        }
    }
    let kept = |mapping: &DeviceMapping| (mapping.on_termination == OnTermination::Delete).to_string();
    field("deleteOnTermination", Some(&kept(wanted)), Some(&kept(found)));
    if wanted.snapshot.is_none() && found.snapshot.is_none() {
        let encrypted = |mapping: &DeviceMapping| mapping.encrypted.is_on().to_string();
        // An account that encrypts by default encrypts an empty volume that nobody asked to.
        if wanted.encrypted.is_on() {
            field("encrypted", Some(&encrypted(wanted)), Some(&encrypted(found)));
        }
    }
    all
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::api::ec2::Tags;

    fn wanted() -> NewImage {
        let mapping = |device: &str, snapshot: Option<&str>| DeviceMapping {
            device: device.to_owned(),
            snapshot: snapshot.map(str::to_owned),
            volume_type: Some("gp3".to_owned()),
            ..DeviceMapping::default()
        };
        NewImage {
            name: "web-1".to_owned(),
            description: Some("web 1".to_owned()),
            architecture: "x86_64".to_owned(),
            boot_mode: "uefi".to_owned(),
            tpm: Some("v2.0".to_owned()),
            uefi_data: None,
            imds: Some("v2.0".to_owned()),
            root_device: "/dev/xvda".to_owned(),
            mappings: vec![mapping("/dev/xvda", Some("snap-1")), mapping("/dev/sdb", None)],
            tags: Tags::from([
                ("amiforge:manifest".to_owned(), "1".to_owned()),
                ("Name".to_owned(), "x".to_owned()),
            ]),
        }
    }

    /// What the service describes after [`wanted`] was registered.
    fn described() -> DescribedImage {
        let wanted = wanted();
        let told = |mapping: &DeviceMapping| DeviceMapping {
            size: Some(8),
            iops: Some(3000),
            throughput: Some(125),
            ..mapping.clone()
        };
        DescribedImage {
            name: Some(wanted.name),
            description: wanted.description,
            architecture: Some(wanted.architecture),
            virtualization: Some("hvm".to_owned()),
            boot_mode: Some(wanted.boot_mode),
            tpm: wanted.tpm,
            imds: wanted.imds,
            ena: Some(true),
            sriov: Some("simple".to_owned()),
            root_device: Some(wanted.root_device),
            mappings: wanted.mappings.iter().map(told).collect(),
            tags: wanted.tags,
            ..DescribedImage::default()
        }
    }

    #[test]
    fn an_image_equals_the_request_that_it_was_registered_with() {
        assert_eq!(differences(&wanted(), &described()), []);
        let mut silent = described();
        silent.mappings[0].iops = None;
        silent.mappings[0].throughput = None;
        silent.tags.remove("amiforge:manifest");
        silent.tags.insert("Name".to_owned(), "another".to_owned());
        assert_eq!(differences(&wanted(), &silent), [], "what can be mended is no difference");
    }

    #[test]
    fn every_field_that_differs_is_named() {
        type Change = fn(&mut DescribedImage);
        let changes: [(&str, Change); 16] = [
            ("name", |image| image.name = Some("y".to_owned())),
            ("description", |image| image.description = None),
            ("architecture", |image| image.architecture = Some("arm64".to_owned())),
            ("virtualizationType", |image| image.virtualization = Some("paravirtual".to_owned())),
            ("bootMode", |image| image.boot_mode = None),
            ("tpmSupport", |image| image.tpm = None),
            ("imdsSupport", |image| image.imds = None),
            ("enaSupport", |image| image.ena = Some(false)),
            ("sriovNetSupport", |image| image.sriov = None),
            ("rootDeviceName", |image| image.root_device = Some("/dev/sda1".to_owned())),
            ("tag amiforge:manifest", |image| {
                image.tags.insert("amiforge:manifest".to_owned(), "2".to_owned());
            }),
            ("/dev/xvda snapshotId", |image| image.mappings[0].snapshot = Some("snap-2".to_owned())),
            ("/dev/xvda volumeType", |image| image.mappings[0].volume_type = Some("gp2".to_owned())),
            ("/dev/xvda iops", |image| image.mappings[0].iops = Some(4000)),
            ("/dev/sdb deleteOnTermination", |image| image.mappings[1].on_termination = OnTermination::Keep),
            ("/dev/sdb", |image| {
                image.mappings.pop();
            }),
        ];
        for (field, change) in changes {
            let mut image = described();
            change(&mut image);
            let fields: Vec<_> = differences(&wanted(), &image).into_iter().map(|one| one.field).collect();
            assert_eq!(fields, [field]);
        }
        let mut image = described();
        image.mappings.push(DeviceMapping { device: "/dev/sdz".to_owned(), ..DeviceMapping::default() });
        let more = differences(&wanted(), &image);
        assert_eq!(more[0].to_string(), "/dev/sdz is `a volume` and should be none");
    }
}
