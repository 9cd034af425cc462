//! Pairs of images with one change each: `diff` has to name exactly that change.
//!
//! Images are made and changed by tools that others wrote: mke2fs, debugfs, tune2fs, sgdisk, mtools, mkswap, dd.
#![expect(
    clippy::unwrap_used,
    clippy::semicolon_if_nothing_returned,
    reason = "a test fails where it cannot go on; cases are one call each"
)]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use amiforge_image::diff::{DiffOptions, DiffReport, diff};
use amiforge_progress::Interrupt;
use amiforge_progress::Silent;
use amiforge_tests::{oracle, scratch};

/// First byte and length of the partitions of the sample disk.
const ESP: (u64, u64) = (1 << 20, 34 << 20);
const ROOT: (u64, u64) = (35 << 20, 16 << 20);
const SWAP: (u64, u64) = (51 << 20, 1 << 20);

/// The time of everything in the samples.
const TIME: &str = "1700000000";

/// Runs a tool that must succeed, at a fixed time where it lets itself be told one.
fn tool(name: &str, args: &[&str]) -> String {
    let program = oracle::find(name).unwrap_or_else(|| PathBuf::from(name));
    let output = std::process::Command::new(program)
        .args(args)
        .env("SOURCE_DATE_EPOCH", TIME)
        .env("E2FSPROGS_FAKE_TIME", TIME)
        .env("MTOOLS_SKIP_CHECK", "1")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {args:?}: {error}");
    format!("{}{error}", String::from_utf8_lossy(&output.stdout))
}

/// Makes the files of the sample's root.
fn files(folder: &Path) -> PathBuf {
    let root = folder.join("files");
    std::fs::create_dir_all(root.join("etc")).unwrap();
    std::fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    std::fs::write(root.join("big"), vec![7; 300_000]).unwrap();
    std::fs::write(root.join("gone"), "soon\n").unwrap();
    std::os::unix::fs::symlink("big", root.join("link")).unwrap();
    std::fs::hard_link(root.join("gone"), root.join("also")).unwrap();
    tool("find", &[root.to_str().unwrap(), "-exec", "touch", "-h", "-d", &format!("@{TIME}"), "{}", "+"]);
    root
}

/// Makes one partition's file system and puts it into the disk.
fn put(disk: &Path, (start, len): (u64, u64), make: impl FnOnce(&str)) {
    let part = disk.with_extension("part");
    File::create(&part).unwrap().set_len(len).unwrap();
    make(part.to_str().unwrap());
    let bytes = std::fs::read(&part).unwrap();
    OpenOptions::new().write(true).open(disk).unwrap().write_all_at(&bytes, start).unwrap();
    std::fs::remove_file(part).unwrap();
}

/// The sample: GPT, a FAT32 ESP, an ext4 root and a swap area.
fn sample(folder: &Path) -> PathBuf {
    let disk = folder.join("a.raw");
    let root = files(folder);
    File::create(&disk).unwrap().set_len(56 << 20).unwrap();
    let guid = |last: u8| format!("11111111-2222-3333-4444-5555555555{last:02x}");
    let (esp, ext4, swap) = (ESP.0 / 512, ROOT.0 / 512, SWAP.0 / 512);
    tool(
        "sgdisk",
        &[
            "-a1",
            "-U",
            &guid(0),
            "-n",
            &format!("1:{esp}:+34M"),
            "-t1:ef00",
            "-c1:ESP",
            "-u",
            &format!("1:{}", guid(1)),
            "-n",
            &format!("2:{ext4}:+16M"),
            "-t2:8304",
            "-c2:root",
            "-u",
            &format!("2:{}", guid(2)),
            "-n",
            &format!("3:{swap}:+1M"),
            "-t3:8200",
            "-c3:swap",
            "-u",
            &format!("3:{}", guid(3)),
            disk.to_str().unwrap(),
        ],
    );
    put(&disk, ESP, |part| {
        tool("mkfs.fat", &["-F32", "-s1", "-i", "12345678", "-n", "ESP", "--invariant", part]);
        tool("mmd", &["-i", part, "::/EFI"]);
        tool("mcopy", &["-m", "-i", part, root.join("etc/hosts").to_str().unwrap(), "::/EFI/hosts.txt"]);
        tool("mcopy", &["-m", "-i", part, root.join("gone").to_str().unwrap(), "::/gone"]);
    });
    put(&disk, ROOT, |part| {
        let id = "-Uaaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
        let seed = "hash_seed=aaaaaaaa-bbbb-cccc-dddd-ffffffffffff,root_owner=0:0,lazy_itable_init=0";
        let root = root.to_str().unwrap();
        tool("mke2fs", &["-q", "-Fb4096", "-text4", "-Lroot", id, "-E", seed, "-d", root, part]);
    });
    put(&disk, SWAP, |part| {
        tool("mkswap", &["-q", "-U", "99999999-bbbb-cccc-dddd-eeeeeeeeeeee", "-L", "swap", part]);
    });
    disk
}

/// Compares two images.
fn compared(a: &Path, b: &Path) -> DiffReport {
    let interrupt = Interrupt::new();
    diff(a, b, DiffOptions { threads: 2, progress: &Silent, interrupt: &interrupt }).unwrap()
}

/// A change of the sample, and the lines that must name it: parts that each line has to hold, in order.
type Case = (&'static str, fn(&Path), &'static [&'static str]);

/// Changes a file system of the sample with a tool that needs it in a file of its own.
fn within(disk: &Path, (start, len): (u64, u64), change: impl FnOnce(&str)) {
    let part = disk.with_extension("part");
    let file = OpenOptions::new().read(true).write(true).open(disk).unwrap();
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, start).unwrap();
    std::fs::write(&part, &bytes).unwrap();
    change(part.to_str().unwrap());
    file.write_all_at(&std::fs::read(&part).unwrap(), start).unwrap();
    std::fs::remove_file(part).unwrap();
}

/// Runs debugfs on the root.
fn debugfs(disk: &Path, command: &str) {
    within(disk, ROOT, |part| {
        tool("debugfs", &["-w", "-R", command, part]);
    });
}

/// Runs tune2fs on the root.
fn tune2fs(disk: &Path, args: &[&str]) {
    within(disk, ROOT, |part| {
        tool("tune2fs", &[args, &[part]].concat());
    });
}

/// Runs sgdisk on the disk.
fn sgdisk(disk: &Path, args: &[&str]) {
    tool("sgdisk", &[args, &[disk.to_str().unwrap()]].concat());
}

/// Overwrites bytes.
fn poke(disk: &Path, at: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(disk).unwrap().write_all_at(bytes, at).unwrap();
}

/// First byte of the first block of a file of the root.
fn block_of(disk: &Path, path: &str) -> u64 {
    let mut at = 0;
    within(disk, ROOT, |part| {
        let said = tool("debugfs", &["-R", &format!("blocks {path}"), part]);
        let block = said.split_whitespace().find_map(|word| word.parse::<u64>().ok());
        at = ROOT.0 + block.unwrap() * 4096;
    });
    at
}

const CASES: &[Case] = &[
    (
        "disk-guid",
        |d| sgdisk(d, &["-U", "11111111-2222-3333-4444-5555555555ff"]),
        &["GPT header: DiskGUID: "],
    ),
    ("mbr-boot-code", |d| poke(d, 10, b"\xfa"), &["MBR: boot code: "]),
    ("partition-name", |d| sgdisk(d, &["-c2:rootfs"]), &["partition 2 `root`: name: `root` → `rootfs`"]),
    (
        "partition-type",
        |d| sgdisk(d, &["-t2:8300"]),
        &["partition 2 `root`: type: root-x86-64 → linux-generic"],
    ),
    (
        "partition-guid",
        |d| sgdisk(d, &["-u", "2:11111111-2222-3333-4444-5555555555fe"]),
        &["partition 2 `root`: guid: 11111111-2222-3333-4444-555555555502 → "],
    ),
    (
        "partition-attribute",
        |d| sgdisk(d, &["-A", "2:set:59"]),
        &["partition 2 `root`: attributes: none → growfs"],
    ),
    (
        "partition-removed",
        |d| sgdisk(d, &["-d3"]),
        &["partition 3 `swap`: partition: only in the first: swap of 1048576 bytes"],
    ),
    (
        "partition-added",
        |d| {
            sgdisk(d, &["-n4:106496:+1M", "-t4:8300", "-c4:more", "-u4:11111111-2222-3333-4444-555555555504"])
        },
        &["partition 4 `more`: partition: only in the second: linux-generic of 1048576 bytes"],
    ),
    (
        "partition-resized",
        |d| {
            sgdisk(
                d,
                &[
                    "-a1",
                    "-d3",
                    "-n3:104448:+2M",
                    "-t3:8200",
                    "-c3:swap",
                    "-u3:11111111-2222-3333-4444-555555555503",
                ],
            )
        },
        &["partition 3 `swap`: size: 1048576 → 2097152"],
    ),
    (
        "backup-header-damaged",
        |d| poke(d, (56 << 20) - 512 + 20, b"\x01"),
        &["backup GPT header: Reserved: 0 → 1"],
    ),
    (
        "gap-byte",
        |d| poke(d, 512 * 40, b"x"),
        &["bytes 17408 to 1048575 in no partition: bytes: 1 byte differs at 3072"],
    ),
    ("ext4-label", |d| tune2fs(d, &["-L", "other"]), &["ext4 › superblock: s_volume_name: `root` → `other`"]),
    (
        "ext4-uuid",
        |d| tune2fs(d, &["-f", "-U", "aaaaaaaa-bbbb-cccc-dddd-000000000000"]),
        &[
            "ext4 › superblock: s_uuid: aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee → aaaaaaaa-bbbb-cccc-dddd-000000000000",
            "superblock: s_kbytes_written: ",
        ],
    ),
    ("ext4-max-mount-count", |d| tune2fs(d, &["-c", "33"]), &["superblock: s_max_mnt_count: 65535 → 33"]),
    ("ext4-reserved", |d| tune2fs(d, &["-r", "7"]), &["superblock: s_r_blocks_count_lo: 204 → 7"]),
    ("ext4-error-behaviour", |d| tune2fs(d, &["-e", "panic"]), &["superblock: s_errors: 1 → 3"]),
    (
        "ext4-hash-seed",
        |d| debugfs(d, "ssv hash_seed aaaaaaaa-bbbb-cccc-dddd-000000000000"),
        &["superblock: s_hash_seed: aaaaaaaa-bbbb-cccc-dddd-ffffffffffff → "],
    ),
    (
        "inode-mtime",
        |d| debugfs(d, "sif etc/hosts mtime @1700000001"),
        &["/etc/hosts: mtime: 2023-11-14T22:13:20Z → 2023-11-14T22:13:21Z"],
    ),
    ("inode-ctime", |d| debugfs(d, "sif etc/hosts ctime @1700000001"), &["/etc/hosts: ctime: "]),
    ("inode-crtime", |d| debugfs(d, "sif etc/hosts crtime @1700000001"), &["/etc/hosts: crtime: "]),
    ("inode-mode", |d| debugfs(d, "sif etc/hosts mode 0100600"), &["/etc/hosts: mode: 0644 → 0600"]),
    ("inode-uid", |d| debugfs(d, "sif etc/hosts uid 70000"), &["/etc/hosts: uid: 0 → 70000"]),
    ("inode-gid", |d| debugfs(d, "sif big gid 5"), &["/big: gid: 0 → 5"]),
    ("inode-generation", |d| debugfs(d, "sif etc/hosts generation 77"), &["/etc/hosts: i_generation: "]),
    (
        "inode-flags",
        |d| debugfs(d, "sif etc/hosts flags 0x80010"),
        &["/etc/hosts: i_flags: 0x80000 → 0x80010"],
    ),
    (
        "xattr-added",
        |d| debugfs(d, "ea_set etc/hosts user.x y"),
        &["/etc/hosts: xattr user.x: only in the second: 79"],
    ),
    ("file-added", |d| debugfs(d, "write /etc/hostname etc/new"), &["/etc/new: path: only in the second: "]),
    (
        "file-removed",
        |d| debugfs(d, "rm etc/hosts"),
        &["/etc/hosts: path: only in the first: -rw-r--r-- 0:0 file of 20 bytes"],
    ),
    ("folder-added", |d| debugfs(d, "mkdir etc/x"), &["/etc/x: path: only in the second: "]),
    ("device-added", |d| debugfs(d, "mknod null c 1 3"), &["/null: path: only in the second: "]),
    (
        "hard-link-added",
        |d| {
            debugfs(d, "ln big bigger");
            debugfs(d, "sif big links_count 2");
        },
        &["/bigger: path: only in the second: "],
    ),
    (
        "content",
        |d| poke(d, block_of(d, "/big") + 5000, b"\x08\x09"),
        &["/big: content: 2 bytes differ at 5000: 0707 → 0809"],
    ),
    (
        "slack",
        |d| poke(d, block_of(d, "/etc/hosts") + 100, b"zz"),
        &["/etc/hosts: behind the end or never written: 2 bytes differ"],
    ),
    (
        "free-space",
        |d| poke(d, ROOT.0 + (15 << 20), b"left over"),
        &["ext4 › free space: bytes: 9 bytes differ at 15728640"],
    ),
    ("boot-area", |d| poke(d, ROOT.0, b"boot"), &["ext4 › boot area: bytes: 4 bytes differ at 0"]),
    (
        "superblock-checksum",
        |d| poke(d, ROOT.0 + 1024 + 0x3fc, b"\0\0\0\0"),
        &["the second: cannot be read: superblock", "superblock: s_checksum: "],
    ),
    (
        "swap-label",
        |d| {
            within(d, SWAP, |part| {
                tool("swaplabel", &["-L", "other", part]);
            })
        },
        &["swap › header: label: `swap` → `other`"],
    ),
    ("swap-page", |d| poke(d, SWAP.0 + 8192, b"x"), &["swap › pages: bytes: 1 byte differs at 8192"]),
    (
        "fat-volume-id",
        |d| poke(d, ESP.0 + 67, b"\x79"),
        &["fat › boot sector: BS_VolID: 0x1234abcd → 0x1234ab79"],
    ),
    (
        "fat-content",
        |d| {
            within(d, ESP, |part| {
                let bytes = std::fs::read(part).unwrap();
                let at = bytes.windows(9).position(|bytes| bytes == b"127.0.0.1").unwrap();
                OpenOptions::new().write(true).open(part).unwrap().write_all_at(b"9", at as u64).unwrap();
            });
        },
        &["/EFI/hosts.txt: content: 1 byte differs at 0: 31 → 39"],
    ),
    (
        "fat-file-removed",
        |d| {
            within(d, ESP, |part| {
                tool("mdel", &["-i", part, "::/gone"]);
            })
        },
        &["/gone: path: only in the first: "],
    ),
    (
        "fat-read-only",
        |d| {
            within(d, ESP, |part| {
                tool("mattrib", &["-i", part, "+r", "::/gone"]);
            })
        },
        &["/gone: mode: ", "DIR_Attr: 0x20 → 0x21"],
    ),
    (
        "fat-hidden",
        |d| {
            within(d, ESP, |part| {
                tool("mattrib", &["-i", part, "+h", "::/gone"]);
            })
        },
        &["/gone: DIR_Attr: 0x20 → 0x22"],
    ),
    ("fat-free-space", |d| poke(d, ESP.0 + ESP.1 - 700, b"x"), &["fat › free space: bytes: 1 byte differs"]),
    ("fs-replaced", |d| poke(d, ROOT.0, &vec![0; 4096]), &["partition 2 `root`: holds: ext4 → unknown"]),
];

#[test]
fn every_change_is_named_and_nothing_else() {
    let tools = [
        "sgdisk",
        "mkfs.fat",
        "mmd",
        "mcopy",
        "mdel",
        "mattrib",
        "mke2fs",
        "debugfs",
        "tune2fs",
        "mkswap",
        "swaplabel",
    ];
    if !oracle::ready(&tools, false) {
        return;
    }
    let folder = scratch::folder();
    let a = sample(folder.path());
    let same = compared(&a, &a);
    assert!(same.equal, "{}", same.text(100));
    let only = std::env::var("CASE").ok();
    let mut wrong = Vec::new();
    let chosen = CASES.iter().filter(|case| only.as_deref().is_none_or(|only| case.0.contains(only)));
    for (name, change, expected) in chosen {
        let b = folder.path().join("b.raw");
        std::fs::copy(&a, &b).unwrap();
        change(&b);
        let report = compared(&a, &b);
        let lines: Vec<_> = report.differences.iter().map(amiforge_image::diff::Difference::line).collect();
        let named = lines.len() == expected.len()
            && expected.iter().all(|part| lines.iter().any(|line| line.contains(part)));
        if !named || report.equal {
            wrong.push(format!("{name}: expected {expected:?}\n{}", report.text(usize::MAX)));
        }
    }
    assert!(
        CASES.len() >= 25 && wrong.is_empty(),
        "{} of {} wrong:\n{}",
        wrong.len(),
        CASES.len(),
        wrong.join("\n")
    );
}
