//! Compares a copy with its source.

use amiforge_publish::api::ec2::{DescribedImage, DeviceMapping};
use amiforge_publish::request::KeyChoice;

/// What a copy has that its source does not, except names, ids and tags.
pub(super) fn differences(
    source: &DescribedImage,
    copy: &DescribedImage,
    encryption: &KeyChoice,
) -> Vec<String> {
    let mut all = Vec::new();
    let mut field = |name: &str, expected: Option<&str>, actual: Option<&str>| {
        if expected != actual {
            let shown = |value: Option<&str>| value.unwrap_or("none").to_owned();
            all.push(format!("{name} is {} and should be {}", shown(actual), shown(expected)));
        }
    };
    field("architecture", source.architecture.as_deref(), copy.architecture.as_deref());
    field("bootMode", source.boot_mode.as_deref(), copy.boot_mode.as_deref());
    field("tpmSupport", source.tpm.as_deref(), copy.tpm.as_deref());
    field("imdsSupport", source.imds.as_deref(), copy.imds.as_deref());
    field("rootDeviceName", source.root_device.as_deref(), copy.root_device.as_deref());
    for mapping in &source.mappings {
        let same = |other: &&DeviceMapping| other.device == mapping.device;
        let Some(copied) = copy.mappings.iter().find(same) else {
            all.push(format!("{} is missing", mapping.device));
            continue;
        };
        if copied.size != mapping.size || copied.snapshot.is_some() != mapping.snapshot.is_some() {
            let gib = |size: Option<u64>| size.map_or_else(|| "none".to_owned(), |gib| format!("{gib} GiB"));
            let (is, should) = (gib(copied.size), gib(mapping.size));
            all.push(format!("{} has {is} and should have {should}", mapping.device));
        }
        let asked = mapping.encrypted.is_on() || *encryption != KeyChoice::Account;
        if mapping.snapshot.is_some() && asked && !copied.encrypted.is_on() {
            all.push(format!("{} is not encrypted and should be", mapping.device));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> DescribedImage {
        let mapping = DeviceMapping {
            device: "/dev/xvda".to_owned(),
            snapshot: Some("snap-1".to_owned()),
            size: Some(8),
            ..DeviceMapping::default()
        };
        let tag = |key: &str| (key.to_owned(), "v".to_owned());
        DescribedImage {
            id: "ami-1".to_owned(),
            boot_mode: Some("uefi".to_owned()),
            mappings: vec![mapping],
            tags: [tag("aws:x"), tag("team")].into(),
            ..DescribedImage::default()
        }
    }

    #[test]
    fn a_copy_is_compared_with_its_source() {
        let source = image();
        assert!(differences(&source, &source, &KeyChoice::Account).is_empty());
        let mut copy = source.clone();
        copy.boot_mode = None;
        copy.mappings[0].size = Some(4);
        let all = differences(&source, &copy, &KeyChoice::Default);
        assert_eq!(
            all,
            [
                "bootMode is none and should be uefi",
                "/dev/xvda has 4 GiB and should have 8 GiB",
                "/dev/xvda is not encrypted and should be",
            ]
        );
    }
}
