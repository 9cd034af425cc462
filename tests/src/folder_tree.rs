//! Trees written to folders, for oracles that read files; and folders described as text, for comparison.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{Content, NodeId, NodeKind, Origin, Tree};

/// Writes a tree without devices into an existing folder. Only root can set the owners.
///
/// # Panics
/// When the system refuses.
pub fn write_tree(tree: &Tree, sources: &dyn Sources, folder: &Path) {
    let mut seen: HashMap<NodeId, PathBuf> = HashMap::new();
    for entry in tree.walk() {
        let path = folder.join(OsStr::from_bytes(&entry.path));
        let node = tree.node(entry.id);
        if let Some(first) = seen.get(&entry.id) {
            std::fs::hard_link(first, &path).expect("a hard link");
            continue;
        }
        match &node.kind {
            NodeKind::Dir(_) => std::fs::create_dir_all(&path).expect("a folder"),
            NodeKind::File(content) => {
                std::fs::write(&path, content_bytes(content, sources)).expect("a file");
            }
            NodeKind::Symlink(target) => symlink(OsStr::from_bytes(target), &path).expect("a link"),
            other => panic!("{}: a {}", path.display(), other.word()),
        }
        lchown(&path, Some(node.meta.uid), Some(node.meta.gid)).expect("an owner");
        if !matches!(node.kind, NodeKind::Symlink(_)) {
            let mode = Permissions::from_mode(u32::from(node.meta.mode));
            std::fs::set_permissions(&path, mode).expect("a mode");
        }
        if let NodeKind::File(_) = &node.kind {
            let time = UNIX_EPOCH + Duration::from_secs(node.meta.mtime.secs.max(0) as u64);
            File::open(&path).and_then(|file| file.set_modified(time)).expect("a time");
        }
        if !matches!(node.kind, NodeKind::Dir(_)) {
            seen.insert(entry.id, path);
        }
    }
}

/// The bytes of a file's content.
///
/// # Panics
/// When a source cannot be read.
pub fn content_bytes(content: &Content, sources: &dyn Sources) -> Vec<u8> {
    let mut bytes = vec![0; content.len() as usize];
    for segment in content.segments() {
        let part = &mut bytes[segment.offset as usize..(segment.offset + segment.len) as usize];
        match segment.origin {
            Origin::Inline { bytes, at } => part.copy_from_slice(&bytes[at..at + part.len()]),
            Origin::Slice { source, at } => sources.read_exact_at(source, at, part).expect("a content"),
        }
    }
    bytes
}

/// Every path in a folder with its mode, owner, link count, and content; modification times of files only.
///
/// # Panics
/// When the system refuses.
pub fn describe(folder: &Path) -> BTreeMap<String, String> {
    let (mut lines, mut waiting) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(path) = waiting.pop() {
        let found = std::fs::symlink_metadata(&path).expect("a path");
        let name = path.strip_prefix(folder).expect("below").to_string_lossy().into_owned();
        let who = format!("{:o} {}:{}", found.mode(), found.uid(), found.gid());
        let line = if found.is_symlink() {
            format!("{who} -> {}", std::fs::read_link(&path).expect("a link").display())
        } else if found.is_dir() {
            let below = std::fs::read_dir(&path).expect("a folder");
            waiting.extend(below.map(|entry| entry.expect("an entry").path()));
            who
        } else {
            let digest = Digest::of(&std::fs::read(&path).expect("a file"));
            format!("{who} x{} at {} {digest}", found.nlink(), found.mtime())
        };
        lines.insert(name, line);
    }
    lines
}

/// The differences of two folders that were described, one line for each path.
pub fn differences(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differs = names.into_iter().filter(|name| one.get(*name) != other.get(*name));
    differs.map(|name| format!("{name}: {:?} | {:?}", one.get(name), other.get(name))).collect()
}
