//! Disk images as sources: judged by tar, which packs the same files, and by `qemu-img`, which converts the same disk.

mod fixture;
mod refusals;

use std::fs;

use amiforge_formats::digest::Digest;
use amiforge_rootfs::sources::DigestPin;

use self::fixture::{Label, ROOT, disk, image, listing, read, refused, root_files, run};
use crate::archive::tar_spec;

const FSTAB: &str = "# made by a test\nUUID=22222222-2222-2222-2222-222222222222 / ext4 defaults 0 1\n\
                     LABEL=boot /boot ext4 defaults 0 2\nPARTUUID=11111111-1111-1111-1111-111111111111 /boot/efi vfat \
                     umask=0077 0 1\nUUID=none-of-this-disk /data ext4 nofail 0 2\n/dev/vdb1 /srv ext4 defaults 0 2\n";

#[test]
fn a_disk_of_other_tools_gives_the_tree_that_tar_gives() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(folder.path(), Label::Gpt, FSTAB) else { return };
    let (assembled, blobs) = read(image(&disk, None), folder.path()).unwrap();
    let found = listing(&assembled, &blobs);
    let archive = folder.path().join("root.tar");
    let root = folder.path().join("root");
    if !run(
        "tar",
        &["-C", root.to_str().unwrap(), "--numeric-owner", "-S", "-cf", archive.to_str().unwrap(), "."],
    ) {
        return;
    }
    let (packed, packed_blobs) = read(tar_spec(&archive), folder.path()).unwrap();
    let own = |line: &&String| {
        let path = line.split(' ').next().unwrap_or_default();
        // The root's time is that of the file system; what is mounted is compared below.
        !path.is_empty() && path != "lost+found" && !path.starts_with("boot")
    };
    let expected = listing(&packed, &packed_blobs);
    assert_eq!(found.iter().filter(own).collect::<Vec<_>>(), expected.iter().filter(own).collect::<Vec<_>>());
    assert!(expected.iter().filter(own).count() > 15);

    let text = found.join("\n");
    for (path, bytes) in [("boot/vmlinuz-1", "kernel"), ("boot/efi/BOOTX64.EFI", "loader")] {
        let end = format!(" 6 {} {path}", Digest::of(bytes.as_bytes()));
        assert!(
            found.iter().any(|line| line.starts_with(&format!("{path} file")) && line.ends_with(&end)),
            "{text}"
        );
    }
    // One mount is missing and may be, of the other one is warned.
    assert_eq!(assembled.warnings.len(), 1, "{:?}", assembled.warnings);
    assert!(assembled.warnings[0].contains("mounts `/dev/vdb1` at `/srv`"), "{:?}", assembled.warnings);
    let input = &assembled.inputs[0];
    assert_eq!((input.kind, input.size, input.sha256), ("image", 60 << 20, None));
}

#[test]
fn every_container_of_a_disk_gives_the_same_tree_and_compressed_files_are_unpacked_once() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(folder.path(), Label::Gpt, FSTAB) else { return };
    let (assembled, blobs) = read(image(&disk, Some("3")), folder.path()).unwrap();
    let expected = listing(&assembled, &blobs);
    let variants: [(&str, &[&str]); 6] = [
        ("plain.qcow2", &["-O", "qcow2"]),
        ("packed.qcow2", &["-c", "-O", "qcow2"]),
        ("zstd.qcow2", &["-c", "-O", "qcow2", "-o", "compression_type=zstd"]),
        ("stream.vmdk", &["-O", "vmdk", "-o", "subformat=streamOptimized"]),
        ("dynamic.vhd", &["-O", "vpc", "-o", "force_size=on"]),
        ("dynamic.vhdx", &["-O", "vhdx"]),
    ];
    for (name, options) in variants {
        let file = folder.path().join(name);
        let (from, to) = (disk.to_str().unwrap(), file.to_str().unwrap());
        if !run("qemu-img", &[&["convert", "-f", "raw"], options, &[from, to]].concat()) {
            return;
        }
        let digest = Digest::of(&fs::read(&file).unwrap());
        let mut spec = image(&file, None);
        for pin in [DigestPin::Unpinned, DigestPin::Exact(digest), DigestPin::Record] {
            spec.pin = pin;
            let (assembled, blobs) = read(spec.clone(), folder.path()).unwrap();
            assert!(listing(&assembled, &blobs) == expected, "{name}");
            let packed = options.contains(&"-c") || name.starts_with("stream");
            let known = packed || pin != DigestPin::Unpinned;
            assert_eq!(assembled.inputs[0].sha256, known.then_some(digest), "{name}");
        }
        spec.pin = DigestPin::Exact(Digest::of(b"another"));
        assert!(refused(spec, folder.path()).contains("sha256"), "{name}");
    }
    let entries = fs::read_dir(folder.path().join("store")).unwrap().count();
    assert_eq!(entries, 3, "one entry for each compressed container");
}

#[test]
fn an_mbr_and_a_disk_without_a_table_are_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let fstab = "PARTUUID=0000abcd-02 /boot ext4 defaults 0 2\n/dev/sda1 /boot/efi vfat defaults 0 1\n";
    let Some(disk) = disk(folder.path(), Label::Dos, fstab) else { return };
    let (assembled, blobs) = read(image(&disk, None), folder.path()).unwrap();
    let found = listing(&assembled, &blobs);
    assert!(found.iter().any(|line| line.starts_with("boot/vmlinuz-1 ")));
    assert!(found.iter().any(|line| line.starts_with("boot/efi/BOOTX64.EFI ")));
    assert!(assembled.warnings.is_empty(), "{:?}", assembled.warnings);
    let (bare, bare_blobs) = read(image(&folder.path().join("root.ext4"), None), folder.path()).unwrap();
    let bare_listing = listing(&bare, &bare_blobs);
    assert!(bare_listing.iter().any(|line| line.starts_with("usr/bin/large file 4755 ")));
    assert_eq!(bare.warnings.len(), 2, "its fstab mounts two partitions: {:?}", bare.warnings);
}

#[test]
fn prefix_exclude_and_override_work_as_for_other_sources() {
    let folder = tempfile::tempdir().unwrap();
    let root = root_files(folder.path(), "");
    let file = folder.path().join("root.ext4");
    if !fixture::ext4(&root, &file, ROOT.1, &[]) {
        return;
    }
    let mut spec = image(&file, None);
    spec.exclude = vec!["usr/bin/large".to_owned(), "lost+found".to_owned()];
    spec.prefix = "/opt/base".to_owned();
    let (assembled, _) = read(spec, folder.path()).unwrap();
    assert!(assembled.tree.lookup(b"opt/base/usr/bin/text").is_some());
    assert!(assembled.tree.lookup(b"opt/base/usr/bin/large").is_none());
    assert!(assembled.tree.lookup(b"opt/base/lost+found").is_none());
}
