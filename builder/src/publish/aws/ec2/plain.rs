//! From the types of `aws-sdk-ec2` to ours.

use aws_sdk_ec2::types as sdk;

use crate::publish::api::ec2::{Encrypted, Grantee, Image, Mapping, OnTermination};

/// An image.
pub(super) fn image(told: sdk::Image) -> Image {
    let tags = told.tags.unwrap_or_default().into_iter();
    Image {
        id: told.image_id.unwrap_or_default(),
        name: told.name,
        state: told.state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
        state_reason: told.state_reason.and_then(|reason| reason.message.or(reason.code)),
        owner: told.owner_id,
        created: told.creation_date,
        description: told.description.filter(|text| !text.is_empty()),
        architecture: told.architecture.map(|word| word.as_str().to_owned()),
        virtualization: told.virtualization_type.map(|word| word.as_str().to_owned()),
        boot_mode: told.boot_mode.map(|word| word.as_str().to_owned()),
        tpm: told.tpm_support.map(|word| word.as_str().to_owned()),
        imds: told.imds_support.map(|word| word.as_str().to_owned()),
        ena: told.ena_support,
        sriov: told.sriov_net_support.filter(|word| !word.is_empty()),
        root_device: told.root_device_name,
        mappings: told.block_device_mappings.unwrap_or_default().into_iter().map(mapping).collect(),
        public: told.public,
        deprecation_time: told.deprecation_time.filter(|time| !time.is_empty()),
        deregistration_protection: told.deregistration_protection,
        source_image: told.source_image_id,
        source_region: told.source_image_region,
        tags: tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect(),
    }
}

fn mapping(told: sdk::BlockDeviceMapping) -> Mapping {
    let mapping = Mapping {
        device: told.device_name.unwrap_or_default(),
        virtual_name: told.virtual_name,
        ..Mapping::default()
    };
    let Some(volume) = told.ebs else { return mapping };
    let number = |number: Option<i32>| number.and_then(|number| u64::try_from(number).ok());
    Mapping {
        snapshot: volume.snapshot_id.filter(|id| !id.is_empty()),
        size: number(volume.volume_size),
        volume_type: volume.volume_type.map(|word| word.as_str().to_owned()),
        iops: number(volume.iops),
        throughput: number(volume.throughput),
        on_termination: match volume.delete_on_termination {
            Some(false) => OnTermination::Keep,
            _ => OnTermination::Delete,
        },
        encrypted: if volume.encrypted == Some(true) {
            Encrypted::Key(volume.kms_key_id)
        } else {
            Encrypted::No
        },
        ..mapping
    }
}

/// Who may launch; nothing for a kind of grantee that we do not know.
pub(super) fn grantee(told: sdk::LaunchPermission) -> Option<Grantee> {
    if told.group.is_some_and(|group| group == sdk::PermissionGroup::All) {
        return Some(Grantee::Everybody);
    }
    let account = told.user_id.map(Grantee::Account);
    let organization = || told.organization_arn.map(Grantee::Organization);
    account.or_else(organization).or_else(|| told.organizational_unit_arn.map(Grantee::OrganizationalUnit))
}
