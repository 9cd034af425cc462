//! `[boot]`: from keys to the boot settings.

use amiforge_image::seal::CommandLine;
use amiforge_rootfs::steps::kernel_hook::{InitrdSource, UefiLoader};

use super::checker::Checker;
use super::diagnostic::KeyPath;
use super::keys::{BootKeys, BootModeKey, FirstBoot, RoleKey};
use super::spec::{BootRecipe, RecipePartition, TrustRecipe};
use super::{Arch, BootMode};

/// The roles of the partitions that a boot mode needs.
pub(super) fn roles(mode: BootMode) -> &'static [RoleKey] {
    match mode {
        BootMode::Uefi => &[RoleKey::Esp, RoleKey::Root],
        BootMode::Bios => &[RoleKey::BiosBoot, RoleKey::Root],
        BootMode::Hybrid => &[RoleKey::BiosBoot, RoleKey::Esp, RoleKey::Root],
    }
}

/// Checks the table.
pub(super) fn check(
    keys: &BootKeys,
    trust: &TrustRecipe,
    arch: Arch,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> BootRecipe {
    let mut keys = keys.clone();
    if trust.secure_boot.is_some() {
        super::secure_boot::boot(&mut keys, at, checker);
    }
    if let Some(profile) = trust.profile {
        super::trust::boot(&mut keys, profile, at, checker);
    }
    let keys = &keys;
    let mode = match (keys.mode, arch.has_bios()) {
        (Some(BootModeKey::Uefi), _) | (None, false) => BootMode::Uefi,
        (Some(mode), false) => {
            let option = if mode == BootModeKey::Bios { "bios" } else { "hybrid" };
            let name = arch.name();
            checker.reject(at.key("mode"), format!("machines of `{name}` have UEFI only, not `{option}`"));
            BootMode::Uefi
        }
        (Some(BootModeKey::Bios), _) => BootMode::Bios,
        (Some(BootModeKey::Hybrid) | None, _) => BootMode::Hybrid,
    };
    if keys.loader.is_some() && !mode.uefi() {
        checker.reject_key(at.key("loader"), "a `loader` is for UEFI, and `mode` is `bios`");
    }
    let cmdline = keys.cmdline.clone().unwrap_or_default();
    if cmdline.len() > CommandLine::MAX || cmdline.contains(|c: char| c.is_control()) {
        let message = format!(
            "arguments are one line of at most {} bytes, without control characters",
            CommandLine::MAX
        );
        checker.reject(at.key("cmdline"), message);
    }
    for (index, name) in keys.drivers.iter().flatten().enumerate() {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        if name.is_empty() || !name.chars().all(plain) {
            let message = format!("`{name}` is not the name of a module, such as `virtio_blk`");
            checker.reject(at.key("drivers").index(index), message);
        }
    }
    BootRecipe {
        mode,
        loader: keys.loader.unwrap_or(UefiLoader::Uki),
        kernel: keys.kernel.clone(),
        cmdline,
        initrd: keys.initrd.unwrap_or(InitrdSource::Auto),
        drivers: keys.drivers.clone(),
        first_boot: keys.first_boot.unwrap_or(FirstBoot::Auto),
        kernel_hook: keys.kernel_hook.unwrap_or(true),
    }
}

/// Rejects a recipe without the partitions that the boot mode needs.
pub(super) fn partitions(
    boot: &BootRecipe,
    partitions: &[RecipePartition],
    at: &KeyPath,
    checker: &mut Checker<'_>,
) {
    for (needed, id, what) in [
        (boot.mode.uefi(), "esp", "UEFI boots from"),
        (boot.mode.bios(), "bios-boot", "the loader for a legacy BIOS stands in"),
        (true, "root", "the kernel starts the system of"),
    ] {
        if needed && !partitions.iter().any(|partition| partition.id == id) {
            let message = format!("{what} a partition of role `{id}`, and the recipe has none");
            checker.reject(at.clone(), message);
        }
    }
}
