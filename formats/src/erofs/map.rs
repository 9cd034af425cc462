//! The map of an EROFS file system: which structure or file every byte belongs to.
//!
//! The format has no bitmap: what neither an inode nor a content has is unused. Files may share bytes of content.

use std::collections::BTreeMap;

use super::read::{self, ErofsFileKind, ErofsFileSystem, ErofsInode, ErofsReadError, read_exact};
use super::spec::{SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE, XATTR_ENTRY, XATTR_HEADER};
use crate::fields;
use crate::map::{MapBuilder, MapError, NodeName, NodePart, RangeMap, Subject};
use crate::plan::SourceId;
use crate::read_at::ReadAt;

/// Why there is no map.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErofsMapError {
    /// The file system is damaged.
    #[error(transparent)]
    Read(#[from] ErofsReadError),
    /// Two structures have the same bytes.
    #[error("comparing the ranges of inodes and contents")]
    Map(#[from] MapError),
}

/// Maps the file system that begins at the first byte of `volume`.
///
/// # Errors
/// [`ErofsMapError`].
pub fn map<R: ReadAt + ?Sized>(volume: &R) -> Result<RangeMap, ErofsMapError> {
    let system = read::open(volume)?;
    let files = system.numbered_tree(SourceId(0))?;
    let mut builder = MapBuilder::new(volume.size());
    let mut seen = BTreeMap::new();
    let mut shared = BTreeMap::new();
    builder.padding(0, SUPERBLOCK_OFFSET, "boot area");
    let named = |name: &'static str| Subject::Structure { name: name.into() };
    builder.add(SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE as u64, named("superblock"));
    for entry in files.tree.walk() {
        let Some(nid) = files.nids.get(entry.id.index()).copied() else { continue };
        if let Some(node) = seen.get(&nid) {
            builder.alias(&entry.path, *node);
            continue;
        }
        let node = builder.node(NodeName::of_path(&entry.path));
        seen.insert(nid, node);
        let inode = system.inode(nid)?;
        add(&system, &inode, node, &mut builder)?;
        shared_attributes(volume, &system, &inode, &mut shared)?;
    }
    for (at, len) in shared {
        builder.add_shared(at, len, named("attributes that inodes share"));
    }
    Ok(builder.finish(Some(&Subject::Free { what: "unused bytes" }))?)
}

/// Adds an inode, its attributes and its content.
fn add<R: ReadAt + ?Sized>(
    system: &ErofsFileSystem<'_, R>,
    inode: &ErofsInode,
    node: u32,
    builder: &mut MapBuilder,
) -> Result<(), ErofsReadError> {
    let block = u64::from(system.superblock().block_size);
    let part = |part| Subject::Node { node, part };
    builder.add(inode.offset, inode.inode_size, part(NodePart::Inode(inode.nid)));
    builder.add(inode.offset.saturating_add(inode.inode_size), inode.xattr_size, part(NodePart::Attributes));
    let mapping = system.mapping(inode)?;
    let inline = mapping.runs.last().is_some_and(|run| run.physical == inode.body());
    if !inline {
        builder.add(inode.body(), mapping.behind, part(NodePart::Addresses));
    }
    for run in &mapping.runs {
        let subject = match inode.kind {
            ErofsFileKind::Dir => part(NodePart::Names),
            ErofsFileKind::Symlink => Subject::Target { node },
            _ => Subject::Content { node, offset: run.logical },
        };
        if run.physical == inode.body() {
            builder.add(run.physical, run.len, subject);
            continue;
        }
        builder.add_shared(run.physical, run.len, subject);
        let end = run.physical.saturating_add(run.len);
        builder.add_shared(end, end.next_multiple_of(block) - end, Subject::Tail { node });
    }
    Ok(())
}

/// Finds the shared attributes of an inode, by their first byte.
fn shared_attributes<R: ReadAt + ?Sized>(
    volume: &R,
    system: &ErofsFileSystem<'_, R>,
    inode: &ErofsInode,
    shared: &mut BTreeMap<u64, u64>,
) -> Result<(), ErofsReadError> {
    if inode.xattr_size < XATTR_HEADER as u64 {
        return Ok(());
    }
    let at = inode.offset.saturating_add(inode.inode_size);
    let mut head = [0; XATTR_HEADER];
    read_exact(volume, at, &mut head)?;
    let most = (inode.xattr_size - XATTR_HEADER as u64) / 4;
    for index in 0..u64::from(fields::u8(&head, 4)).min(most) {
        let mut id = [0; 4];
        read_exact(volume, at.saturating_add(XATTR_HEADER as u64 + index * 4), &mut id)?;
        let start = system.superblock().xattrs.saturating_add(u64::from(u32::from_le_bytes(id)) * 4);
        if shared.contains_key(&start) {
            continue;
        }
        let mut entry = [0; XATTR_ENTRY];
        read_exact(volume, start, &mut entry)?;
        let len = XATTR_ENTRY as u64 + u64::from(fields::u8(&entry, 0)) + u64::from(fields::u16(&entry, 2));
        shared.insert(start, len.next_multiple_of(XATTR_ENTRY as u64));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::RangeKind;
    use crate::plan::NoSources;
    use crate::time::Time;
    use crate::tree::{ChangeGroups, Content, Meta, Name, Node, NodeKind, Tree};
    use crate::volume::{VolumeDraft, VolumeIds, VolumeOptions};

    #[test]
    fn every_byte_is_of_an_inode_a_file_or_unused_and_what_is_unused_is_zero() {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        let root = tree.root();
        for (name, len) in [("small", 30), ("large", 700_000)] {
            let mut meta = Meta::root_owned(0o644, Time::EPOCH);
            meta.xattrs = Some(Box::new([(Box::from(&b"user.x"[..]), Box::from(&b"same"[..]))].into()));
            let kind = NodeKind::File(Content::Inline(vec![7; len].into()));
            tree.add(root, Name::new(name.as_bytes()).unwrap(), Node { meta, kind }).unwrap();
        }
        let options = VolumeOptions::Erofs { label: "A".to_owned(), uuid: None };
        let ids = VolumeIds::derive("image", "root");
        let groups = ChangeGroups::default();
        let draft = VolumeDraft::new(&options, (&tree, &groups), &ids, Time::EPOCH).unwrap();
        let mut image = vec![0; 8 << 20];
        draft.plan(1 << 20, 8 << 20).unwrap().read_exact_at(&NoSources, 0, &mut image).unwrap();
        let map = map(image.as_slice()).unwrap();
        assert_eq!(map.ranges().iter().map(|range| range.len).sum::<u64>(), image.len() as u64);
        let mut content = 0;
        for range in map.ranges() {
            let bytes = &image[range.start as usize..range.end() as usize];
            match range.subject.kind() {
                RangeKind::Padding | RangeKind::Free => {
                    assert!(bytes.iter().all(|byte| *byte == 0), "{}", map.text(&range.subject));
                }
                RangeKind::Content => {
                    assert!(bytes.iter().all(|byte| *byte == 7));
                    content += range.len;
                }
                _ => {}
            }
        }
        assert_eq!(content, 700_030);
    }
}
