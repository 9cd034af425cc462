//! How a kept disk boots: by what is on it.

use amiforge_formats::arch::{Arch, BootMode};
use amiforge_formats::gpt::types;
use amiforge_formats::path;
use amiforge_formats::tree::{NodeId, Tree};
use amiforge_formats::volume::FsKind;
use amiforge_rootfs::boot::find_kernel;
use amiforge_rootfs::sources::image::KeptDisk;
use amiforge_store::blobs::Blobs;

use super::{AmendedPart, KeptError};
use crate::recipe::Recipe;

/// Menus of GRUB, of Debian and of Fedora and its kin.
const MENUS: [&str; 2] = ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"];

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

/// A warning about a menu of GRUB that does not know the newest kernel: no installer of boot loaders has run.
pub(super) fn stale_menu(tree: &Tree, blobs: &Blobs) -> Option<String> {
    let release = find_kernel(tree, blobs, None).ok()?.release;
    let menu = MENUS.iter().find_map(|path| Some((*path, path::read(tree, blobs, path.as_bytes()).ok()??)));
    let (path, text) = menu?;
    let text = String::from_utf8_lossy(&text);
    // With `blscfg` the entries are files of their own (Boot Loader Specification).
    let known = text.contains(&release) || text.contains("blscfg");
    (!known).then(|| {
        format!("GRUB starts what `{path}` names, and that is not the newest kernel, {release}: write it by `[[run]]`, or with `[[file]]`")
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
