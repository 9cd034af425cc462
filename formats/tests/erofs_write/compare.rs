//! A tree against the files of a folder: a mounted file system, or an extracted one.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{Content, NodeId, NodeKind, Origin, Tree, Xattrs};

use super::fixtures::Pattern;

/// What a folder is expected to have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fidelity {
    /// Everything.
    Full,
    /// What fsck.erofs extracts onto the file system of the test: copies in place of hard links, no attributes, no set-id bits
    /// behind a change of the owner, times in seconds, and (version 1.5) files that are cut at their holes.
    Extracted,
    /// The same by an ordinary user: no nodes and owners either.
    Unprivileged,
}

/// The bytes of a file; slices are [`Pattern`], or those of `image` where the tree was read from one.
pub(crate) fn bytes_of(content: &Content, image: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = vec![0; content.len() as usize];
    for segment in content.segments() {
        let to = &mut bytes[segment.offset as usize..(segment.offset + segment.len) as usize];
        match (&segment.origin, image) {
            (Origin::Inline { bytes, at }, _) => to.copy_from_slice(&bytes[*at..*at + to.len()]),
            (Origin::Slice { at, .. }, Some(image)) => to.copy_from_slice(&image[*at as usize..][..to.len()]),
            (Origin::Slice { source, at }, None) => Pattern.read_exact_at(*source, *at, to).unwrap(),
        }
    }
    bytes
}

/// Compares every path of the tree with that of the folder, and the number of paths.
pub(crate) fn with_folder(tree: &Tree, folder: &Path, fidelity: Fidelity) {
    let links = tree.link_counts();
    let mut inodes: BTreeMap<NodeId, u64> = BTreeMap::new();
    let mut expected = 0;
    for entry in tree.walk() {
        let node = tree.node(entry.id);
        let special = !matches!(node.kind, NodeKind::Dir(_) | NodeKind::File(_) | NodeKind::Symlink(_));
        if special && fidelity == Fidelity::Unprivileged {
            continue;
        }
        expected += 1;
        let path = if entry.path.is_empty() {
            folder.to_owned()
        } else {
            folder.join(OsStr::from_bytes(&entry.path))
        };
        let found = fs::symlink_metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let shown = path.display();
        assert_eq!(found.mode() >> 12, kind_bits(&node.kind), "kind of {shown}");
        assert_eq!(found.mtime(), node.meta.mtime.secs, "{shown}");
        if fidelity == Fidelity::Full {
            assert_eq!(found.mtime_nsec(), i64::from(node.meta.mtime.nanos), "{shown}");
        }
        if fidelity != Fidelity::Unprivileged {
            assert_eq!((found.uid(), found.gid()), (node.meta.uid, node.meta.gid), "{shown}");
            if fidelity == Fidelity::Full {
                assert_eq!(
                    xattrs(&path),
                    node.meta.xattrs.as_deref().cloned().unwrap_or_default(),
                    "{shown}"
                );
            }
            if !matches!(node.kind, NodeKind::Symlink(_)) {
                let bits = if fidelity == Fidelity::Full { 0o7777 } else { 0o777 };
                assert_eq!(found.mode() & bits, u32::from(node.meta.mode) & bits, "mode of {shown}");
            }
        }
        if !matches!(node.kind, NodeKind::Dir(_)) && fidelity == Fidelity::Full {
            assert_eq!(found.nlink(), u64::from(links[entry.id.index()]), "links of {shown}");
            assert_eq!(*inodes.entry(entry.id).or_insert(found.ino()), found.ino(), "hard link {shown}");
        }
        match &node.kind {
            NodeKind::File(Content::Sparse { .. }) if fidelity != Fidelity::Full => {}
            NodeKind::File(content) => {
                assert_eq!(found.len(), content.len(), "length of {shown}");
                if content.len() < 1 << 28 {
                    assert!(fs::read(&path).unwrap() == bytes_of(content, None), "content of {shown}");
                }
            }
            NodeKind::Symlink(target) => {
                assert_eq!(fs::read_link(&path).unwrap().as_os_str().as_bytes(), &**target, "{shown}");
            }
            NodeKind::CharDevice { major, minor } | NodeKind::BlockDevice { major, minor } => {
                let found = (rustix::fs::major(found.rdev()), rustix::fs::minor(found.rdev()));
                assert_eq!(found, (*major, *minor), "{shown}");
            }
            _ => {}
        }
    }
    assert_eq!(count(folder), expected, "paths in {}", folder.display());
}

fn kind_bits(kind: &NodeKind) -> u32 {
    match kind {
        NodeKind::Dir(_) => 4,
        NodeKind::File(_) => 8,
        NodeKind::Symlink(_) => 10,
        NodeKind::CharDevice { .. } => 2,
        NodeKind::BlockDevice { .. } => 6,
        NodeKind::Fifo => 1,
        NodeKind::Socket => 12,
    }
}

fn count(folder: &Path) -> usize {
    let (mut found, mut pending) = (1, vec![folder.to_owned()]);
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            found += 1;
            if entry.file_type().unwrap().is_dir() {
                pending.push(entry.path());
            }
        }
    }
    found
}

/// The attributes of a path as the system calls give them.
fn xattrs(path: &Path) -> Xattrs {
    let mut names = vec![0; 1 << 16];
    let len = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    let mut all = Xattrs::new();
    for name in names[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 1 << 16];
        let len = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value[..]).unwrap();
        all.insert(name.into(), value[..len].into());
    }
    all
}
