//! The map of an ext4 file system: which structure or file every byte belongs to.
//!
//! Structures and the blocks of inodes are claimed as the descriptors and inodes name them, and free blocks as the bitmaps
//! have them. So the map is complete only where both agree: a block that a file has and a bitmap calls free is claimed twice,
//! and one that is in use without an owner is a gap. Both are errors with the bytes that are wrong.

mod groups;
mod nodes;

use std::collections::{BTreeMap, BTreeSet};

use super::read::{self, Ext4ReadError, FileSystem, JOURNAL, RESIZE, ROOT};
use crate::map::{MapBuilder, MapError, NodeName, RangeMap, Subject};
use crate::plan::SourceId;
use crate::read_at::ReadAt;

/// Why there is no map.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Ext4MapError {
    /// The file system is damaged.
    #[error(transparent)]
    Read(#[from] Ext4ReadError),
    /// Structures and bitmaps do not agree.
    #[error("comparing the owners of blocks with the block bitmaps")]
    Map(#[from] MapError),
}

/// The mapping under way.
struct Ext4Map<'f, 'a, R: ?Sized> {
    system: &'f FileSystem<'a, R>,
    builder: MapBuilder,
    /// Nodes by inode.
    nodes: BTreeMap<u32, u32>,
    /// Blocks of attributes met so far, which several inodes may share.
    attributes: BTreeSet<u64>,
}

/// Maps the file system that begins at the first byte of `volume`.
///
/// # Errors
/// [`Ext4MapError`].
pub fn map<R: ReadAt + ?Sized>(volume: &R) -> Result<RangeMap, Ext4MapError> {
    let system = read::open(volume)?;
    let files = system.numbered_tree(SourceId(0))?;
    let mut builder = MapBuilder::new(volume.size());
    let mut nodes = BTreeMap::new();
    for entry in files.tree.walk() {
        if let Some(number) = files.inode(entry.id) {
            match nodes.get(&number) {
                Some(node) => builder.alias(&entry.path, *node),
                None => _ = nodes.insert(number, builder.node(NodeName::of_path(&entry.path))),
            }
        }
    }
    // Both trees of 100,000 files would be in memory otherwise.
    drop(files);
    for number in (1..system.superblock().first_inode).filter(|number| *number != ROOT) {
        nodes.entry(number).or_insert_with(|| builder.node(NodeName::Reserved(reserved(&system, number))));
    }
    let mut map = Ext4Map { system: &system, builder, nodes, attributes: BTreeSet::new() };
    map.groups()?;
    map.inodes()?;
    map.free()?;
    let superblock = system.superblock();
    let end = superblock.offset_of(superblock.blocks);
    map.builder.padding(end, volume.size(), "behind the last block of the file system");
    Ok(map.builder.finish(None)?)
}

/// The name of a reserved inode.
fn reserved<R: ReadAt + ?Sized>(system: &FileSystem<'_, R>, number: u32) -> &'static str {
    let superblock = system.superblock();
    match number {
        _ if number == superblock.journal_inode => "the journal",
        _ if number == superblock.orphan_file_inode => "the orphan file",
        _ if superblock.quota_inodes.contains(&number) => "a quota file",
        1 => "the list of bad blocks",
        RESIZE => "the reserve for descriptors",
        JOURNAL => "an unused journal",
        _ => "an unused reserved inode",
    }
}

impl<R: ReadAt + ?Sized> Ext4Map<'_, '_, R> {
    /// Adds blocks.
    fn blocks(&mut self, start: u64, count: u64, subject: Subject) {
        let superblock = self.system.superblock();
        let len = count.saturating_mul(u64::from(superblock.block_size));
        self.builder.add(superblock.offset_of(start), len, subject);
    }

    /// Adds the blocks that the bitmaps have as free.
    fn free(&mut self) -> Result<(), Ext4ReadError> {
        let superblock = self.system.superblock();
        let free = Subject::Free { what: "unallocated blocks" };
        let mut at = u64::from(superblock.first_data_block);
        let used: Vec<_> = self.system.used_blocks().collect::<Result<_, _>>()?;
        for run in used {
            self.blocks(at, run.start.saturating_sub(at), free.clone());
            at = run.end;
        }
        self.blocks(at, superblock.blocks.saturating_sub(at), free);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ext4::write::JournalSize;
    use crate::map::RangeKind;
    use crate::plan::NoSources;
    use crate::time::Time;
    use crate::tree::{ChangeGroups, Content, Meta, Name, Node, NodeKind, Tree};
    use crate::volume::{VolumeDraft, VolumeIds, VolumeOptions};

    /// A file system with a file of 10,000 bytes, a long link and attributes in a block of their own.
    fn image() -> Vec<u8> {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        let mut meta = Meta::root_owned(0o644, Time::EPOCH);
        let file = NodeKind::File(Content::Inline(vec![7; 10_000].into()));
        let root = tree.root();
        tree.add(root, Name::new(b"a").unwrap(), Node { meta: meta.clone(), kind: file.clone() }).unwrap();
        let value: Box<[u8]> = vec![1; 1000].into();
        meta.xattrs = Some(Box::new([(Box::from(&b"user.x"[..]), value)].into()));
        tree.add(root, Name::new(b"b").unwrap(), Node { meta: meta.clone(), kind: file }).unwrap();
        let link = NodeKind::Symlink(vec![b'x'; 200].into());
        tree.add(root, Name::new(b"l").unwrap(), Node { meta, kind: link }).unwrap();
        let options = VolumeOptions::Ext4 {
            label: "A".to_owned(),
            uuid: None,
            journal: JournalSize::Auto,
            reserved: 0,
        };
        let ids = VolumeIds::derive("image", "root");
        let groups = ChangeGroups::default();
        let draft = VolumeDraft::new(&options, (&tree, &groups), &ids, Time::EPOCH).unwrap();
        let plan = draft.plan(1 << 20, 160 << 20).unwrap();
        let mut bytes = vec![0; 160 << 20];
        plan.read_exact_at(&NoSources, 0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn every_byte_is_of_a_structure_a_file_or_free_and_what_must_be_zero_is() {
        let image = image();
        let map = map(image.as_slice()).unwrap();
        assert_eq!(map.ranges().iter().map(|range| range.len).sum::<u64>(), image.len() as u64);
        for range in map.ranges() {
            if matches!(range.subject.kind(), RangeKind::Padding | RangeKind::Free) {
                let bytes = &image[range.start as usize..range.end() as usize];
                assert!(bytes.iter().all(|byte| *byte == 0), "{}", map.text(&range.subject));
            }
        }
        let a = map.find(b"a").unwrap();
        let of_a: Vec<_> = map.ranges().iter().filter(|range| range.subject.node() == Some(a)).collect();
        let content: u64 = of_a
            .iter()
            .filter(|range| range.subject.kind() == RangeKind::Content)
            .map(|range| {
                assert!(image[range.start as usize..range.end() as usize].iter().all(|byte| *byte == 7));
                range.len
            })
            .sum();
        assert_eq!(content, 10_000);
        let texts: BTreeSet<_> = map.ranges().iter().map(|one| map.text(&one.subject).to_string()).collect();
        for expected in [
            "superblock",
            "copy of the superblock in group 1",
            "descriptor of group 1",
            "block bitmap of group 0",
            "inode 2 of /",
            "the journal",
            "target of the link /l",
            "attributes of /b",
            "names in /",
            "zeros behind the end of /a",
            "map of the reserve for descriptors",
            "unallocated blocks",
        ] {
            assert!(texts.contains(expected), "{expected} is not among {texts:#?}");
        }
    }

    /// Flips the bit of a block in the bitmap of group 0, with the checksums that guard it.
    fn flip(image: &[u8], block: u64) -> Vec<u8> {
        let mut broken = image.to_vec();
        let system = read::open(image).unwrap();
        let superblock = system.superblock();
        let group = &system.groups()[0];
        let bitmap = superblock.offset_of(group.block_bitmap) as usize;
        broken[bitmap + (block / 8) as usize] ^= 1 << (block % 8);
        let bits = &broken[bitmap..bitmap + superblock.blocks_per_group as usize / 8];
        let sum = read::checksum::crc32c(superblock.checksum_seed, bits).to_le_bytes();
        let at = group.offset as usize;
        broken[at + 0x18..at + 0x1a].copy_from_slice(&sum[..2]);
        broken[at + 0x38..at + 0x3a].copy_from_slice(&sum[2..]);
        let raw = &broken[at..at + usize::from(superblock.descriptor_size)];
        let sum = read::groups::descriptor_checksum(superblock, 0, raw).unwrap();
        broken[at + 0x1e..at + 0x20].copy_from_slice(&sum.to_le_bytes());
        broken
    }

    #[test]
    fn a_block_that_is_used_and_free_and_one_that_nothing_has_are_named() {
        let image = image();
        let whole = map(image.as_slice()).unwrap();
        let size = u64::from(read::open(image.as_slice()).unwrap().superblock().block_size);
        let first = |kind| {
            let of_group = |range: &&crate::map::MappedRange| range.subject.kind() == kind;
            whole.ranges().iter().find(of_group).unwrap().start
        };
        let content = first(RangeKind::Content);
        match map(flip(&image, content / size).as_slice()).unwrap_err() {
            Ext4MapError::Map(MapError::Overlap { start, .. }) => assert_eq!(start, content),
            error => panic!("{error}"),
        }
        let free = first(RangeKind::Free);
        match map(flip(&image, free / size).as_slice()).unwrap_err() {
            Ext4MapError::Map(MapError::Gap { start, last }) => {
                assert_eq!((start, last), (free, free + size - 1));
            }
            error => panic!("{error}"),
        }
        let mut broken = image.clone();
        broken[1024 + 0x3fc] ^= 1;
        assert!(matches!(map(broken.as_slice()), Err(Ext4MapError::Read(_))));
    }
}
