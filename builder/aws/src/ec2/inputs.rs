//! Converts the types of [`amiforge_publish::api`] to inputs of EC2.

use amiforge_publish::api::ec2::{
    DeviceMapping, Encrypted, Grantee, ImageCopy, NewImage, OnTermination, Tags,
};

use super::calls::images::{CopyImage, NewLaunchPermission, NewMapping, NewVolume, RegisterImage};
use super::calls::tags::{NewTag, TagSpecification};

/// `RegisterImage`. Fixed parameters: hvm, ENA, SR-IOV; the service's defaults are those of 2010.
pub(super) fn register(image: &NewImage) -> RegisterImage {
    RegisterImage {
        name: image.name.clone(),
        description: image.description.clone(),
        architecture: image.architecture.clone(),
        virtualization: "hvm".to_owned(),
        ena: true,
        sriov: "simple".to_owned(),
        boot_mode: image.boot_mode.clone(),
        tpm: image.tpm.clone(),
        uefi_data: image.uefi_data.clone(),
        imds: image.imds.clone(),
        root_device: image.root_device.clone(),
        mappings: image.mappings.iter().map(mapping).collect(),
        tags: tag_specifications(&["image"], &image.tags),
    }
}

/// `CopyImage`. The service does not copy the tags of the source, so they are sent.
pub(super) fn copy(copy: &ImageCopy) -> CopyImage {
    let (encrypted, key) = match &copy.encrypted {
        Encrypted::No => (None, None),
        Encrypted::Key(key) => (Some(true), key.clone()),
    };
    CopyImage {
        name: copy.name.clone(),
        description: copy.description.clone(),
        image: copy.image.clone(),
        region: copy.region.clone(),
        token: copy.token.clone(),
        encrypted,
        key,
        tags: tag_specifications(&["image", "snapshot"], &copy.tags),
        within_minutes: copy.within_minutes,
    }
}

/// The same tags for several resource types. The service refuses a specification without tags.
pub(super) fn tag_specifications(kinds: &[&str], all: &Tags) -> Vec<TagSpecification> {
    if all.is_empty() {
        return Vec::new();
    }
    let specification = |kind: &&str| TagSpecification { resource_type: (*kind).to_owned(), tags: tags(all) };
    kinds.iter().map(specification).collect()
}

/// Tags.
pub(super) fn tags(tags: &Tags) -> Vec<NewTag> {
    tags.iter().map(|(key, value)| NewTag { key: key.clone(), value: value.clone() }).collect()
}

/// Converts a launch permission.
pub(super) fn grantee(who: &Grantee) -> NewLaunchPermission {
    let empty = NewLaunchPermission::default();
    match who {
        Grantee::Everybody => NewLaunchPermission { group: Some("all".to_owned()), ..empty },
        Grantee::Account(account) => NewLaunchPermission { account: Some(account.clone()), ..empty },
        Grantee::Organization(arn) => NewLaunchPermission { organization: Some(arn.clone()), ..empty },
        Grantee::OrganizationalUnit(arn) => {
            NewLaunchPermission { organizational_unit: Some(arn.clone()), ..empty }
        }
    }
}

fn mapping(mapping: &DeviceMapping) -> NewMapping {
    let plain = NewMapping { device: mapping.device.clone(), ..NewMapping::default() };
    if let Some(name) = &mapping.virtual_name {
        return NewMapping { virtual_name: Some(name.clone()), ..plain };
    }
    let volume = NewVolume {
        snapshot: mapping.snapshot.clone(),
        size: mapping.size,
        volume_type: mapping.volume_type.clone(),
        iops: mapping.iops,
        throughput: mapping.throughput,
        delete_on_termination: mapping.on_termination == OnTermination::Delete,
        // The service refuses `Encrypted` for a volume of a snapshot, even with the right value.
        encrypted: (mapping.snapshot.is_none() && mapping.encrypted.is_on()).then_some(true),
    };
    NewMapping { ebs: Some(volume), ..plain }
}
