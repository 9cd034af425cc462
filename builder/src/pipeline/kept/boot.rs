//! How a kept disk boots: by what is on it.

use amiforge_formats::arch::{Arch, BootMode};
use amiforge_formats::gpt::types;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{NodeId, Tree};
use amiforge_formats::volume::FsKind;
use amiforge_rootfs::boot::find_kernel;
use amiforge_rootfs::sources::image::KeptDisk;
use amiforge_rootfs::steps::StepError;
use amiforge_rootfs::steps::grub_menu::{self, GrubMenu};
use amiforge_store::blobs::Blobs;

use super::{AmendedPart, KeptError};
use crate::recipe::Recipe;

/// Checks that a disk can be kept for a recipe, before anything is compared.
///
/// # Errors
/// [`KeptError::Arch`], [`KeptError::Root`].
pub(super) fn check(recipe: &Recipe, disk: &KeptDisk) -> Result<(), KeptError> {
    let named = recipe.image.arch;
    if let Some(found) = disk.arch.filter(|found| *found != named) {
        return Err(KeptError::Arch { named: named.name(), found: found.name() });
    }
    let root = disk.parts.iter().find(|part| part.mount.as_deref() == Some("/"));
    match root.map(|root| root.content) {
        Some(content) if content.kind() != Some(FsKind::Ext4) => {
            Err(KeptError::Root { found: content.name() })
        }
        _ => Ok(()),
    }
}

/// The boot mode that the loaders of a disk allow, as EC2 names it, and warnings about it.
pub(super) fn mode(
    recipe: &Recipe,
    disk: &KeptDisk,
    parts: &[AmendedPart<'_>],
) -> (Option<&'static str>, Vec<String>) {
    let arch = recipe.image.arch;
    let esp = parts.iter().filter(|part| part.part.entry.type_guid == types::ESP);
    let uefi = esp.filter_map(|part| part.tree.as_ref()).any(|tree| has_loader(tree, arch));
    let mode = BootMode::of_partitions(arch, uefi, disk.code);
    let none = mode.is_none().then(|| {
        format!(
            "the disk of the image is kept, and nothing on it starts it: there is neither EFI/BOOT/{} on an EFI system partition \
             nor code for a legacy BIOS in its first sector",
            arch.firmware().default
        )
    });
    (mode.map(BootMode::ec2_name), none.into_iter().collect())
}

/// Has the kept boot loader start the newest kernel, where a file of the tree says what it starts: no installer of boot
/// loaders has run. A warning where that cannot be done.
///
/// # Errors
/// When the menu of GRUB cannot be read or written.
pub(super) fn start_newest_kernel(
    tree: &mut Tree,
    disk: &KeptDisk,
    blobs: &Blobs,
    made: Time,
) -> Result<Option<String>, StepError> {
    Ok(match grub_menu::enter_newest_kernel(tree, blobs, made)? {
        GrubMenu::Newest | GrubMenu::Entered { .. } => None,
        GrubMenu::Other { path, release, reason } => Some(format!(
            "GRUB starts what `{path}` names, and that is not the newest kernel, {release}: {reason}; write the menu by `[[run]]`, \
             or with `[[file]]`"
        )),
        GrubMenu::None => unnamed_kernel(tree, disk, blobs),
    })
}

/// A warning about a newest kernel that the kept disk did not have, and that no menu names.
fn unnamed_kernel(tree: &Tree, disk: &KeptDisk, blobs: &Blobs) -> Option<String> {
    let release = |tree: &Tree| find_kernel(tree, blobs, None).ok().map(|kernel| kernel.release);
    let newest = release(tree)?;
    let before = disk.parts.iter().filter_map(|part| part.tree.as_ref()).filter_map(release);
    (before.into_iter().all(|release| release != newest)).then(|| {
        format!(
            "the kept disk starts the kernel that it started before, and not the newest of its files, {newest}: a table `[boot]` \
             makes a new disk that does"
        )
    })
}

/// Whether a tree has what UEFI firmware starts by itself (UEFI 2.10, section 3.5.1.1).
fn has_loader(tree: &Tree, arch: Arch) -> bool {
    let child = |dir: NodeId, name: &str| {
        let entries = tree.entries(dir).into_iter().flatten();
        entries
            .filter(|(found, _)| found.as_bytes().eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, id)| *id)
            .next()
    };
    let folder = child(tree.root(), "EFI").and_then(|efi| child(efi, "BOOT"));
    folder.and_then(|folder| child(folder, arch.firmware().default)).is_some()
}
