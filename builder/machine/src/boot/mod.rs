//! Launching an image in QEMU as EC2 would launch it, and judging how far it came.
//!
//! Owns the virtual machine, its metadata service, what it says on its console and what is checked of it. The disk is
//! never written unless that is asked for. Knows no command line, no recipe and no region: it is given a disk.

pub mod accel;
mod arch;
mod booted;
pub mod check;
pub mod console;
pub mod crash;
mod error;
pub mod firmware;
mod guest;
pub mod imds;
pub mod keyboard;
mod launch;
pub mod leash;
pub mod machine;
pub mod overlay;
mod page;
pub mod provider;
pub mod reason;
pub mod receipt;
mod screen;
mod ssh;

pub use amiforge_formats::arch::Arch;
pub use booted::BeforeBoot;
pub use error::BootError;
pub use guest::GuestDisplay;
pub use launch::{Facts, FailureSign, FurtherDisk, Launch, LaunchEnd, LaunchOutcome, Writes, launch};
pub use ssh::is_user_name;

use serde::{Deserialize, Serialize};

/// What starts the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    /// UEFI: OVMF or AAVMF.
    Uefi,
    /// Legacy BIOS: `SeaBIOS`.
    Bios,
}

impl Firmware {
    /// Its word in options and receipts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Uefi => "uefi",
            Self::Bios => "bios",
        }
    }
}

/// How the disks are attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bus {
    /// As on every current instance type.
    Nvme,
    /// As on other clouds and plain QEMU.
    Virtio,
}

impl Bus {
    /// Its word in options and receipts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nvme => "nvme",
            Self::Virtio => "virtio",
        }
    }
}
