//! Merged `/usr`: which folders of the root are links into it before the first package is unpacked.

use amiforge_formats::tree::{Node, NodeKind};

use super::read::ReadPackage;
use amiforge_rootfs::sources::tar::TarEntry;

/// The names that debootstrap links, by architecture (its `setup_merged_usr`). Where base-files has the links itself,
/// as from Debian 13 on, there are none to make.
pub(super) fn links(packages: &[&ReadPackage]) -> &'static [&'static str] {
    let base = packages.iter().copied().find(|read| read.package.locked.name == "base-files");
    if base.is_some_and(|base| base.entries.iter().any(is_link_of_bin)) {
        return &[];
    }
    let arch = |read: &&ReadPackage| read.package.locked.arch != "all";
    let native = base.filter(arch).or_else(|| packages.iter().copied().find(arch));
    match native.map_or("all", |read| read.package.locked.arch.as_str()) {
        "amd64" | "x32" => &["bin", "sbin", "lib", "lib32", "lib64", "libx32"],
        "i386" => &["bin", "sbin", "lib", "lib64", "libx32"],
        "mips" | "mipsel" | "ppc64" | "sparc64" => &["bin", "sbin", "lib", "lib32", "lib64"],
        "mips64" | "mips64el" => &["bin", "sbin", "lib", "lib32", "lib64", "libo32"],
        "loong64" | "powerpc" | "ppc64el" | "sparc" => &["bin", "sbin", "lib", "lib64"],
        "s390x" => &["bin", "sbin", "lib", "lib32"],
        _ => &["bin", "sbin", "lib"],
    }
}

fn is_link_of_bin((path, entry): &(Vec<u8>, TarEntry)) -> bool {
    path == b"bin" && matches!(entry, TarEntry::Node(Node { kind: NodeKind::Symlink(_), .. }))
}
