//! Converts outputs of EC2 to the types of [`amiforge_publish::api`].

use amiforge_publish::api::ec2::{
    DescribedImage, DeviceMapping, Encrypted, Grantee, OnTermination, Tags, Watermark,
};
use amiforge_publish::api::{DescribedSnapshot, SnapshotState, Tier};

use super::calls::images::{self, LaunchPermission};
use super::calls::snapshots;

/// An image.
pub(super) fn image(image: images::Image) -> DescribedImage {
    DescribedImage {
        id: image.id.unwrap_or_default(),
        name: image.name,
        state: image.state.unwrap_or_default(),
        state_reason: image.state_reason.and_then(|reason| reason.message.or(reason.code)),
        owner: image.owner,
        product_codes: image.product_codes.into_iter().filter_map(|code| code.id).collect(),
        created: image.created,
        description: image.description.filter(|text| !text.is_empty()),
        architecture: image.architecture,
        virtualization: image.virtualization,
        boot_mode: image.boot_mode,
        tpm: image.tpm,
        imds: image.imds,
        ena: image.ena,
        sriov: image.sriov.filter(|value| !value.is_empty()),
        root_device: image.root_device,
        mappings: image.mappings.into_iter().map(mapping).collect(),
        public: image.public,
        deprecation_time: image.deprecation_time.filter(|time| !time.is_empty()),
        deregistration_protection: image.deregistration_protection,
        source_image: image.source,
        source_region: image.source_region,
        watermarks: image.watermarks.into_iter().map(watermark).collect(),
        allowed: image.allowed,
        tags: tags(image.tags),
    }
}

fn watermark(watermark: images::ImageWatermark) -> Watermark {
    Watermark {
        key: watermark.key.unwrap_or_default(),
        source_image: watermark.source,
        source_region: watermark.source_region,
    }
}

fn mapping(mapping: images::Mapping) -> DeviceMapping {
    let plain = DeviceMapping {
        device: mapping.device.unwrap_or_default(),
        virtual_name: mapping.virtual_name,
        ..DeviceMapping::default()
    };
    let Some(volume) = mapping.ebs else { return plain };
    DeviceMapping {
        snapshot: volume.snapshot.filter(|id| !id.is_empty()),
        size: volume.size,
        volume_type: volume.kind,
        iops: volume.iops,
        throughput: volume.throughput,
        on_termination: match volume.delete_on_termination {
            Some(false) => OnTermination::Keep,
            _ => OnTermination::Delete,
        },
        encrypted: if volume.encrypted == Some(true) { Encrypted::Key(volume.key) } else { Encrypted::No },
        ..plain
    }
}

/// Converts a launch permission; `None` for an unknown kind of grantee.
pub(super) fn grantee(permission: LaunchPermission) -> Option<Grantee> {
    if permission.group.is_some_and(|group| group == "all") {
        return Some(Grantee::Everybody);
    }
    let account = permission.account.map(Grantee::Account);
    let organization = || permission.organization.map(Grantee::Organization);
    account.or_else(organization).or_else(|| permission.organizational_unit.map(Grantee::OrganizationalUnit))
}

/// A snapshot.
pub(super) fn snapshot(snapshot: snapshots::Snapshot) -> DescribedSnapshot {
    DescribedSnapshot {
        id: snapshot.id.unwrap_or_default(),
        state: match snapshot.state.as_deref() {
            Some("pending") => SnapshotState::Pending,
            Some("completed") => SnapshotState::Completed,
            Some("error") => SnapshotState::Error,
            other => SnapshotState::Other(other.unwrap_or_default().to_owned()),
        },
        state_message: snapshot.state_message.filter(|message| !message.is_empty()),
        progress: snapshot.progress,
        volume_gib: snapshot.volume_size.unwrap_or(0),
        encrypted: snapshot.encrypted.unwrap_or(false),
        kms_key: snapshot.key.filter(|key| !key.is_empty()),
        owner: snapshot.owner,
        started: snapshot.started.map_or(0, |time| time.seconds),
        tags: tags(snapshot.tags),
        tier: match snapshot.tier.as_deref() {
            Some("archive") => Tier::Archive,
            _ => Tier::Standard,
        },
    }
}

/// Tags.
pub(super) fn tags(tags: Vec<super::calls::tags::Tag>) -> Tags {
    tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect()
}
