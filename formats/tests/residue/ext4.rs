//! ext2, ext3 and ext4.

use std::fs;
use std::path::Path;

use amiforge_formats::ext4::read::open;
use amiforge_formats::ext4::write::plan;
use amiforge_formats::volume::FsKind;

use super::fixture::{Found, MIB, bytes, ext4_options, full_tree, run, survey, text};

/// A volume of ours.
fn ours() -> Vec<u8> {
    bytes(&plan(&full_tree(), &ext4_options(), 160 * MIB as u64).unwrap())
}

/// First bytes of: the last block of a file, an inode with attributes, a block of an indexed folder, the journal, and a block of
/// a folder without an index.
struct Places {
    file: usize,
    inode: usize,
    many: Option<usize>,
    journal: usize,
    dir: usize,
    free: usize,
}

impl Places {
    fn of(image: &[u8]) -> Self {
        let system = open(image).unwrap();
        let inode = |path: &str| {
            system.inode_of(path.as_bytes()).unwrap().map(|number| system.inode(number).unwrap())
        };
        let runs = |path: &str| Some(system.mapping(&inode(path)?).unwrap().runs);
        let first = |path: &str| runs(path).map(|runs| runs[0].physical as usize * 4096);
        let file = *runs("dir/file-5000").unwrap().last().unwrap();
        let used: Vec<_> = system.used_blocks().map(Result::unwrap).collect();
        let free = used.windows(2).find(|pair| pair[0].end + 10 < pair[1].start).unwrap()[0].end;
        Self {
            file: (file.physical + file.len - 1) as usize * 4096,
            inode: inode("attributes").unwrap().offset as usize,
            many: first("many"),
            journal: system.mapping(&system.inode(8).unwrap()).unwrap().runs[0].physical as usize * 4096,
            dir: first("dir").unwrap(),
            free: free as usize * 4096,
        }
    }
}

#[test]
fn planted_bytes_are_found_where_they_are() {
    let mut image = ours();
    assert_eq!(survey(FsKind::Ext4, &image), []);
    let places = Places::of(&image);
    // No checksum covers the gap of an index.
    let plants = [
        (100, "boot-area", ""),
        (3000, "reserved", "superblock of group 0"),
        (places.file + 904 + 5, "file-slack", "/dir/file-5000"),
        (places.journal + 9000, "journal", ""),
        (places.free + 17, "free-space", ""),
        (places.many.unwrap() + 4000, "directory-gap", "/many"),
    ];
    let mut expected: Found = Vec::new();
    for (at, kind, owner) in plants {
        image[at] = b'S';
        expected.push((kind, at as u64, owner.to_owned()));
    }
    expected.sort_by_key(|(_, at, _)| *at);
    assert_eq!(survey(FsKind::Ext4, &image), expected);
}

#[test]
fn planted_bytes_are_found_in_structures_with_a_checksum() {
    // The index of a folder would be refused without checksums: it has other room then.
    let mut tree = full_tree();
    tree.unlink(tree.root(), b"many");
    let image = bytes(&plan(&tree, &ext4_options(), 160 * MIB as u64).unwrap());
    let places = Places::of(&image);
    for (at, kind, owner) in [
        (1024 + 0x90, "superblock-field", "last mounted on"),
        (places.dir + 4000, "deleted-entry", "/dir"),
        (places.inode + 220, "attribute-gap", "/attributes"),
    ] {
        let mut one = image.clone();
        assert_eq!(one[at], 0, "{kind}");
        one[at] = b'S';
        without_checksums(&mut one);
        let found = survey(FsKind::Ext4, &one);
        assert!(found.contains(&(kind, at as u64, owner.to_owned())), "{kind} at {at}: {found:?}");
    }
}

/// Takes the feature of checksums away, and the checksum of the superblock with it.
fn without_checksums(image: &mut [u8]) {
    let mut at = 1024;
    image[at + 0x64 + 1] &= !4;
    at += 0x3fc;
    image[at..at + 4].fill(0);
}

/// Makes a file system of a folder, and gives it to a test with each of several shapes.
fn foreign(folder: &Path, image: &Path, kind: &[&str]) -> Option<()> {
    let tree = folder.join("tree");
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::write(tree.join("etc/keep"), b"kept").unwrap();
    fs::write(tree.join("etc/secret"), b"the secret of a deleted file".repeat(300)).unwrap();
    fs::write(tree.join("etc/other"), vec![b'o'; 5000]).unwrap();
    fs::File::create(image).unwrap().set_len(32 << 20).unwrap();
    let (tree, image) = (text(&tree), text(image));
    run("mke2fs", &[&["-q", "-F", "-d", tree], kind, &[image]].concat()).map(|_| ())
}

#[test]
fn what_debugfs_deletes_is_found_in_every_generation() {
    for kind in [
        &["-t", "ext4"][..],
        &["-t", "ext4", "-b", "1024"],
        &["-t", "ext4", "-O", "^metadata_csum,^64bit,^resize_inode"],
        &["-t", "ext4", "-O", "meta_bg,^resize_inode"],
        &["-t", "ext4", "-I", "128"],
        &["-t", "ext3"],
        &["-t", "ext2", "-b", "2048"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        if foreign(folder.path(), &image, kind).is_none() {
            return;
        }
        // mke2fs leaves nothing but what its tools write on purpose.
        let fresh = survey(FsKind::Ext4, &fs::read(&image).unwrap());
        assert_eq!(fresh, [], "{kind:?}");
        run("debugfs", &["-w", "-R", "rm /etc/secret", text(&image)]).unwrap();
        let found = survey(FsKind::Ext4, &fs::read(&image).unwrap());
        let has = |kind: &str, owner: &str| found.iter().any(|one| one.0 == kind && one.2.starts_with(owner));
        assert!(has("free-space", ""), "{kind:?}: {found:?}");
        assert!(has("deleted-inode", "inode "), "{kind:?}: {found:?}");
        assert!(has("deleted-entry", "/etc"), "{kind:?}: {found:?}");
    }
}
