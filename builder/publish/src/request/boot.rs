//! How machines start from an image: architecture, boot mode, TPM, metadata service.

use amiforge_formats::arch::{Arch, BootMode};
use amiforge_formats::gpt::types;
use amiforge_image::manifest::Manifest;
use serde::{Deserialize, Serialize};

/// The boot mode that a manifest names, else the one that its partitions allow. Machines without a legacy BIOS have UEFI
/// only, so there nothing else can be meant.
pub fn boot_mode_of(manifest: &Manifest, arch: Arch) -> Option<BootMode> {
    let named = manifest.origin.boot_mode.as_deref().and_then(BootMode::by_ec2_name);
    let has = |type_guid| manifest.partitions.iter().any(|one| one.type_guid == type_guid);
    named
        .or_else(|| BootMode::of_partitions(arch, has(types::ESP), has(types::BIOS_BOOT)))
        .or((!arch.has_bios()).then_some(BootMode::Uefi))
}

/// An architecture as EC2 names it, for requests in journals and JSON.
pub(super) mod ec2_arch {
    use super::Arch;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
    pub(in super::super) fn serialize<S: Serializer>(arch: &Arch, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(arch.ec2_name())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arch, D::Error> {
        let name = String::deserialize(deserializer)?;
        let arch = Arch::ALL.into_iter().find(|arch| arch.ec2_name() == name);
        arch.ok_or_else(|| D::Error::custom(format_args!("`{name}` is not an architecture of EC2")))
    }
}

/// A boot mode as EC2 names it, for requests in journals and JSON.
pub(super) mod ec2_boot_mode {
    use super::BootMode;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
    pub(in super::super) fn serialize<S: Serializer>(
        mode: &BootMode,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(mode.ec2_name())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BootMode, D::Error> {
        let name = String::deserialize(deserializer)?;
        BootMode::by_ec2_name(&name)
            .ok_or_else(|| D::Error::custom(format_args!("`{name}` is not a boot mode of EC2")))
    }
}

/// Whether machines have a TPM.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tpm {
    /// None.
    #[default]
    #[serde(rename = "none")]
    None,
    /// NitroTPM 2.0.
    #[serde(rename = "v2.0")]
    V2,
}

impl Tpm {
    /// As EC2 says it.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::V2 => Some("v2.0"),
        }
    }
}

/// What launches demand of who asks the instance metadata service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Imds {
    /// A token (IMDSv2): a request that a web application can be tricked into is not enough.
    #[default]
    #[serde(rename = "v2")]
    V2,
    /// Nothing, unless the launch says otherwise.
    #[serde(rename = "any")]
    Any,
}

impl Imds {
    /// As EC2 says it.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::V2 => Some("v2.0"),
            Self::Any => None,
        }
    }
}
