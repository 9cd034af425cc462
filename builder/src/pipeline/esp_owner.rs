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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use amiforge_formats::time::Time;
    use amiforge_formats::tree::{Content, Meta, Name, Node, NodeKind};

    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        for (path, text) in files {
            let mut at = tree.root();
            let (folders, name) = path.rsplit_once('/').unwrap();
            for folder in folders.split('/') {
                let known = tree.child(at, folder.as_bytes());
                let node = || Node { meta: Meta::root_owned(0o755, Time::EPOCH), kind: NodeKind::dir() };
                at = known
                    .unwrap_or_else(|| tree.add(at, Name::new(folder.as_bytes()).unwrap(), node()).unwrap());
            }
            let kind = NodeKind::File(Content::Inline(text.as_bytes().into()));
            let node = Node { meta: Meta::root_owned(0o644, Time::EPOCH), kind };
            tree.add(at, Name::new(name.as_bytes()).unwrap(), node).unwrap();
        }
        tree
    }

    const STATUS: (&str, &str) = (
        "var/lib/dpkg/status",
        "Package: shim-x64\nStatus: install ok installed\nVersion: 15.8\nArchitecture: amd64\n",
    );
    const LIST: (&str, &str) =
        ("var/lib/dpkg/info/shim-x64.list", "/.\n/boot\n/boot/efi/EFI/BOOT/BOOTX64.EFI\n");
    const LOADER: (&str, &str) = ("boot/efi/EFI/BOOT/BOOTX64.EFI", "MZ");

    #[test]
    fn the_package_that_would_put_its_own_loader_back_is_named_and_others_are_not() {
        let recipe = |arch: &str| {
            let text = format!(
                "[image]\nname = \"web\"\narch = \"{arch}\"\n[boot]\n[[source]]\nkind = \"dir\"\npath = \"root\"\n"
            );
            Recipe::parse(&text, Path::new("recipe.toml")).unwrap()
        };
        let said = |arch: &str, files: &[(&str, &str)]| warning(&recipe(arch), &tree(files), &Blobs::new());
        let text = said("x86_64", &[STATUS, LIST, LOADER]).unwrap();
        assert!(text.contains("the package shim-x64 owns `/boot/efi/EFI/BOOT/BOOTX64.EFI`"), "{text}");
        assert!(text.contains("`without = [\"shim-x64\"]`"), "{text}");
        // No package owns the file, the package has not unpacked it, or firmware of this machine starts another one.
        assert_eq!(said("x86_64", &[STATUS, LOADER]), None);
        assert_eq!(said("x86_64", &[STATUS, LIST]), None);
        assert_eq!(said("aarch64", &[STATUS, LIST, LOADER]), None);
    }
}
