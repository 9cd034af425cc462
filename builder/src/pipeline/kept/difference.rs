//! Whether the files of a partition are still those of the image: by what its file system stores of them.

use std::collections::BTreeMap;
use std::io;

use amiforge_formats::tree::{Node, NodeId, NodeKind, Tree};
use amiforge_formats::volume::format::FileMetadata;
use amiforge_store::blobs::Blobs;

use crate::pipeline::origins::same_content;

/// The first path in which two trees differ, without a leading `/`; an empty path where only the grouping of hard links
/// differs; none where they are the same. Bytes are only read where neither references nor digests decide.
///
/// # Errors
/// When contents that have to be compared cannot be read.
pub(super) fn first_difference(
    before: &Tree,
    after: &Tree,
    metadata: FileMetadata,
    blobs: &Blobs,
) -> io::Result<Option<Vec<u8>>> {
    let old: BTreeMap<Vec<u8>, NodeId> = before.walk().map(|entry| (entry.path, entry.id)).collect();
    let new: BTreeMap<Vec<u8>, NodeId> = after.walk().map(|entry| (entry.path, entry.id)).collect();
    let gone = old.keys().find(|path| !new.contains_key(*path));
    let mut pairs: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    for (path, id) in &new {
        let Some(known) = old.get(path) else { return Ok(Some(first(path, gone))) };
        // Names of one file stay names of one file.
        let paired = *pairs.entry(*id).or_insert(*known) == *known;
        if !paired || !is_same(before.node(*known), after.node(*id), metadata, blobs)? {
            return Ok(Some(first(path, gone)));
        }
    }
    let links =
        |pairs: &BTreeMap<NodeId, NodeId>| pairs.values().collect::<std::collections::BTreeSet<_>>().len();
    let links_split = links(&pairs) != pairs.len();
    Ok(gone.cloned().or(links_split.then(Vec::new)))
}

fn first(path: &[u8], other: Option<&Vec<u8>>) -> Vec<u8> {
    other.map(Vec::as_slice).into_iter().chain([path]).min().unwrap_or(path).to_vec()
}

fn is_same(before: &Node, after: &Node, metadata: FileMetadata, blobs: &Blobs) -> io::Result<bool> {
    let folders = matches!((&before.kind, &after.kind), (NodeKind::Dir(_), NodeKind::Dir(_)));
    let same_meta = metadata == FileMetadata::NamesAndSizes || before.meta == after.meta;
    Ok(same_meta && (folders || same_content(before, after, blobs)?))
}

#[cfg(test)]
mod tests {
    use amiforge_formats::time::Time;
    use amiforge_formats::tree::{Content, Meta, Name};

    use super::*;

    fn tree(files: &[(&str, &str, u16)]) -> Tree {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        for (name, text, mode) in files {
            let kind = NodeKind::File(Content::Inline(text.as_bytes().into()));
            let node = Node { meta: Meta::root_owned(*mode, Time::EPOCH), kind };
            tree.add(tree.root(), Name::new(name.as_bytes()).unwrap(), node).unwrap();
        }
        tree
    }

    #[test]
    fn the_first_path_that_differs_is_named() {
        let before = tree(&[("a", "1", 0o644), ("b", "2", 0o644)]);
        let blobs = Blobs::new();
        let found = |files: &[(&str, &str, u16)], metadata| {
            let found = first_difference(&before, &tree(files), metadata, &blobs).unwrap();
            found.map(|path| String::from_utf8(path).unwrap())
        };
        let (full, names) = (FileMetadata::Full, FileMetadata::NamesAndSizes);
        assert_eq!(found(&[("a", "1", 0o644), ("b", "2", 0o644)], full), None);
        assert_eq!(found(&[("b", "2", 0o644)], full).as_deref(), Some("a"));
        assert_eq!(found(&[("a", "1", 0o644), ("b", "3", 0o644)], full).as_deref(), Some("b"));
        assert_eq!(found(&[("a", "1", 0o600), ("b", "2", 0o644)], full).as_deref(), Some("a"));
        assert_eq!(found(&[("a", "1", 0o600), ("b", "2", 0o644)], names), None);
        assert_eq!(found(&[("a", "1", 0o644), ("b", "2", 0o644), ("c", "", 0)], names).as_deref(), Some("c"));
    }

    #[test]
    fn a_name_of_a_file_that_becomes_a_file_of_its_own_is_a_difference() {
        let mut before = tree(&[("a", "1", 0o644)]);
        let id = before.lookup(b"a").unwrap();
        before.link(before.root(), Name::new(b"b").unwrap(), id).unwrap();
        let after = tree(&[("a", "1", 0o644), ("b", "1", 0o644)]);
        let blobs = Blobs::new();
        for (one, other) in [(&before, &after), (&after, &before)] {
            assert!(first_difference(one, other, FileMetadata::Full, &blobs).unwrap().is_some());
        }
    }
}
