//! A disk that tools of others make: a GPT or an MBR, an ESP, a `/boot` and a root whose fstab mounts them.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_formats::tree::NodeKind;
use amiforge_rootfs::assemble::{AssembleError, Assembled};
use amiforge_rootfs::sources::{SourceKind, SourceSpec};
use amiforge_store::blobs::Blobs;
use amiforge_store::digests;

use crate::archive::{assembled, error_chain, spec};

pub(crate) const MIB: u64 = 1 << 20;

/// Where the partitions are: start and length.
pub(crate) const ESP: (u64, u64) = (MIB, 8 * MIB);
pub(crate) const BOOT: (u64, u64) = (9 * MIB, 8 * MIB);
pub(crate) const ROOT: (u64, u64) = (17 * MIB, 40 * MIB);

/// Runs a tool; `false` and a printed `SKIP` when it is not installed.
pub(crate) fn run(tool: &str, args: &[&str]) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    match Command::new(tool).args(args).env("PATH", format!("{path}:/usr/sbin:/sbin")).output() {
        Ok(done) => {
            let text = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(done.status.success(), "{tool} {args:?}: {text}");
            true
        }
        Err(error) => {
            assert!(std::env::var_os("REQUIRE_ORACLES").is_none(), "{tool}: {error}");
            println!("SKIP: {tool}: {error}");
            false
        }
    }
}

/// The files of the root: links, holes, odd modes and a long name.
pub(crate) fn root_files(folder: &Path, fstab: &str) -> PathBuf {
    let root = folder.join("root");
    for name in ["etc", "usr/bin", "boot/efi", "var/lib/x", "home"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::write(root.join("etc/fstab"), fstab).unwrap();
    fs::write(root.join("etc/os-release"), "ID=sample\n").unwrap();
    let noise: Vec<u8> = (0..3_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(root.join("usr/bin/large"), &noise).unwrap();
    fs::write(root.join("usr/bin/text"), "the same line\n".repeat(50_000)).unwrap();
    fs::write(root.join("usr/bin/empty"), "").unwrap();
    fs::hard_link(root.join("usr/bin/text"), root.join("usr/bin/linked")).unwrap();
    fs::write(root.join("usr/bin").join("n".repeat(200)), "long").unwrap();
    fs::set_permissions(root.join("usr/bin/large"), fs::Permissions::from_mode(0o4755)).unwrap();
    symlink("usr/bin", root.join("bin")).unwrap();
    symlink("a/".repeat(50), root.join("var/lib/x/slow")).unwrap();
    let sparse = File::create(root.join("var/lib/x/sparse")).unwrap();
    sparse.set_len(9 * MIB).unwrap();
    sparse.write_all_at(b"in the middle", 5 * MIB + 100).unwrap();
    root
}

/// Makes an ext4 file system of a folder in a file.
pub(crate) fn ext4(folder: &Path, out: &Path, len: u64, options: &[&str]) -> bool {
    File::create(out).unwrap().set_len(len).unwrap();
    let (folder, out) = (folder.to_str().unwrap(), out.to_str().unwrap());
    run("mkfs.ext4", &[&["-q", "-F", "-d", folder], options, &[out]].concat())
}

/// Copies a file to an offset of another.
pub(crate) fn put(disk: &Path, at: u64, part: &Path) {
    File::options().write(true).open(disk).unwrap().write_all_at(&fs::read(part).unwrap(), at).unwrap();
}

/// The table of a disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    Gpt,
    Dos,
}

/// Makes the disk; `None` when a tool is missing.
pub(crate) fn disk(folder: &Path, label: Label, fstab: &str) -> Option<PathBuf> {
    let root = root_files(folder, fstab);
    let boot = folder.join("boot");
    fs::create_dir_all(&boot).unwrap();
    fs::write(boot.join("vmlinuz-1"), "kernel").unwrap();
    fs::create_dir_all(boot.join("efi")).unwrap();
    let part = |name: &str| folder.join(name);
    let disk = part("disk.raw");
    File::create(&disk).unwrap().set_len(60 * MIB).unwrap();
    let path = disk.to_str().unwrap();
    let made = match label {
        Label::Gpt => run(
            "sgdisk",
            &[
                "-n1:2048:+8M",
                "-t1:ef00",
                "-u1:11111111-1111-1111-1111-111111111111",
                "-n2:18432:+8M",
                "-c2:boot",
                "-n3:34816:+40M",
                path,
            ],
        ),
        Label::Dos => {
            let script = part("script");
            fs::write(
                &script,
                "label: dos\nlabel-id: 0x0000abcd\nstart=2048, size=16384, type=ef\n\
                start=18432, size=16384, type=83\nstart=34816, size=81920, type=83\n",
            )
            .unwrap();
            run("sh", &["-c", &format!("sfdisk -q {path} < {}", script.display())])
        }
    };
    let esp = part("esp");
    File::create(&esp).unwrap().set_len(ESP.1).unwrap();
    let made = made
        && run("mkfs.fat", &["-i", "abcd1234", esp.to_str().unwrap()])
        && ext4(&boot, &part("boot.ext4"), BOOT.1, &["-L", "boot"])
        && ext4(&root, &part("root.ext4"), ROOT.1, &["-U", "22222222-2222-2222-2222-222222222222"]);
    if !made {
        return None;
    }
    let loader = part("loader");
    fs::write(&loader, "loader").unwrap();
    if !run("mcopy", &["-i", esp.to_str().unwrap(), loader.to_str().unwrap(), "::BOOTX64.EFI"]) {
        return None;
    }
    for (at, file) in [(ESP.0, esp), (BOOT.0, part("boot.ext4")), (ROOT.0, part("root.ext4"))] {
        put(&disk, at, &file);
    }
    Some(disk)
}

/// A disk image as a source.
pub(crate) fn image(path: &Path, partition: Option<&str>) -> SourceSpec {
    spec(
        "source 1",
        SourceKind::Image { path: path.to_owned(), partition: partition.map(str::to_owned), keep: false },
    )
}

/// Every name with its metadata, and the digest of its content.
pub(crate) fn listing(assembled: &Assembled, blobs: &Blobs) -> Vec<String> {
    let mut first = std::collections::BTreeMap::new();
    let entries = assembled.tree.walk().map(|entry| {
        let node = assembled.tree.node(entry.id);
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        let held = first.entry(entry.id).or_insert_with(|| path.clone()).clone();
        let what = match &node.kind {
            NodeKind::File(content) => {
                format!("{} {}", content.len(), digests::of(content, blobs).unwrap().sha256)
            }
            NodeKind::Symlink(target) => String::from_utf8_lossy(target).into_owned(),
            _ => String::new(),
        };
        let meta = &node.meta;
        let owner = (meta.uid, meta.gid);
        format!("{path} {} {:o} {owner:?} {} {what} {held}", node.kind.word(), meta.mode, meta.mtime.secs)
    });
    entries.collect()
}

/// The tree of an image, whose inputs are as they should be.
pub(crate) fn read(spec: SourceSpec, scratch: &Path) -> Result<(Assembled, Blobs), AssembleError> {
    assembled(&[spec], scratch)
}

/// What is said of an image that is refused.
pub(crate) fn refused(spec: SourceSpec, scratch: &Path) -> String {
    error_chain(&read(spec, scratch).expect_err("it is refused"))
}
