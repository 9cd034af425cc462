//! The settings with which a machine starts a later kernel. Knows no tree.

use amiforge_formats::arch::Arch;
use amiforge_formats::time::Time;
use schemars::JsonSchema;
use serde::Deserialize;

/// The initrd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InitrdSource {
    /// That of the kernel in `/boot`, where there is one; else one of amiforge's own, where a driver is not built in.
    Auto,
    /// That of the kernel in `/boot`.
    Distribution,
    /// One of amiforge's own: a first program of a few KiB and the `drivers`.
    Own,
    /// None: the kernel finds the root by itself.
    None,
}

/// What UEFI starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UefiLoader {
    /// One file with kernel, initrd and arguments (a unified kernel image), with the stub of the package
    /// `systemd-boot-efi`.
    Uki,
    /// systemd-boot, which starts such a file without a menu; of the package `systemd-boot-efi`.
    SystemdBoot,
    /// GRUB as the package `grub-efi-amd64-bin` or `grub-efi-arm64-bin` brings it, without a menu.
    Grub,
}

/// UEFI and its system partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uefi {
    /// The boot loader that it starts.
    pub loader: UefiLoader,
    /// Mount point of its system partition; `None` where it is not mounted.
    pub mount: Option<String>,
    /// GUID of its system partition.
    pub partition: String,
    /// Mount point of the file system of the kernels, without a trailing `/`: paths for GRUB start there.
    pub kernels_on: String,
}

/// The values of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelHookSpec {
    /// Release of the kernel that the recipe chose; an upgrade starts the newest kernel of the same flavour. `None`: the
    /// newest of all.
    pub release: Option<String>,
    /// Command line of the kernel.
    pub cmdline: String,
    /// The initrd.
    pub initrd: InitrdSource,
    /// Whether the tree has an initrd of the distribution for its kernel.
    pub has_initrd: bool,
    /// Drivers of an initrd of amiforge.
    pub drivers: Vec<String>,
    /// Architecture.
    pub machine: Arch,
    /// UEFI, where the image boots by it.
    pub uefi: Option<Uefi>,
    /// Whether the image also boots by a legacy BIOS.
    pub bios: bool,
    /// The modification time of all installed files.
    pub time: Time,
}

impl KernelHookSpec {
    /// Whether the machine starts its kernels with an initrd that the distribution makes.
    pub(super) fn uses_distribution_initrd(&self) -> bool {
        match self.initrd {
            InitrdSource::Auto => self.has_initrd,
            InitrdSource::Distribution => true,
            InitrdSource::Own | InitrdSource::None => false,
        }
    }
}
