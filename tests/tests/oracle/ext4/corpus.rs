//! Images made by mke2fs from a directory, in many variants of its options.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use amiforge_tests::oracle;

/// A variant: its name and the options for mke2fs, the size last.
pub(crate) type Variant = (&'static str, &'static [&'static str], &'static str);

/// The variants: block sizes, and features on and off.
pub(crate) const VARIANTS: &[Variant] = &[
    ("default", &["-t", "ext4"], "64M"),
    ("1k", &["-t", "ext4", "-b", "1024"], "48M"),
    ("2k", &["-t", "ext4", "-b", "2048"], "48M"),
    ("4k", &["-t", "ext4", "-b", "4096"], "48M"),
    ("64k", &["-t", "ext4", "-b", "65536"], "256M"),
    ("no-64bit", &["-t", "ext4", "-b", "4096", "-O", "^64bit"], "48M"),
    ("no-csum", &["-t", "ext4", "-b", "4096", "-O", "^metadata_csum,uninit_bg"], "48M"),
    ("no-csum-no-gdt", &["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^uninit_bg"], "48M"),
    ("csum-seed", &["-t", "ext4", "-b", "4096", "-O", "metadata_csum_seed"], "48M"),
    ("orphan-file", &["-t", "ext4", "-b", "4096", "-O", "orphan_file"], "48M"),
    ("no-flex", &["-t", "ext4", "-b", "1024", "-O", "^flex_bg"], "48M"),
    ("no-journal", &["-t", "ext4", "-b", "4096", "-O", "^has_journal"], "48M"),
    ("no-resize", &["-t", "ext4", "-b", "4096", "-O", "^resize_inode"], "48M"),
    ("meta-bg", &["-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode"], "48M"),
    ("small-inodes", &["-t", "ext4", "-b", "1024", "-I", "128"], "48M"),
    ("no-extents", &["-t", "ext4", "-b", "1024", "-O", "^extents,^64bit"], "48M"),
    ("ext2", &["-t", "ext2", "-b", "1024"], "48M"),
    ("ext3", &["-t", "ext3", "-b", "4096"], "48M"),
    ("sparse2", &["-t", "ext4", "-b", "1024", "-O", "sparse_super2,^resize_inode"], "48M"),
    ("no-filetype", &["-t", "ext4", "-b", "1024", "-O", "^filetype"], "48M"),
    ("no-sparse", &["-t", "ext4", "-b", "1024", "-O", "^sparse_super,^resize_inode"], "48M"),
    ("lazy", &["-t", "ext4", "-b", "1024", "-E", "lazy_itable_init=1"], "48M"),
    ("quota", &["-t", "ext4", "-b", "4096", "-O", "quota,project"], "48M"),
    ("large-dir", &["-t", "ext4", "-b", "1024", "-O", "large_dir"], "48M"),
    ("few-blocks-per-group", &["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "^resize_inode"], "48M"),
];

/// Fills a directory with every kind of thing that needs no privilege, and attributes where the host has them.
pub(crate) fn fill(root: &Path) {
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    fs::write(root.join("empty"), b"").unwrap();
    fs::write(root.join("small"), b"hello\n").unwrap();
    fs::write(root.join("usr/bin/exact"), vec![7; 8192]).unwrap();
    fs::write(root.join("usr/bin/odd"), (0..100_003_u32).map(|n| n as u8).collect::<Vec<_>>()).unwrap();
    fs::set_permissions(root.join("usr/bin/odd"), fs::Permissions::from_mode(0o4751)).unwrap();
    fs::hard_link(root.join("small"), root.join("usr/linked")).unwrap();
    symlink("small", root.join("short")).unwrap();
    symlink("x".repeat(59), root.join("link59")).unwrap();
    symlink("x".repeat(60), root.join("link60")).unwrap();
    symlink("y".repeat(1000), root.join("long")).unwrap();
    let sparse = File::create(root.join("sparse")).unwrap();
    for at in [0, 100_000, 5_000_000, 12_000_000] {
        sparse.write_all_at(b"here", at).unwrap();
    }
    sparse.set_len(20_000_000).unwrap();
    // Pieces that do not touch, so that the extents need a tree.
    let pieces = File::create(root.join("pieces")).unwrap();
    for (piece, at) in (0..300_u64).zip((0..).step_by(131_072)) {
        pieces.write_all_at(&piece.to_le_bytes(), at).unwrap();
    }
    let many = root.join("many");
    fs::create_dir(&many).unwrap();
    for number in 0..900 {
        fs::write(many.join(format!("file-{number:05}-{}", "n".repeat(number % 90))), b"").unwrap();
    }
    fs::write(root.join(std::ffi::OsStr::from_bytes(b"bytes \xff\xe9\n")), b"n").unwrap();
    let mut deep = root.join("deep");
    for level in 0..40 {
        deep = deep.join(format!("level{level}"));
    }
    fs::create_dir_all(&deep).unwrap();
    attributes(root);
}

/// Attributes, an ACL, a device and a pipe, by the tools of the host; what the host lacks is left out.
fn attributes(root: &Path) {
    let path = |name: &str| root.join(name).to_str().unwrap().to_owned();
    if oracle::find("setfattr").is_some() {
        oracle::run("setfattr", &["-n", "user.note", "-v", "a value", &path("small")]);
        let long = "v".repeat(700);
        for file in ["empty", "usr/bin/odd", "usr/bin/exact"] {
            for name in ["user.b", "user.long-name", "user.a"] {
                oracle::run(
                    "setfattr",
                    &["-n", name, "-v", if name == "user.b" { &long } else { "z" }, &path(file)],
                );
            }
        }
    }
    if oracle::find("setfacl").is_some() {
        oracle::run("setfacl", &["-m", "u:1234:rx,g:77:r", &path("usr/bin/odd")]);
        oracle::run("setfacl", &["-d", "-m", "u:1234:rwx", &path("usr")]);
    }
    oracle::run("mkfifo", &[&path("pipe")]);
    oracle::run("mknod", &[&path("null"), "c", "1", "3"]);
    oracle::run("mknod", &[&path("disk"), "b", "259", "70000"]);
}

/// Makes an image of a variant from `root`; `None` when mke2fs of the host does not know an option.
pub(crate) fn make(variant: &Variant, root: &Path, scratch: &Path) -> Option<PathBuf> {
    let image = scratch.join(format!("{}.img", variant.0));
    let mut args: Vec<&str> =
        vec!["-q", "-F", "-U", "01234567-89ab-cdef-0123-456789abcdef", "-L", "label", "-d"];
    args.push(root.to_str()?);
    args.extend(variant.1);
    args.push(image.to_str()?);
    args.push(variant.2);
    let output = oracle::run("mke2fs", &args);
    if !output.status.success() {
        eprintln!("mke2fs does not make `{}`: {}", variant.0, String::from_utf8_lossy(&output.stderr));
        return None;
    }
    if variant.0 == "quota" {
        // mke2fs -d does not count what it copies; e2fsck writes the quotas that are right.
        oracle::run("e2fsck", &["-fy", image.to_str()?]);
    }
    Some(image)
}

/// Lets e2fsck index all directories, which mke2fs leaves linear.
pub(crate) fn index_directories(image: &Path) {
    let output = oracle::run("e2fsck", &["-fyD", image.to_str().unwrap()]);
    assert!(
        output.status.code().is_some_and(|code| code <= 1),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// Whether e2fsck finds an image clean, and what it says.
pub(crate) fn e2fsck(image: &Path) -> (bool, String) {
    let output = oracle::run("e2fsck", &["-fn", image.to_str().unwrap()]);
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code() == Some(0), text)
}
