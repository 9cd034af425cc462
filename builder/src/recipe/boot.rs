//! `[boot]`: from keys to what the build does about booting.

use super::check::Checker;
use super::keys::{BootKeys, BootModeKey, FirstBootKey, InitrdKey, LoaderKey, RoleKey};
use super::mistake::At;
use super::{Arch, BootMode, RecipePartition};

/// Longest command line that every kernel takes on x86-64 (`COMMAND_LINE_SIZE`), less the NUL.
const CMDLINE_MAX: usize = 2047;

/// How an image boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootRecipe {
    /// Firmware of its machines.
    pub mode: BootMode,
    /// What UEFI starts.
    pub loader: Loader,
    /// Release of the kernel, else the newest.
    pub kernel: Option<String>,
    /// Further arguments for the kernel.
    pub cmdline: String,
    /// The initrd.
    pub initrd: InitrdChoice,
    /// What the kernel needs to reach its root; nothing: the usual, as far as the kernel has it.
    pub drivers: Option<Vec<String>>,
    /// Who sets a new machine up.
    pub first_boot: FirstBoot,
    /// Whether hooks have a kernel that is installed later started.
    pub kernel_hook: bool,
}

/// The roles of the partitions that a boot mode needs.
pub(super) fn roles(mode: BootMode) -> &'static [RoleKey] {
    match mode {
        BootMode::Uefi => &[RoleKey::Esp, RoleKey::Root],
        BootMode::Bios => &[RoleKey::BiosBoot, RoleKey::Root],
        BootMode::Hybrid => &[RoleKey::BiosBoot, RoleKey::Esp, RoleKey::Root],
    }
}

/// What UEFI starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loader {
    /// A unified kernel image.
    Uki,
    /// systemd-boot.
    SystemdBoot,
    /// GRUB.
    Grub,
}

/// The initrd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitrdChoice {
    /// The distribution's where there is one, else our own where one is needed.
    Auto,
    /// The distribution's.
    Distribution,
    /// Our own.
    Own,
    /// None.
    None,
}

/// Who sets a new machine up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstBoot {
    /// cloud-init where it is there, else our own units where they can.
    Auto,
    /// Our own units.
    Own,
    /// Whatever is in the image.
    None,
}

/// Checks the table.
pub(super) fn check(keys: &BootKeys, arch: Arch, at: &At, checker: &mut Checker<'_>) -> BootRecipe {
    let mode = match (keys.mode, arch.has_bios()) {
        (Some(BootModeKey::Uefi), _) | (None, false) => BootMode::Uefi,
        (Some(mode), false) => {
            let word = if mode == BootModeKey::Bios { "bios" } else { "hybrid" };
            let name = arch.name();
            checker.wrong(at.key("mode"), format!("machines of `{name}` have UEFI only, not `{word}`"));
            BootMode::Uefi
        }
        (Some(BootModeKey::Bios), _) => BootMode::Bios,
        (Some(BootModeKey::Hybrid) | None, _) => BootMode::Hybrid,
    };
    if keys.loader.is_some() && !mode.uefi() {
        checker.misplaced(at.key("loader"), "a `loader` is for UEFI, and `mode` is `bios`");
    }
    let cmdline = keys.cmdline.clone().unwrap_or_default();
    if cmdline.len() > CMDLINE_MAX || cmdline.contains(|c: char| c.is_control()) {
        let message =
            format!("arguments are one line of at most {CMDLINE_MAX} bytes, without control characters");
        checker.wrong(at.key("cmdline"), message);
    }
    for (index, name) in keys.drivers.iter().flatten().enumerate() {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        if name.is_empty() || !name.chars().all(plain) {
            let message = format!("`{name}` is not the name of a module, such as `virtio_blk`");
            checker.wrong(at.key("drivers").index(index), message);
        }
    }
    BootRecipe {
        mode,
        loader: match keys.loader {
            Some(LoaderKey::SystemdBoot) => Loader::SystemdBoot,
            Some(LoaderKey::Grub) => Loader::Grub,
            Some(LoaderKey::Uki) | None => Loader::Uki,
        },
        kernel: keys.kernel.clone(),
        cmdline,
        initrd: match keys.initrd {
            Some(InitrdKey::Auto) | None => InitrdChoice::Auto,
            Some(InitrdKey::Distribution) => InitrdChoice::Distribution,
            Some(InitrdKey::Own) => InitrdChoice::Own,
            Some(InitrdKey::None) => InitrdChoice::None,
        },
        drivers: keys.drivers.clone(),
        first_boot: match keys.first_boot {
            Some(FirstBootKey::Auto) | None => FirstBoot::Auto,
            Some(FirstBootKey::Own) => FirstBoot::Own,
            Some(FirstBootKey::None) => FirstBoot::None,
        },
        kernel_hook: keys.kernel_hook.unwrap_or(true),
    }
}

/// Tells of the partitions that booting needs and that are not there.
pub(super) fn partitions(
    boot: &BootRecipe,
    partitions: &[RecipePartition],
    at: &At,
    checker: &mut Checker<'_>,
) {
    for (needed, id, what) in [
        (boot.mode.uefi(), "esp", "UEFI boots from"),
        (boot.mode.bios(), "bios-boot", "the loader for a legacy BIOS stands in"),
        (true, "root", "the kernel starts the system of"),
    ] {
        if needed && !partitions.iter().any(|partition| partition.id == id) {
            let message = format!("{what} a partition of role `{id}`, and the recipe has none");
            checker.wrong(at.clone(), message);
        }
    }
}
