//! One change of the sample for each case, and the lines that name it.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::sample::{ESP, ROOT, SWAP, block_of, debugfs, poke, sgdisk, tool, tune2fs, within};

/// A change of the sample, and the lines that must name it: parts that each line has to hold, in order.
type Case = (&'static str, fn(&Path), &'static [&'static str]);

pub(crate) const CASES: &[Case] = &[
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
