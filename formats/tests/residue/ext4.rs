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

#[test]
fn planted_bytes_are_found_where_they_are() {
    let mut image = ours();
    assert_eq!(survey(FsKind::Ext4, &image), []);
    let (offset, root, many, journal, dir) = {
        let system = open(&image).unwrap();
        let inode = |path: &str| system.inode(system.inode_of(path.as_bytes()).unwrap().unwrap()).unwrap();
        let block = |path: &str, last: bool| {
            let runs = system.mapping(&inode(path)).unwrap().runs;
            let run = if last { runs.last() } else { runs.first() }.unwrap();
            (run.physical + if last { run.len - 1 } else { 0 }) as usize * 4096
        };
        let journal = system.mapping(&system.inode(8).unwrap()).unwrap().runs[0].physical as usize * 4096;
        (
            block("dir/file-5000", true),
            inode("attributes").offset as usize,
            block("many", false),
            journal,
            block("dir", false),
        )
    };
    let used: Vec<_> = open(&image).unwrap().used_blocks().map(Result::unwrap).collect();
    let free = used.windows(2).find(|pair| pair[0].end + 10 < pair[1].start).unwrap()[0].end as usize * 4096;
    let plants = [
        (100, "boot-area", ""),
        (1024 + 0x90, "superblock-field", "last mounted on"),
        (3000, "reserved", "superblock of group 0"),
        (offset + 904 + 5, "file-slack", "/dir/file-5000"),
        (journal + 9000, "journal", ""),
        (free + 17, "free-space", ""),
        (many + 4000, "directory-gap", "/many"),
        (dir + 4000, "deleted-entry", "/dir"),
        (root + 250, "attribute-gap", "/attributes"),
    ];
    let mut expected: Found = Vec::new();
    for (at, kind, owner) in plants {
        // No checksum covers the gap of an index, blocks of nobody, and the rest of what stays.
        let covered = matches!(kind, "superblock-field" | "deleted-entry" | "attribute-gap");
        if !covered {
            image[at] = b'S';
            expected.push((kind, at as u64, owner.to_owned()));
            continue;
        }
        let mut one = image.clone();
        one[at] = b'S';
        without_checksums(&mut one);
        let found = survey(FsKind::Ext4, &one);
        assert!(found.contains(&(kind, at as u64, owner.to_owned())), "{kind} at {at}: {found:?}");
    }
    expected.sort_by_key(|(_, at, _)| *at);
    assert_eq!(survey(FsKind::Ext4, &image), expected);
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
