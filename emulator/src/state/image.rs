//! An image as it is kept. Decides nothing about who may do what with it.

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
    /// Account.
    pub(crate) owner: String,
    /// Unique among the images of the account in the region.
    pub(crate) name: String,
    /// `account/name` unless given.
    pub(crate) location: String,
    /// Of the maker.
    pub(crate) description: Option<String>,
    /// When it was made.
    pub(crate) created: Timestamp,
    /// What the machine is like.
    pub(crate) machine: MachineFields,
    /// Devices.
    pub(crate) mappings: Vec<BlockDeviceMapping>,
    /// Of the owner.
    pub(crate) tags: Tags,
    /// Who else may launch it.
    pub(crate) grants: Grants,
    /// Where it is in its life.
    pub(crate) life: Life,
    /// From when on it is deprecated.
    pub(crate) deprecated: Option<Timestamp>,
    /// Whether it may be deregistered.
    pub(crate) protection: Protection,
    /// Image and region that it is a copy of.
    pub(crate) source: Option<(String, String)>,
    /// The token and parameters of the copy that made it: a repeated request is told from another.
    pub(crate) token: Option<(String, String)>,
}

/// What an image says of its machine; all given when it is registered, and but for IMDS never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MachineFields {
    /// `x86_64`, ...
    pub(crate) architecture: String,
    /// `hvm` or `paravirtual`.
    pub(crate) virtualization: String,
    /// The device that is booted from.
    pub(crate) root_device: String,
    /// `legacy-bios`, `uefi` or `uefi-preferred`.
    pub(crate) boot_mode: Option<String>,
    /// `v2.0`.
    pub(crate) tpm: Option<String>,
    /// Variables of UEFI, in base64.
    pub(crate) uefi_data: Option<String>,
    /// `v2.0`.
    pub(crate) imds: Option<String>,
    /// Enhanced networking.
    pub(crate) ena: Option<bool>,
    /// `simple`.
    pub(crate) sriov: Option<String>,
    /// Of a paravirtual machine.
    pub(crate) kernel: Option<String>,
    /// Of a paravirtual machine.
    pub(crate) ramdisk: Option<String>,
}

/// Where an image is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Life {
    /// Pending until a moment, then available, or failed with a reason.
    Ready {
        /// When.
        from: Timestamp,
        /// Why it fails then.
        failure: Option<String>,
    },
    /// Cannot be launched.
    Disabled,
    /// Gone; its id is known still.
    Deregistered,
}

/// Whether an image may be deregistered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protection {
    /// It may.
    Off,
    /// It may not.
    On,
    /// It may not, nor for a day after protection ends.
    OnWithCooldown,
    /// It may from a moment on.
    Until(Timestamp),
}

/// The state of an image on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImageState {
    /// Being copied or restored.
    Pending,
    /// Can be launched.
    Available,
    /// Could not be made.
    Failed,
    /// Cannot be launched.
    Disabled,
    /// Gone.
    Deregistered,
}

impl ImageState {
    /// The word on the wire.
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
    /// Its state at a moment.
    pub(crate) fn state(&self, now: Timestamp) -> ImageState {
        match &self.life {
            Life::Ready { from, .. } if now < *from => ImageState::Pending,
            Life::Ready { failure: None, .. } => ImageState::Available,
            Life::Ready { failure: Some(_), .. } => ImageState::Failed,
            Life::Disabled => ImageState::Disabled,
            Life::Deregistered => ImageState::Deregistered,
        }
    }

    /// Why it failed, if it has.
    pub(crate) fn failure(&self, now: Timestamp) -> Option<&str> {
        match &self.life {
            Life::Ready { from, failure: Some(why) } if now >= *from => Some(why),
            _ => None,
        }
    }

    /// The snapshots that it is made of.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = &str> {
        self.mappings.iter().filter_map(BlockDeviceMapping::snapshot)
    }

    /// Whether any of its volumes is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.mappings.iter().filter_map(BlockDeviceMapping::ebs).any(|ebs| ebs.encrypted)
    }

    /// Whether it is deprecated at a moment.
    pub(crate) fn is_deprecated(&self, now: Timestamp) -> bool {
        self.deprecated.is_some_and(|from| from <= now)
    }

    /// The word for its protection at a moment.
    pub(crate) fn protection_state(&self, now: Timestamp) -> &'static str {
        match self.protection {
            Protection::Until(end) if now < end => "disabled-with-cooldown",
            Protection::Off | Protection::Until(_) => "disabled",
            Protection::On => "enabled",
            Protection::OnWithCooldown => "enabled-with-cooldown",
        }
    }
}
