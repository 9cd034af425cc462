//! Compares an existing AMI with the requested one, field by field and with the values of the service.

use std::fmt;

use crate::api::ec2::{DescribedImage, DeviceMapping, NewImage, OnTermination};
use crate::tags;

/// A field in which an AMI differs from the requested one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldDifference {
    /// The field, as the service names it, such as `bootMode` or `/dev/xvda volumeType`.
    pub field: String,
    /// The requested value.
    #[serde(rename = "wanted")]
    pub expected: String,
    /// The value that the service reports.
    #[serde(rename = "found")]
    pub actual: String,
}

impl fmt::Display for FieldDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {} and should be {}", self.field, self.actual, self.expected)
    }
}

/// The field with the snapshot of a volume.
const SNAPSHOT: &str = "snapshotId";

impl FieldDifference {
    /// A difference between an expected and a reported value; `None` for no value.
    pub fn new(field: impl Into<String>, expected: Option<&str>, actual: Option<&str>) -> Self {
        let shown =
            |value: Option<&str>| value.map_or_else(|| "none".to_owned(), |value| format!("`{value}`"));
        Self { field: field.into(), expected: shown(expected), actual: shown(actual) }
    }

    /// Whether the difference is in the snapshot of a volume.
    pub(super) fn is_of_snapshot(&self) -> bool {
        self.field.ends_with(SNAPSHOT)
    }

    /// Whether the difference is in the snapshot of the volume of this device.
    pub(super) fn is_of_snapshot_of(&self, device: &str) -> bool {
        self.field.strip_prefix(device).and_then(|rest| rest.strip_prefix(' ')) == Some(SNAPSHOT)
    }
}

/// All differences. UEFI variables are not part of `DescribeImages`; they are compared separately.
pub fn differences(expected: &NewImage, actual: &DescribedImage) -> Vec<FieldDifference> {
    let mut all = Vec::new();
    let mut field = |name: &str, expected: Option<&str>, actual: Option<&str>| {
        if expected != actual {
            all.push(FieldDifference::new(name, expected, actual));
        }
    };
    let ena = actual.ena.map(|ena| ena.to_string());
    field("name", Some(&expected.name), actual.name.as_deref());
    field("description", expected.description.as_deref(), actual.description.as_deref());
    field("architecture", Some(&expected.architecture), actual.architecture.as_deref());
    field("virtualizationType", Some("hvm"), actual.virtualization.as_deref());
    field("bootMode", Some(&expected.boot_mode), actual.boot_mode.as_deref());
    field("tpmSupport", expected.tpm.as_deref(), actual.tpm.as_deref());
    field("imdsSupport", expected.imds.as_deref(), actual.imds.as_deref());
    field("enaSupport", Some("true"), ena.as_deref());
    field("sriovNetSupport", Some("simple"), actual.sriov.as_deref());
    field("rootDeviceName", Some(&expected.root_device), actual.root_device.as_deref());
    for (key, value) in expected.tags.iter().filter(|(key, _)| key.starts_with(tags::PREFIX)) {
        // A missing tag can be added. A tag with another value means another bundle.
        if let Some(other) = actual.tags.get(key) {
            field(&format!("tag {key}"), Some(value), Some(other));
        }
    }
    all.extend(volumes(&expected.mappings, &actual.mappings));
    all
}

fn volumes(expected: &[DeviceMapping], actual: &[DeviceMapping]) -> Vec<FieldDifference> {
    let mut all = Vec::new();
    for mapping in expected {
        match actual.iter().find(|other| other.device == mapping.device) {
            Some(other) => all.extend(volume(mapping, other)),
            None => all.push(FieldDifference::new(mapping.device.as_str(), Some("a volume"), None)),
        }
    }
    let extra = actual.iter().filter(|other| expected.iter().all(|mapping| mapping.device != other.device));
    all.extend(extra.map(|other| FieldDifference::new(other.device.as_str(), None, Some("a volume"))));
    all
}

fn volume(expected: &DeviceMapping, actual: &DeviceMapping) -> Vec<FieldDifference> {
    let mut all = Vec::new();
    let mut field = |name: &str, expected_value: Option<&str>, actual_value: Option<&str>| {
        if expected_value != actual_value {
            all.push(FieldDifference::new(
                format!("{} {name}", expected.device),
                expected_value,
                actual_value,
            ));
        }
    };
    field(SNAPSHOT, expected.snapshot.as_deref(), actual.snapshot.as_deref());
    field("volumeType", expected.volume_type.as_deref(), actual.volume_type.as_deref());
    let text = |number: Option<u64>| number.map(|number| number.to_string());
    if expected.size.is_some() {
        field("volumeSize", text(expected.size).as_deref(), text(actual.size).as_deref());
    }
    let gp3 = expected.volume_type.as_deref() == Some("gp3");
    for (name, expected, actual, default) in [
        ("iops", expected.iops, actual.iops, 3_000),
        ("throughput", expected.throughput, actual.throughput, 125),
    ] {
        // An unset value is the default of the volume type, which the service may or may not report.
        let same = match (expected, actual) {
            (Some(expected), actual) => {
                actual == Some(expected) || actual.is_none() && gp3 && expected == default
            }
            (None, Some(actual)) => !gp3 || actual == default,
            (None, None) => true,
        };
        if !same {
            field(name, text(expected.or(Some(default))).as_deref(), text(actual).as_deref());
        }
    }
    let kept = |mapping: &DeviceMapping| (mapping.on_termination == OnTermination::Delete).to_string();
    field("deleteOnTermination", Some(&kept(expected)), Some(&kept(actual)));
    if expected.snapshot.is_none() && actual.snapshot.is_none() {
        let encrypted = |mapping: &DeviceMapping| mapping.encrypted.is_on().to_string();
        // An account that encrypts by default also encrypts an empty volume for which encryption was not requested.
        if expected.encrypted.is_on() {
            field("encrypted", Some(&encrypted(expected)), Some(&encrypted(actual)));
        }
    }
    all
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::api::ec2::Tags;

    fn expected() -> NewImage {
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

    /// The description of an image that was registered as [`expected`].
    fn described() -> DescribedImage {
        let expected = expected();
        let reported = |mapping: &DeviceMapping| DeviceMapping {
            size: Some(8),
            iops: Some(3000),
            throughput: Some(125),
            ..mapping.clone()
        };
        DescribedImage {
            name: Some(expected.name),
            description: expected.description,
            architecture: Some(expected.architecture),
            virtualization: Some("hvm".to_owned()),
            boot_mode: Some(expected.boot_mode),
            tpm: expected.tpm,
            imds: expected.imds,
            ena: Some(true),
            sriov: Some("simple".to_owned()),
            root_device: Some(expected.root_device),
            mappings: expected.mappings.iter().map(reported).collect(),
            tags: expected.tags,
            ..DescribedImage::default()
        }
    }

    #[test]
    fn an_image_equals_its_own_request() {
        assert_eq!(differences(&expected(), &described()), []);
        let mut silent = described();
        silent.mappings[0].iops = None;
        silent.mappings[0].throughput = None;
        silent.tags.remove("amiforge:manifest");
        silent.tags.insert("Name".to_owned(), "another".to_owned());
        assert_eq!(differences(&expected(), &silent), [], "what can be mended is no difference");
    }

    #[test]
    fn every_difference_names_its_field() {
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
            let fields: Vec<_> = differences(&expected(), &image).into_iter().map(|one| one.field).collect();
            assert_eq!(fields, [field]);
        }
        let mut image = described();
        image.mappings.push(DeviceMapping { device: "/dev/sdz".to_owned(), ..DeviceMapping::default() });
        let more = differences(&expected(), &image);
        assert_eq!(more[0].to_string(), "/dev/sdz is `a volume` and should be none");
    }
}
