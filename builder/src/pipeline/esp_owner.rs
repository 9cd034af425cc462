//! The package whose file firmware would start after its next upgrade: `shim-x64` of Fedora's kin brings `EFI/BOOT/BOOTX64.EFI` as a
//! file of its own, in whose place the image has what its recipe boots by.

use amiforge_formats::tree::Tree;
use amiforge_packages::PackageKind;
use amiforge_store::blobs::Blobs;

use crate::recipe::Recipe;

/// Where packages put files of the EFI system partition.
const MOUNT: &str = "boot/efi";

/// A warning about the package that owns the file which firmware starts; nothing where none does, or the database cannot be read.
pub(super) fn warning(recipe: &Recipe, tree: &Tree, blobs: &Blobs) -> Option<String> {
    let path = format!("{MOUNT}/EFI/BOOT/{}", recipe.image.arch.firmware().default);
    tree.lookup(path.as_bytes())?;
    let package = PackageKind::ALL.into_iter().find_map(|kind| {
        let owned = kind.format().owned(tree, blobs).ok()?;
        let is_it = |one: &Vec<u8>| one.strip_prefix(b"/").unwrap_or(one) == path.as_bytes();
        owned.into_iter().find(|one| one.paths.iter().any(is_it)).map(|one| one.package.0)
    })?;
    Some(format!(
        "the package {package} owns `/{path}`, in whose place the image has its own loader: an upgrade of the package in a machine \
         would put it back, and the machine would start that; leave it out by `without = [\"{package}\"]`"
    ))
}
