//! How instances start from an image: architecture, boot mode, TPM, metadata service.

use amiforge_formats::gpt::types;
use amiforge_image::manifest::Manifest;
use serde::{Deserialize, Serialize};

/// Architecture of the machines that an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Architecture {
    /// Intel and AMD, 64 bit.
    #[serde(rename = "x86_64")]
    X86,
    /// Arm, 64 bit; the recipe says `aarch64`, EC2 `arm64`.
    #[serde(rename = "arm64")]
    Arm,
}

impl Architecture {
    /// As EC2 says it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "arm64",
        }
    }

    /// From the words of EC2 or of a recipe.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "x86_64" => Some(Self::X86),
            "arm64" | "aarch64" => Some(Self::Arm),
            _ => None,
        }
    }
}

/// How firmware starts an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootMode {
    /// UEFI only.
    Uefi,
    /// UEFI where the instance type has it, else BIOS.
    UefiPreferred,
    /// BIOS only.
    LegacyBios,
}

impl BootMode {
    /// As EC2 says it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Uefi => "uefi",
            Self::UefiPreferred => "uefi-preferred",
            Self::LegacyBios => "legacy-bios",
        }
    }

    /// From the word of EC2.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Uefi, Self::UefiPreferred, Self::LegacyBios].into_iter().find(|mode| mode.word() == word)
    }

    /// What the partitions of an image allow: an ESP is for UEFI, a BIOS boot partition for BIOS; arm64 machines
    /// have UEFI only, so there nothing else can be meant.
    pub fn of_partitions(architecture: Architecture, esp: Presence, bios_boot: Presence) -> Option<Self> {
        match (architecture, esp, bios_boot) {
            (Architecture::Arm, ..) | (Architecture::X86, Presence::There, Presence::Missing) => {
                Some(Self::Uefi)
            }
            (Architecture::X86, Presence::There, Presence::There) => Some(Self::UefiPreferred),
            (Architecture::X86, Presence::Missing, Presence::There) => Some(Self::LegacyBios),
            (Architecture::X86, Presence::Missing, Presence::Missing) => None,
        }
    }

    /// What a manifest says, else what its partitions allow.
    pub fn of_manifest(manifest: &Manifest, architecture: Architecture) -> Option<Self> {
        if let Some(said) = manifest.origin.boot_mode.as_deref().and_then(Self::from_word) {
            return Some(said);
        }
        let has = |type_guid| Presence::of(manifest.partitions.iter().any(|one| one.type_guid == type_guid));
        Self::of_partitions(architecture, has(types::ESP), has(types::BIOS_BOOT))
    }
}

/// Whether a partition is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It exists.
    There,
    /// It does not exist.
    Missing,
}

impl Presence {
    /// From a search's outcome.
    pub fn of(found: bool) -> Self {
        if found { Self::There } else { Self::Missing }
    }
}

/// TPM of an instance.
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
    /// The value in the EC2 API.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::V2 => Some("v2.0"),
        }
    }
}

/// Requirements for requests to the instance metadata service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Imds {
    /// A session token (IMDSv2), which protects against server-side request forgery.
    #[default]
    #[serde(rename = "v2")]
    V2,
    /// None, unless the launch sets one.
    #[serde(rename = "any")]
    Any,
}

impl Imds {
    /// The value in the EC2 API.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::V2 => Some("v2.0"),
            Self::Any => None,
        }
    }
}
