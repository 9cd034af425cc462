//! The bytes of images did not move: one digest per image, and a readable dump beside it, so that a change reads as
//! a difference. A commit that moves one says what moved; `UPDATE_GOLDEN=1 cargo test --test golden` writes them anew.

use std::fmt::Write as _;
use std::path::Path;

use amiforge_tests::archive::{Member, noise, tar};
use amiforge_tests::program::{self, Bundle};
use amiforge_tests::scratch;

/// A root file system with one of everything that a tree can hold.
fn root() -> Vec<u8> {
    let folder = Member { kind: b'5', mode: 0o755, ..Member::default() };
    let large = noise((5 << 20) + 123, 7);
    let many: Vec<_> =
        (0..300).map(|index| (format!("usr/share/many/file-{index:03}"), noise(index * 37, 1))).collect();
    let target = "t".repeat(60);
    let capability: &[(&str, &[u8])] =
        &[("SCHILY.xattr.security.capability", b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0")];
    let long_attribute = noise(2000, 3);
    let wide: &[(&str, &[u8])] = &[
        ("uid", b"3000000000"),
        ("mtime", b"4000000000.123456789"),
        ("SCHILY.xattr.user.long", &long_attribute),
    ];
    let mut members = vec![
        Member { name: "./", ..folder },
        Member { name: "./etc/", ..folder },
        Member { name: "etc/passwd", bytes: b"root:x:0:0:root:/root:/bin/sh\n", ..Member::default() },
        Member { name: "etc/group", bytes: b"root:x:0:\n", ..Member::default() },
        Member { name: "bin", kind: b'2', mode: 0o777, link: "usr/bin", ..Member::default() },
        Member { name: "usr/bin/", ..folder },
        Member {
            name: "usr/bin/ping",
            mode: 0o755,
            bytes: &large[..70_000],
            pax: capability,
            ..Member::default()
        },
        Member { name: "usr/bin/ping4", kind: b'1', link: "usr/bin/ping", ..Member::default() },
        Member { name: "usr/bin/su", mode: 0o4755, bytes: b"su", ..Member::default() },
        Member { name: "dev/", ..folder },
        Member { name: "dev/console", kind: b'3', mode: 0o600, device: (5, 1), ..Member::default() },
        Member {
            name: "dev/disk",
            kind: b'4',
            mode: 0o660,
            owner: (0, 6),
            device: (259, 70_000),
            ..Member::default()
        },
        Member { name: "run/fifo", kind: b'6', ..Member::default() },
        Member { name: "opt/large", bytes: &large, ..Member::default() },
        Member { name: "opt/wide", bytes: b"wide", pax: wide, ..Member::default() },
        Member { name: "opt/slow-link", kind: b'2', mode: 0o777, link: &target, ..Member::default() },
        Member { name: "boot/efi/EFI/BOOT/BOOTX64.EFI", bytes: &large[..200_000], ..Member::default() },
    ];
    members.extend(many.iter().map(|(name, bytes)| Member { name, bytes, ..Member::default() }));
    tar(&members)
}

const RECIPE: &str = r#"
[image]
name = "golden"
version = "1"
arch = "ARCH"
epoch = 4_100_000_000

[disk]
size = SIZE

[[source]]
kind = "tar"
path = "root.tar"

[[file]]
path = "/etc/motd"
content = "golden\n"

[[user]]
name = "admin"
authorized-keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0k admin"]

[system]
hostname = "golden"
"#;

/// Builds the image and gives what is compared: digests first, then the disk and its trees in words.
fn portrait(folder: &Path, arch: &str, size: &str) -> String {
    std::fs::write(folder.join("root.tar"), root()).unwrap();
    let recipe = folder.join("recipe.toml");
    std::fs::write(&recipe, RECIPE.replace("ARCH", arch).replace("SIZE", size)).unwrap();
    let out = folder.join("out");
    let bundle = Bundle::build(&recipe, &out);
    let mut portrait = format!("{}  disk.raw\n", bundle.digest());
    for key in ["disk", "partitions"] {
        let text = serde_json::to_string_pretty(&bundle.manifest[key]).unwrap();
        writeln!(portrait, "{key} = {text}").unwrap();
    }
    portrait.push_str(&std::fs::read_to_string(out.join("tree.txt")).unwrap());
    std::fs::remove_dir_all(&out).unwrap();
    portrait
}

fn compare(name: &str, arch: &str, size: &str) {
    let folder = scratch::folder();
    let ours = portrait(folder.path(), arch, size);
    let path = scratch::repository().join("fixtures/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &ours).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let first = golden.lines().zip(ours.lines()).find(|(a, b)| a != b);
    assert!(golden == ours, "{name} moved; the first line that differs (golden, now): {first:#?}");
}

#[test]
fn an_image_of_everything_has_the_golden_bytes() {
    program::path();
    compare("x86_64-minimal.txt", "x86_64", "\"minimal\"");
}

#[test]
fn an_image_for_arm_has_the_golden_bytes() {
    compare("aarch64-2gib.txt", "aarch64", "2");
}
