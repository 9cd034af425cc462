//! A root file system grows online in a guest, from 2 GiB up to 1 TiB, and is clean afterwards.
//!
//! In a guest, because growing a mounted file system needs a capability that the machines of CI do not have.

use std::path::{Path, PathBuf};
use std::time::Duration;

use amiforge_tests::guest::Guest;
use amiforge_tests::program::Bundle;
use amiforge_tests::{oracle, scratch};

/// The guest's init: grows the mounted root, uses the new space, and powers off.
const INIT: &str = r"#!/bin/sh
mount -t proc proc /proc
mount -t devtmpfs dev /dev
echo BEFORE $(stat -f -c '%b' /)
resize2fs /dev/nvme0n1p2 && echo RESIZED
echo AFTER $(stat -f -c '%b' /)
dd if=/dev/zero of=/filled bs=1M count=64 conv=fsync 2>/dev/null && echo WRITTEN
sync
for try in 1 2 3 4 5; do mount -n -o remount,ro /dev/nvme0n1p2 / && echo READONLY && break; sleep 1; done
echo o > /proc/sysrq-trigger
sleep 60
";

fn recipe(folder: &Path, tar: &Path) -> PathBuf {
    std::fs::write(folder.join("init.sh"), INIT).unwrap();
    let text = format!(
        r#"
[image]
name = "growth"
version = "1"
arch = "x86_64"

[disk]
size = "2 GiB"

[[source]]
kind = "tar"
path = "{}"

[[file]]
path = "/growth-init"
source = "init.sh"
mode = "0755"
"#,
        tar.display()
    );
    let path = folder.join("recipe.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// The kernel of a root tar, extracted by GNU tar.
fn kernel(tar: &Path, folder: &Path) -> PathBuf {
    let archive = tar.to_string_lossy();
    let names = oracle::must("tar", &["-tf", &archive, "--wildcards", "./boot/vmlinuz-*"]);
    let name = names.lines().next().expect("a kernel in the tar");
    oracle::must("tar", &["-xf", &archive, "-C", &folder.to_string_lossy(), name]);
    folder.join(name)
}

/// Enlarges the disk and its last partition, as the first boot on a larger volume does.
fn enlarge(disk: &Path, gib: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(disk).unwrap();
    file.set_len(gib << 30).unwrap();
    drop(file);
    let disk = disk.to_string_lossy();
    oracle::must("sgdisk", &["-e", &disk]);
    let script = format!("echo ', +' | sfdisk --no-reread --no-tell-kernel -N 2 '{disk}'");
    oracle::must("sh", &["-c", &script]);
}

#[test]
fn the_mounted_root_grows_in_a_guest_and_stays_clean() {
    if !oracle::ready(&["qemu-system-x86_64", "sgdisk", "sfdisk", "e2fsck", "tar"], false) {
        return;
    }
    let Some(tar) = scratch::input("min.tar") else { return };
    let folder = scratch::folder();
    let kernel = kernel(&tar, folder.path());
    let bundle = Bundle::build(&recipe(folder.path(), &tar), &folder.path().join("out"));
    let root = bundle.partition("ext4");
    assert_eq!(root.number, 2);
    for gib in [8, 64, 1024] {
        let disk = folder.path().join("grown.raw");
        oracle::must("cp", &["--sparse=always", &bundle.image().to_string_lossy(), &disk.to_string_lossy()]);
        enlarge(&disk, gib);
        let guest = Guest {
            kernel: &kernel,
            initrd: None,
            disk: &disk,
            other_disk: None,
            cmdline: "root=/dev/nvme0n1p2 rootwait rw init=/growth-init",
            timeout: Duration::from_secs(400),
        };
        let console = guest.run(&folder.path().join("console"));
        for word in ["RESIZED", "WRITTEN", "READONLY"] {
            assert!(console.contains(word), "{gib} GiB: no {word} in\n{console}");
        }
        let blocks = |word: &str| -> u64 {
            let line = console.lines().find_map(|line| line.trim().strip_prefix(word)).expect("a count");
            line.trim().parse().expect("a number")
        };
        let (before, after) = (blocks("BEFORE") << 12, blocks("AFTER") << 12);
        println!("grown from {} MiB to {} MiB on a disk of {gib} GiB", before >> 20, after >> 20);
        assert!(after > (gib << 30) / 100 * 95, "only {after} bytes of {gib} GiB are usable");
        let target = format!("{}?offset={}", disk.display(), root.start);
        oracle::must("e2fsck", &["-fn", &target]);
    }
}
