//! Launches an image in QEMU as EC2 would, and evaluates the boot.
//!
//! Owns the virtual machine, its metadata service, its console and its checks. Does not write to the disk unless
//! requested. Knows no command line, no recipe and no region: its input is a disk.

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
pub mod measured;
pub mod overlay;
pub mod prediction;
mod qemu;
pub mod receipt;
mod screen;
mod ssh;
pub mod tpm;

pub use amiforge_formats::arch::Arch;
pub use disk_state::DiskState;
pub use error::BootError;
pub use guest::GuestDisplay;
pub use launch::{
    FailureSign, FurtherDisk, InstanceSettings, Launch, LaunchEnd, LaunchOutcome, TpmChoice, WriteMode,
    launch,
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
    /// The value in options and receipts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uefi => "uefi",
            Self::Bios => "bios",
        }
    }
}

/// The bus of the disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bus {
    /// As on all current instance types.
    Nvme,
    /// As in other clouds and plain QEMU.
    Virtio,
}

impl Bus {
    /// The value in options and receipts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nvme => "nvme",
            Self::Virtio => "virtio",
        }
    }
}
