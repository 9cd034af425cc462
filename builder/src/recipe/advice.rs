//! The recipe's options for the names that other tools use.

/// What is wrong with a key that stands in a table and means something else above the first.
pub(super) fn misplaced(key: &str, value: Option<&str>) -> Option<&'static str> {
    (key == "boot" && value == Some("keep")).then_some("`boot = \"keep\"` stands above the first table")
}

/// A message with the right option for a name that other tools use; `None` if the nearest option is the better
/// suggestion.
pub(super) fn replacement(key: &str, option: &str) -> Option<&'static str> {
    let advice = match (key, option.to_ascii_lowercase().as_str()) {
        ("arch", "amd64" | "x64" | "x86-64" | "x86") => "write `x86_64`",
        ("arch", "arm64" | "arm" | "armv8") => "write `aarch64`",
        ("kind", "docker" | "podman" | "container" | "containerd") => {
            "write `oci` for an image (what `docker save`, `podman save` or `skopeo copy … oci:DIR` write), `tar` for \
             what `docker export` writes"
        }
        ("kind", "rootfs" | "archive" | "tgz" | "tar.gz" | "tarball") => "write `tar`, compressed or not",
        ("kind", "disk" | "raw" | "img" | "qcow2" | "vmdk" | "vhd" | "vhdx" | "ami" | "snapshot") => {
            "write `image`, with `path`, `snapshot` or `ami`"
        }
        ("kind", "folder" | "directory" | "local" | "path") => "write `dir`",
        ("kind", "apt" | "debian" | "ubuntu" | "debootstrap" | "mmdebstrap") => "write `deb`",
        ("kind", "dnf" | "yum" | "amazon" | "amazonlinux" | "fedora" | "centos" | "rhel") => "write `rpm`",
        ("role", "boot" | "/boot") => {
            "`/boot` needs no partition: it lies in the root; what UEFI starts lies in a partition of role `esp`, what a \
             legacy BIOS starts in one of role `bios-boot`"
        }
        ("role", "efi" | "uefi" | "system") => "write `esp`",
        ("role", "bios" | "grub" | "bios_grub" | "bios-grub") => "write `bios-boot`",
        ("role", "home" | "var" | "srv" | "opt" | "tmp" | "usr") => "write `data`, with `mount` and `size`",
        ("fs", "xfs" | "btrfs" | "ext3" | "ext2" | "zfs" | "f2fs") => {
            "write `ext4`, which EC2's kernels all have"
        }
        ("fs", "squashfs" | "squash" | "romfs" | "cramfs") => "write `erofs`, which is read-only too",
        ("fs", "vfat" | "fat" | "fat16" | "msdos") => "write `fat32`",
        _ => return None,
    };
    Some(advice)
}
