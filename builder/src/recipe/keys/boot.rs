//! `[boot]`.

use schemars::JsonSchema;
use serde::Deserialize;

/// How machines boot the image. Without this table nothing is done for that, and the image boots by what its files say.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct BootKeys {
    /// Firmware of the machines; `"hybrid"` on `x86_64` and `"uefi"` on `aarch64` if not given.
    pub(crate) mode: Option<BootModeKey>,
    /// What UEFI starts; `"uki"` if not given.
    pub(crate) loader: Option<LoaderKey>,
    /// Release of the kernel, such as `"6.1.0-56-cloud-amd64"`; the newest in the image if not given.
    pub(crate) kernel: Option<String>,
    /// Further arguments for the kernel, after `root=`, `rootwait`, `ro`, the consoles and what EC2 advises for NVMe.
    pub(crate) cmdline: Option<String>,
    /// The initrd; `"auto"` if not given.
    pub(crate) initrd: Option<InitrdKey>,
    /// What the kernel needs to reach its root, as words (`nvme`, `virtio`, `xen`, `ext4`) or names of modules. An initrd
    /// of amiforge's own holds those that are not built in. All four words if not given, as far as the kernel has them.
    pub(crate) drivers: Option<Vec<String>>,
    /// Who grows the root to its volume at the first boot, makes host keys, and takes name, key and user data from the
    /// metadata service; `"auto"` if not given.
    pub(crate) first_boot: Option<FirstBootKey>,
    /// Whether hooks in the image write what firmware reads anew when a kernel or an initrd changes there, so that an
    /// upgraded kernel is started from the next boot on; `true` if not given. Only systems with dpkg get them, and
    /// `/etc/default/amiforge-boot` is their configuration.
    pub(crate) kernel_hook: Option<bool>,
}

/// Firmware of machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BootModeKey {
    /// UEFI; needs a partition of role `esp`.
    Uefi,
    /// Legacy BIOS, by a loader of amiforge's own; needs a partition of role `bios-boot`.
    Bios,
    /// Both; EC2 takes UEFI where a type of instance has it.
    Hybrid,
}

/// What UEFI starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LoaderKey {
    /// One file with kernel, initrd and arguments (a unified kernel image), with the stub of the package
    /// `systemd-boot-efi`.
    Uki,
    /// systemd-boot, which starts such a file without a menu; of the package `systemd-boot-efi`.
    SystemdBoot,
    /// GRUB as the package `grub-efi-amd64-bin` or `grub-efi-arm64-bin` brings it, without a menu.
    Grub,
}

/// The initrd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum InitrdKey {
    /// That of the kernel in `/boot`, where there is one; else one of amiforge's own, where a driver is not built in.
    Auto,
    /// That of the kernel in `/boot`.
    Distribution,
    /// One of amiforge's own: a first program of a few KiB and the `drivers`.
    Own,
    /// None: the kernel finds the root by itself.
    None,
}

/// Who sets a new machine up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FirstBootKey {
    /// cloud-init, where it is in the image; else units of amiforge's own, where systemd and bash are; else nobody.
    Auto,
    /// Units of amiforge's own; the instance's key is for the first `[[user]]`, else `root`.
    Own,
    /// Whatever is in the image.
    None,
}
