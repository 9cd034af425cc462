//! Bases of many kinds, amended at random: e2fsck has no word to say, and the kernel sees the tree.

use std::path::Path;

use amiforge_formats::plan::SourceId;
use amiforge_formats::tree::Tree;
use amiforge_formats::volume::FsKind;

use super::fixture::{BASE, Medium, amended, erased, judge, made, may_mount, mounted};
use super::fixtures::{MIB, Pattern, empty, run};
use super::folder;
use super::random::{PatchRng, amend, crowd, grow};

/// Arguments of mke2fs, and the length in MiB.
const KINDS: [(&str, &[&str], u64); 14] = [
    ("default", &["-t", "ext4"], 48),
    ("blocks of 1 KiB", &["-t", "ext4", "-b", "1024"], 40),
    ("blocks of 2 KiB", &["-t", "ext4", "-b", "2048"], 40),
    (
        "old default",
        &["-t", "ext4", "-O", "^metadata_csum,uninit_bg,^64bit,^metadata_csum_seed,^orphan_file"],
        48,
    ),
    ("no checksums at all", &["-t", "ext4", "-O", "^metadata_csum,^uninit_bg", "-b", "1024"], 40),
    ("checksum seed and orphan file", &["-t", "ext4", "-O", "metadata_csum_seed,orphan_file"], 48),
    ("without flexible groups", &["-t", "ext4", "-O", "^flex_bg,^resize_inode", "-b", "1024"], 40),
    ("meta groups", &["-t", "ext4", "-O", "meta_bg,^resize_inode", "-b", "1024"], 40),
    ("sparse_super2", &["-t", "ext4", "-O", "sparse_super2,^resize_inode", "-b", "1024"], 40),
    ("without extents", &["-t", "ext4", "-O", "^extents,^64bit"], 48),
    ("ext3", &["-t", "ext3"], 40),
    ("ext2, inodes of 128 bytes", &["-t", "ext2", "-I", "128", "-b", "1024"], 40),
    ("without index", &["-t", "ext4", "-O", "^dir_index"], 48),
    ("large directories, project", &["-t", "ext4", "-O", "large_dir,project", "-I", "512"], 48),
];

/// The tree that a base holds, as the source of an image gives it.
fn tree_of(base: &Path) -> Tree {
    FsKind::Ext4.format().read(&Medium::open(base), BASE).unwrap().tree.unwrap()
}

fn first_tree(rng: &mut PatchRng, args: &[&str]) -> Tree {
    let mut tree = empty();
    // Blocks of attributes are shorter where blocks are.
    let small = args.contains(&"1024");
    grow(&mut tree, rng, 250, small);
    crowd(&mut tree, rng, b"crowd", if small { 120 } else { 400 });
    if args.contains(&"128") {
        whole_seconds(&mut tree);
    }
    tree
}

/// Inodes of 128 bytes have no nanoseconds.
fn whole_seconds(tree: &mut Tree) {
    let ids: Vec<_> = tree.walk().map(|entry| entry.id).collect();
    for id in ids {
        tree.node_mut(id).meta.mtime.nanos = 0;
    }
}

/// Amends a base three times, each time the outcome of the time before.
fn amend_thrice(name: &str, base: &Path, args: &[&str], rng: &mut PatchRng) {
    let small = args.contains(&"1024");
    let mut current: Option<tempfile::NamedTempFile> = None;
    for (round, count) in [2, 25, 120].into_iter().enumerate() {
        let path = current.as_ref().map_or(base, |file| file.path()).to_owned();
        let mut tree = tree_of(&path);
        amend(&mut tree, rng, count, small);
        if round == 2 {
            crowd(&mut tree, rng, b"crowd", 250);
            crowd(&mut tree, rng, b"new-crowd", 150);
        }
        if args.contains(&"128") {
            whole_seconds(&mut tree);
        }
        println!("{name}, round {round}");
        if round == 1 {
            erased(&path, &tree);
        }
        let (_, image) = amended(&path, &tree);
        let (_, same) = amended(image.path(), &tree_of(image.path()));
        assert_eq!(std::fs::read(image.path()).unwrap(), std::fs::read(same.path()).unwrap());
        current = Some(image);
    }
}

#[test]
fn bases_of_mke2fs_are_amended() {
    if !may_mount() {
        return;
    }
    for (at, (name, args, len)) in KINDS.into_iter().enumerate() {
        let mut rng = PatchRng(0x1234_5678 + at as u64);
        let tree = first_tree(&mut rng, args);
        let Some(base) = made(&tree, args, len * MIB) else { return };
        amend_thrice(name, base.path(), args, &mut rng);
    }
}

#[test]
fn bases_that_the_kernel_wrote_are_amended() {
    if !may_mount() {
        return;
    }
    for (at, (name, args, len)) in KINDS.into_iter().enumerate() {
        if args.contains(&"large_dir,project") {
            println!("SKIP: {name}: a kernel without quotas mounts it for reading only");
            continue;
        }
        let mut rng = PatchRng(0x8765_4321 + at as u64);
        let tree = first_tree(&mut rng, args);
        let Some(base) = made(&empty(), args, len * MIB) else { return };
        mounted(base.path(), "loop", |folder| {
            folder::write(&tree, &Pattern, folder);
            // Every third name goes, so that free space is in pieces.
            let names: Vec<_> = tree.walk().filter(|entry| tree.entries(entry.id).is_none()).collect();
            for entry in names.iter().step_by(3) {
                let path = std::ffi::OsStr::new(std::str::from_utf8(&entry.path).unwrap());
                std::fs::remove_file(folder.join(path)).unwrap();
            }
        });
        judge(base.path());
        amend_thrice(name, base.path(), args, &mut rng);
    }
}

#[test]
fn what_has_not_changed_is_not_written() {
    let mut rng = PatchRng(99);
    let tree = first_tree(&mut rng, &[]);
    if !may_mount() {
        return;
    }
    let Some(base) = made(&tree, &["-t", "ext4"], 48 * MIB) else { return };
    let (patched, _) = amended(base.path(), &tree_of(base.path()));
    assert_eq!(patched.changed, []);
    // The same contents from elsewhere are known by their bytes.
    let mut other = tree_of(base.path());
    for entry in tree.walk() {
        let kind = tree.node(entry.id).kind.clone();
        let found = other.lookup(&entry.path).unwrap();
        if let amiforge_formats::tree::NodeKind::File(content) = kind {
            other.node_mut(found).kind = amiforge_formats::tree::NodeKind::File(content);
        }
    }
    let (patched, _) = amended(base.path(), &other);
    assert_eq!(patched.changed, []);
}

#[test]
fn what_is_gone_is_erased_on_request() {
    let mut rng = PatchRng(7);
    let mut tree = first_tree(&mut rng, &[]);
    let secret = amiforge_formats::tree::NodeKind::File(amiforge_formats::tree::Content::Inline(
        b"secret!!".repeat(4000).into(),
    ));
    let root = tree.root();
    super::fixtures::add(&mut tree, root, b"secret", secret);
    if !may_mount() {
        return;
    }
    let Some(base) = made(&tree, &["-t", "ext4"], 48 * MIB) else { return };
    let mut wanted = tree_of(base.path());
    wanted.unlink(wanted.root(), b"secret");
    let medium = Medium::open(base.path());
    let wanted_bytes = b"secret!!".repeat(8);
    let holds = |image: &Path| std::fs::read(image).unwrap().windows(64).any(|bytes| bytes == wanted_bytes);
    for erase in [false, true] {
        let options = amiforge_formats::ext4::patch::Ext4PatchOptions { erase, ..super::fixture::options() };
        let sources = super::fixture::TestSources(&medium);
        let patched =
            amiforge_formats::ext4::patch::patch(&medium, BASE, 0, &wanted, &sources, &options).unwrap();
        let image = super::fixture::write(&medium, &patched);
        judge(image.path());
        assert_eq!(holds(image.path()), !erase);
    }
}

#[test]
fn features_that_are_not_kept_are_refused_by_name() {
    for (feature, args) in [
        ("bigalloc", &["-t", "ext4", "-O", "bigalloc"][..]),
        ("inline_data", &["-t", "ext4", "-O", "inline_data"]),
        ("quota", &["-t", "ext4", "-O", "quota"]),
        ("ea_inode", &["-t", "ext4", "-O", "ea_inode"]),
        ("encrypt", &["-t", "ext4", "-O", "encrypt"]),
        ("casefold", &["-t", "ext4", "-O", "casefold"]),
        ("mmp", &["-t", "ext4", "-O", "mmp"]),
    ] {
        let image = tempfile::NamedTempFile::new_in(super::fixture::scratch()).unwrap();
        image.as_file().set_len(32 * MIB).unwrap();
        let all = [&["-q", "-F"], args, &[image.path().to_str().unwrap()]].concat();
        let Some((ok, text)) = run("mke2fs", &all) else { return };
        assert!(ok, "{text}");
        let medium = Medium::open(image.path());
        let options = super::fixture::options();
        let refused =
            amiforge_formats::ext4::patch::patch(&medium, SourceId(7), 0, &empty(), &Pattern, &options);
        let text = refused.unwrap_err().to_string();
        assert!(text.contains(feature) && text.contains("without `boot"), "{feature}: {text}");
    }
}
