//! From our types to those of `aws-sdk-ec2`.

use aws_sdk_ec2::operation::copy_image::builders::CopyImageFluentBuilder;
use aws_sdk_ec2::operation::register_image::builders::RegisterImageFluentBuilder;
use aws_sdk_ec2::types as sdk;

use crate::publish::api::ec2::{Encrypted, Grantee, ImageCopy, Mapping, NewImage, OnTermination, Tags};

/// `RegisterImage`. What nobody chooses is said here: hvm, ENA, SR-IOV; the service's defaults are those of 2010.
pub(super) fn register(call: RegisterImageFluentBuilder, image: &NewImage) -> RegisterImageFluentBuilder {
    let specification = specification(sdk::ResourceType::Image, &image.tags);
    call.name(&image.name)
        .set_description(image.description.clone())
        .architecture(image.architecture.as_str().into())
        .virtualization_type("hvm")
        .ena_support(true)
        .sriov_net_support("simple")
        .boot_mode(image.boot_mode.as_str().into())
        .set_tpm_support(image.tpm.as_deref().map(Into::into))
        .set_uefi_data(image.uefi_data.clone())
        .set_imds_support(image.imds.as_deref().map(Into::into))
        .root_device_name(&image.root_device)
        .set_block_device_mappings(Some(image.mappings.iter().map(mapping).collect()))
        .set_tag_specifications(Some(specification.into_iter().collect()))
}

/// `CopyImage`. Tags of the source are not copied by the service: they are given.
pub(super) fn copy(call: CopyImageFluentBuilder, copy: &ImageCopy) -> CopyImageFluentBuilder {
    let specifications = [sdk::ResourceType::Image, sdk::ResourceType::Snapshot]
        .into_iter()
        .filter_map(|kind| specification(kind, &copy.tags));
    let call = call
        .name(&copy.name)
        .set_description(copy.description.clone())
        .source_image_id(&copy.image)
        .source_region(&copy.region)
        .client_token(&copy.token)
        .set_tag_specifications(Some(specifications.collect()));
    match &copy.encrypted {
        Encrypted::No => call,
        Encrypted::Key(key) => call.encrypted(true).set_kms_key_id(key.clone()),
    }
}

fn specification(kind: sdk::ResourceType, all: &Tags) -> Option<sdk::TagSpecification> {
    let specification = sdk::TagSpecification::builder().resource_type(kind).set_tags(Some(tags(all)));
    (!all.is_empty()).then(|| specification.build())
}

/// Tags.
pub(super) fn tags(tags: &Tags) -> Vec<sdk::Tag> {
    tags.iter().map(|(key, value)| sdk::Tag::builder().key(key).value(value).build()).collect()
}

/// Who may launch.
pub(super) fn grantee(who: &Grantee) -> sdk::LaunchPermission {
    let permission = sdk::LaunchPermission::builder();
    match who {
        Grantee::Everybody => permission.group(sdk::PermissionGroup::All),
        Grantee::Account(account) => permission.user_id(account),
        Grantee::Organization(arn) => permission.organization_arn(arn),
        Grantee::OrganizationalUnit(arn) => permission.organizational_unit_arn(arn),
    }
    .build()
}

fn mapping(mapping: &Mapping) -> sdk::BlockDeviceMapping {
    let told = sdk::BlockDeviceMapping::builder().device_name(&mapping.device);
    if let Some(name) = &mapping.virtual_name {
        return told.virtual_name(name).build();
    }
    let number = |number: Option<u64>| number.and_then(|number| i32::try_from(number).ok());
    let volume = sdk::EbsBlockDevice::builder()
        .set_snapshot_id(mapping.snapshot.clone())
        .set_volume_size(number(mapping.size))
        .set_volume_type(mapping.volume_type.as_deref().map(Into::into))
        .set_iops(number(mapping.iops))
        .set_throughput(number(mapping.throughput))
        .delete_on_termination(mapping.on_termination == OnTermination::Delete)
        // Beside a snapshot the service takes no word on encryption, not even the right one.
        .set_encrypted((mapping.snapshot.is_none() && mapping.encrypted.is_on()).then_some(true));
    told.ebs(volume.build()).build()
}
