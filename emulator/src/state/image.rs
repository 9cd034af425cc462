//! A stored image. Knows no permissions of operations.

use serde::{Deserialize, Serialize};

use super::device::BlockDeviceMapping;
use super::sharing::Grants;
use super::tags::Tags;
use crate::clock::Timestamp;

/// An image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    /// `ami-` and 17 hexadecimal digits.
    pub(crate) id: String,
    /// The account that owns it: twelve digits.
    pub(crate) owner: String,
    /// The name, unique among the images of the account in the region.
    pub(crate) name: String,
    /// The location, `account/name` by default.
    pub(crate) location: String,
    /// The description given at creation.
    pub(crate) description: Option<String>,
    /// The time of creation.
    pub(crate) created: Timestamp,
    /// The properties of the machine.
    pub(crate) machine: MachineFields,
    /// The block device mappings.
    pub(crate) mappings: Vec<BlockDeviceMapping>,
    /// The tags that the owner set.
    pub(crate) tags: Tags,
    /// The accounts that may launch it besides the owner.
    pub(crate) grants: Grants,
    /// The stage of its life cycle.
    pub(crate) life: Life,
    /// The time of its deprecation.
    pub(crate) deprecated: Option<Timestamp>,
    /// The protection against deregistration.
    pub(crate) protection: Protection,
    /// The source image and region of a copy.
    pub(crate) source: Option<(String, String)>,
    /// The client token and the parameters of the request that copied it, to recognize a repeated request.
    pub(crate) token: Option<(String, String)>,
    /// The watermarks, its own and those of the images that it was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) watermarks: Vec<ImageWatermark>,
    /// The time of its last launch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_launched: Option<Timestamp>,
}

/// A watermark of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageWatermark {
    /// The account that attached it, `:`, and its name.
    pub(crate) key: String,
    /// The image that it was attached to, and its region.
    pub(crate) source: (String, String),
    /// When that image was created.
    pub(crate) source_created: Timestamp,
    /// When it was attached.
    pub(crate) created: Timestamp,
}

/// The properties of an image's machine. They are set at registration and never changed, except for `imds`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MachineFields {
    /// `x86_64`, ...
    pub(crate) architecture: String,
    /// `hvm` or `paravirtual`.
    pub(crate) virtualization: String,
    /// The name of the root device.
    pub(crate) root_device: String,
    /// `legacy-bios`, `uefi` or `uefi-preferred`.
    pub(crate) boot_mode: Option<String>,
    /// `v2.0`.
    pub(crate) tpm: Option<String>,
    /// The UEFI variable store in Base64.
    pub(crate) uefi_data: Option<String>,
    /// `v2.0`.
    pub(crate) imds: Option<String>,
    /// Whether enhanced networking (ENA) is supported.
    pub(crate) ena: Option<bool>,
    /// `simple`.
    pub(crate) sriov: Option<String>,
    /// The kernel of a paravirtual machine.
    pub(crate) kernel: Option<String>,
    /// The RAM disk of a paravirtual machine.
    pub(crate) ramdisk: Option<String>,
}

/// The stage in the life cycle of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Life {
    /// Pending until `from`, then available, or failed with a reason.
    Ready {
        /// The end of the pending state.
        from: Timestamp,
        /// The reason for the failure.
        failure: Option<String>,
    },
    /// Disabled: it cannot be launched.
    Disabled,
    /// Deregistered; its id remains known.
    Deregistered,
}

/// The protection of an image against deregistration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protection {
    /// It can be deregistered.
    Off,
    /// It cannot be deregistered.
    On,
    /// It cannot be deregistered until a day after the protection is disabled.
    OnWithCooldown,
    /// It can be deregistered from this time on.
    Until(Timestamp),
}

/// The state of an image as EC2 reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImageState {
    /// It is being copied or restored.
    Pending,
    /// It can be launched.
    Available,
    /// Its creation failed.
    Failed,
    /// It cannot be launched.
    Disabled,
    /// It is deregistered.
    Deregistered,
}

impl ImageState {
    /// The value on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Available => "available",
            Self::Failed => "failed",
            Self::Disabled => "disabled",
            Self::Deregistered => "deregistered",
        }
    }
}

impl ImageRecord {
    /// The state at a point in time.
    pub(crate) fn state(&self, now: Timestamp) -> ImageState {
        match &self.life {
            Life::Ready { from, .. } if now < *from => ImageState::Pending,
            Life::Ready { failure: None, .. } => ImageState::Available,
            Life::Ready { failure: Some(_), .. } => ImageState::Failed,
            Life::Disabled => ImageState::Disabled,
            Life::Deregistered => ImageState::Deregistered,
        }
    }

    /// The reason why its creation failed.
    pub(crate) fn failure(&self, now: Timestamp) -> Option<&str> {
        match &self.life {
            Life::Ready { from, failure: Some(why) } if now >= *from => Some(why),
            _ => None,
        }
    }

    /// The snapshots of its devices.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = &str> {
        self.mappings.iter().filter_map(BlockDeviceMapping::snapshot)
    }

    /// Whether any of its volumes is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.mappings.iter().filter_map(BlockDeviceMapping::ebs).any(|ebs| ebs.encrypted)
    }

    /// Whether it is deprecated at a point in time.
    pub(crate) fn is_deprecated(&self, now: Timestamp) -> bool {
        self.deprecated.is_some_and(|from| from <= now)
    }

    /// The state of its protection at a point in time, as EC2 reports it.
    pub(crate) fn protection_state(&self, now: Timestamp) -> &'static str {
        match self.protection {
            Protection::Until(end) if now < end => "disabled-with-cooldown",
            Protection::Off | Protection::Until(_) => "disabled",
            Protection::On => "enabled",
            Protection::OnWithCooldown => "enabled-with-cooldown",
        }
    }
}
