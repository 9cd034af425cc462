//! Launching an image in QEMU as EC2 would launch it, and judging how far it came.
//!
//! Owns the virtual machine, its metadata service, what it says on its console and what is checked of it. The disk is
//! never written unless that is asked for. Knows no command line, no recipe and no region: it is given a disk.

pub mod accel;
mod arch;
pub mod check;
pub mod console;
pub mod crash_report;
pub mod diagnosis;
pub mod die_with_parent;
mod disk_state;
mod error;
pub mod firmware;
mod guest;
pub mod host_packages;
mod http;
pub mod imds;
pub mod keyboard;
mod launch;
pub mod machine;
pub mod overlay;
mod qemu;
pub mod receipt;
mod screen;
mod ssh;

pub use amiforge_formats::arch::Arch;
pub use disk_state::DiskState;
pub use error::BootError;
pub use guest::GuestDisplay;
pub use launch::{
    FailureSign, FurtherDisk, InstanceSettings, Launch, LaunchEnd, LaunchOutcome, WriteMode, launch,
};
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
    pub const fn as_str(self) -> &'static str {
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
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nvme => "nvme",
            Self::Virtio => "virtio",
        }
    }
}
