//! Lengths from the least to a tebibyte, and the geometry that mke2fs chooses for them.

use std::os::unix::fs::FileExt;

use amiforge_formats::ext4::write::{Ext4Options, Ext4WriteError, JournalSize, minimal_len, plan};

use super::fixture::{MIB, add, clean, debugfs, empty, options, run, slice};

#[test]
fn sizes_from_the_least_to_a_tebibyte_have_a_plan() {
    let mut tree = empty();
    let root = tree.root();
    add(&mut tree, root, b"hello", slice(0, 6));
    let least = minimal_len(&tree, &options(), 0).unwrap();
    assert!(least <= 2 * MIB, "{least}");
    for len in [least, 3 * MIB, 8 * MIB, 100 * MIB, 129 * MIB, 300 * MIB, 2049 * MIB, 5000 * MIB, 17 << 30] {
        clean(&tree, &options(), len);
    }
    let large = plan(&tree, &options(), 1 << 40).unwrap();
    assert_eq!(large.len(), 1 << 40);
    let wanted = Ext4Options { journal: JournalSize::Bytes(900 * MIB), ..options() };
    let file = clean(&tree, &wanted, 4096 * MIB);
    let Some((_, text)) = run("dumpe2fs", &["-h", file.path().to_str().unwrap()]) else { return };
    assert!(text.contains("Total journal size:       900M"), "{text}");
    clean(&tree, &Ext4Options { journal: JournalSize::None, ..options() }, 64 * MIB);
}

#[test]
fn the_least_length_is_enough_and_what_is_missing_is_said() {
    let mut tree = empty();
    let root = tree.root();
    for i in 0..300 {
        add(&mut tree, root, format!("file{i}").as_bytes(), slice(i, i * 1500));
    }
    let len = minimal_len(&tree, &options(), 10 * MIB).unwrap();
    clean(&tree, &options(), len);
    // Far less than the stable way wants: everything is packed.
    let mut tight = len - 10 * MIB;
    while plan(&tree, &options(), tight).is_ok() {
        tight -= MIB / 2;
    }
    clean(&tree, &options(), tight + MIB / 2);
    match plan(&tree, &options(), tight) {
        Err(Ext4WriteError::NoSpace { needed, available }) => {
            assert!(needed > available && needed - available < MIB);
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[test]
fn a_repair_from_a_backup_finds_everything() {
    let mut tree = empty();
    let root = tree.root();
    for i in 0..500 {
        add(&mut tree, root, format!("file{i}").as_bytes(), slice(i, 10_000));
    }
    let file = clean(&tree, &options(), 400 * MIB);
    let path = file.path().to_str().unwrap();
    file.as_file().write_all_at(&vec![0; 8192], 0).unwrap();
    let Some((_, text)) = run("e2fsck", &["-fy", "-b", "32768", "-B", "4096", path]) else { return };
    let Some((ok, after)) = run("e2fsck", &["-fn", path]) else { return };
    assert!(ok, "{text}\n{after}");
    assert!(after.contains("511/"), "{after}");
}

#[test]
fn the_geometry_is_that_of_mke2fs() {
    let mut tree = empty();
    let root = tree.root();
    add(&mut tree, root, b"hello", slice(0, 6));
    for len in [2u64 << 30, 4 << 30, 8 << 30] {
        let ours = clean(&tree, &options(), len);
        let theirs = tempfile::NamedTempFile::new().unwrap();
        theirs.as_file().set_len(len).unwrap();
        if run("mke2fs", &["-q", "-F", "-t", "ext4", theirs.path().to_str().unwrap()]).is_none() {
            return;
        }
        let fields = |file: &tempfile::NamedTempFile| -> Vec<String> {
            let Some((_, text)) = run("dumpe2fs", &["-h", file.path().to_str().unwrap()]) else {
                return Vec::new();
            };
            let wanted = [
                "Filesystem features",
                "Filesystem flags",
                "Default mount options",
                "Inode count",
                "Block count",
                "Reserved block count",
                "Overhead clusters",
                "Reserved GDT blocks",
                "Inodes per group",
                "Flex block group size",
                "Default directory hash",
                "Journal inode",
                "Total journal size",
            ];
            text.lines().filter(|line| wanted.iter().any(|w| line.starts_with(w))).map(String::from).collect()
        };
        assert_eq!(fields(&ours), fields(&theirs));
        let blocks = |file| {
            debugfs(file, "stat <7>")
                .map(|text| text.lines().filter(|l| l.starts_with("TOTAL")).collect::<String>())
        };
        assert_eq!(blocks(&ours), blocks(&theirs));
    }
}
