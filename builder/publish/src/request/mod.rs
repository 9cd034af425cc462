//! The requested AMI: validates options and the facts of an image into a [`Request`] that the service will accept.
//! Everything that can be refused without a network is refused here, all mistakes at once.
//!
//! Follows the rules of `RegisterImage`, `CopyImage` and related calls (EC2 API, 2016-11-15) and of EBS volume types.
//! Reads no file but that of the UEFI variables, and calls no service.

mod boot;
mod check;
mod copies;
mod deprecation;
mod limits;
mod mistake;
mod platform;
mod region;
mod share;
#[cfg(test)]
mod tests;
mod text;
mod uefi;
mod volume;
mod volume_option;
mod watermark;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::api::ec2::{Cooldown, DeviceMapping, NewImage, Tags};

pub use amiforge_formats::arch::{Arch, BootMode};
pub use boot::{Imds, Tpm, boot_mode_of};
pub use check::{check, check_snapshot};
pub use copies::{CopyTarget, KeyChoice};
pub use deprecation::Deprecation;
pub use mistake::{RequestMistake, RequestMistakes};
pub use platform::Platform;
pub use region::{AwsPartition, partition};
pub use share::{Share, SnapshotSharing, grantee};
pub use volume::{FurtherVolume, VolumeContent, VolumeSettings, VolumeType};
pub(crate) use watermark::of_manifest as watermark_of;
pub use watermark::{
    WatermarkOption, check_name as check_watermark, of_tags as watermark_of_tags,
    root_of as root_of_watermark,
};

/// Options as on the command line. An option that is `None` or empty has a default.
#[derive(Debug, Clone, Default)]
pub struct AmiOptions {
    /// `--name`.
    pub name: Option<String>,
    /// `--description`.
    pub description: Option<String>,
    /// `--arch`.
    pub architecture: Option<Arch>,
    /// `--boot-mode`.
    pub boot_mode: Option<BootMode>,
    /// `--platform`.
    pub platform: Platform,
    /// `--tpm`.
    pub tpm: Tpm,
    /// `--uefi-data`: the file.
    pub uefi_data: Option<PathBuf>,
    /// `--imds`.
    pub imds: Imds,
    /// `--root-device`.
    pub root_device: Option<String>,
    /// `--root-volume`: settings such as `gp3,size=16GiB,iops=4000`.
    pub root_volume: Option<String>,
    /// `--volume`: one `DEVICE=CONTENT[,SETTING…]` each.
    pub volumes: Vec<String>,
    /// `--tag`: one `KEY=VALUE` each.
    pub tags: Vec<String>,
    /// `--watermark`.
    pub watermark: Option<WatermarkOption>,
    /// `--deprecate`: a date, a time, or a number of days.
    pub deprecate: Option<String>,
    /// `--protect`.
    pub protection: Option<Cooldown>,
    /// `--encrypt` and `--kms-key`.
    pub encryption: KeyChoice,
    /// `--share`: one account or ARN each.
    pub share: Vec<String>,
    /// `--public`.
    pub audience: Audience,
    /// `--share-snapshots`.
    pub snapshots: SnapshotSharing,
    /// `--copy-to`: one region each.
    pub copy_to: Vec<String>,
    /// `--copy-kms`: one `REGION=KEY` each.
    pub copy_kms: Vec<String>,
    /// `--encrypt-copies`.
    pub encrypt_copies: KeyChoice,
}

/// Whether an AMI is public.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Audience {
    /// Only the named grantees may launch it.
    #[default]
    Named,
    /// All accounts may launch it.
    Public,
}

/// The facts of an image that is to be registered.
#[derive(Debug, Clone, Default)]
pub struct ImageFacts {
    /// Name of the image.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The start of the Merkle root, which makes the names of images without a version unique.
    pub content: Option<String>,
    /// Architecture.
    pub architecture: Option<Arch>,
    /// Boot mode.
    pub boot_mode: Option<BootMode>,
    /// Size of the snapshot in GiB, if it is known.
    pub gib: Option<u64>,
    /// UEFI variables that come with the image, in base64.
    pub uefi_data: Option<String>,
    /// Whether the image is one that a TPM vouches for: with a root that is verified, or programs that are signed.
    pub measured: bool,
    /// Tags that identify the bundle.
    pub tags: Tags,
    /// The name of the watermark that identifies the bundle.
    pub watermark: Option<String>,
}

/// An AMI that the service will accept, as far as this can be checked without calling it. Its JSON is stored in the
/// ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The region.
    pub region: String,
    /// Name, unique in the account and region.
    pub name: String,
    /// Description.
    pub description: Option<String>,
    /// Architecture.
    #[serde(with = "boot::ec2_arch")]
    pub architecture: Arch,
    /// Boot mode.
    #[serde(with = "boot::ec2_boot_mode")]
    pub boot_mode: BootMode,
    /// TPM.
    pub tpm: Tpm,
    /// UEFI variables, in base64.
    pub uefi_data: Option<String>,
    /// IMDS.
    pub imds: Imds,
    /// Device of the root volume.
    pub root_device: String,
    /// The root volume.
    pub root: VolumeSettings,
    /// Encryption of the snapshots of the root and of further bundles.
    pub encryption: KeyChoice,
    /// Further volumes, in order.
    pub volumes: Vec<FurtherVolume>,
    /// Requested tags of the image and of every snapshot that is made for it.
    pub tags: Tags,
    /// Tags that identify the bundle of the image.
    pub digests: Tags,
    /// Name of its watermark. Requests of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<String>,
    /// When it becomes deprecated.
    pub deprecation: Option<Deprecation>,
    /// Deregistration protection.
    pub protection: Option<Cooldown>,
    /// Launch permissions.
    pub share: Share,
    /// Copies in other regions.
    pub copies: Vec<CopyTarget>,
}

impl Request {
    /// The bundles or raw files to upload: `root`, then those of further volumes.
    pub fn bundles<'a>(&'a self, root: &'a Path) -> impl Iterator<Item = &'a Path> {
        let further = self.volumes.iter().filter_map(|volume| match &volume.content {
            VolumeContent::Bundle(path) => Some(path.as_path()),
            _ => None,
        });
        std::iter::once(root).chain(further)
    }

    /// The tags of the image, and of the snapshot of its root.
    pub fn image_tags(&self) -> Tags {
        self.tags.iter().chain(&self.digests).map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Whether the request asks for encryption of any snapshot.
    pub fn requests_encryption(&self) -> bool {
        self.encryption != KeyChoice::Account
            || self.copies.iter().any(|copy| copy.encryption != KeyChoice::Account)
    }

    /// The parameters of its registration. `root` is the snapshot of the root volume; `further` has one for each
    /// further volume, `None` for an empty volume.
    pub fn new_image(&self, root: &str, further: &[Option<String>]) -> NewImage {
        let mut mappings = vec![self.root.mapping(&self.root_device, Some(root.to_owned()))];
        let snapshots = further.iter().cloned().chain(std::iter::repeat(None));
        mappings.extend(self.volumes.iter().zip(snapshots).map(|(volume, snapshot): (_, Option<String>)| {
            DeviceMapping {
                encrypted: volume.encrypted(),
                ..volume.settings.mapping(&volume.device, snapshot)
            }
        }));
        NewImage {
            name: self.name.clone(),
            description: self.description.clone(),
            architecture: self.architecture.ec2_name().to_owned(),
            boot_mode: self.boot_mode.ec2_name().to_owned(),
            tpm: self.tpm.as_str().map(str::to_owned),
            uefi_data: self.uefi_data.clone(),
            imds: self.imds.as_str().map(str::to_owned),
            root_device: self.root_device.clone(),
            mappings,
            tags: self.image_tags(),
        }
    }
}
