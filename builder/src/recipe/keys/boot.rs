//! `[boot]`.

use amiforge_rootfs::steps::kernel_hook::{InitrdSource, UefiLoader};
use schemars::JsonSchema;
use serde::Deserialize;

/// How machines boot the image: a table, or the word `"keep"` in its place.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum BootKey {
    // Without documentation of their own: the reference has that of what they hold.
    Word(KeepKey),
    Table(Box<BootKeys>),
}

/// What is done about a way to boot that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeepKey {
    /// It stays.
    Keep,
}

/// How machines boot the image. `boot = "keep"`, above the first table, stands in the place of this one for an image
/// whose first source is an `image`: the disk of that source stays as it is, with its partition table, its ids and its
/// boot loader, and only what the recipe changes in its ext4 file systems is written into them. Without either nothing
/// is done for that, and the image boots by what its files say.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct BootKeys {
    /// Firmware of the machines; `"hybrid"` on `x86_64` and `"uefi"` on `aarch64` if not given.
    pub(crate) mode: Option<BootModeKey>,
    /// What UEFI starts; `"uki"` if not given.
    pub(crate) loader: Option<UefiLoader>,
    /// Release of the kernel, such as `"6.1.0-56-cloud-amd64"`; the newest in the image if not given.
    pub(crate) kernel: Option<String>,
    /// Further arguments for the kernel, after `root=`, `rootwait`, `ro`, the consoles and what EC2 advises for NVMe.
    pub(crate) cmdline: Option<String>,
    /// The initrd; `"auto"` if not given.
    pub(crate) initrd: Option<InitrdSource>,
    /// What the kernel needs to reach its root, as words (`nvme`, `virtio`, `xen`, `ext4`, `erofs`) or names of modules. An
    /// initrd of amiforge's own holds those that are not built in. The first three and the root's file system if not given,
    /// as far as the kernel has them.
    pub(crate) drivers: Option<Vec<String>>,
    /// Who grows the root to its volume at the first boot, makes host keys, and takes name, key and user data from the
    /// metadata service; `"auto"` if not given.
    pub(crate) first_boot: Option<FirstBoot>,
    /// Whether hooks in the image write what firmware reads anew when a kernel or an initrd changes there, so that an
    /// upgraded kernel is started from the next boot on; `true` if not given. Systems with dpkg or rpm get them, and
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

/// Who sets a new machine up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FirstBoot {
    /// cloud-init, where it is in the image; else units of amiforge's own, where systemd and bash are; else none.
    Auto,
    /// Units of amiforge's own; the instance's key is for the first `[[user]]`, else `root`.
    Own,
    /// Whatever is in the image.
    None,
}
