//! An ext4 volume amended in place: a tree that differs a little from what the volume holds gives a volume that differs
//! in few blocks.
//!
//! The volume is read and checked, its inodes are paired with the nodes of the tree, and only what differs is written:
//! what is unchanged keeps its inode and its blocks; what is new goes into free inodes and blocks, into blocks of the image
//! (512 KiB, those of EBS) that change anyway, then one after the other into one long free run. ext2, ext3 and ext4 with
//! the features that the reader reads; the rest is refused by name. Nothing depends on anything but base, tree and options.

mod attributes;
mod content;
mod directory;
mod error;
mod finish;
mod mapping;
mod nodes;
mod origin;
mod pairing;
mod raw_inode;
mod refusal;
mod removal;
mod space;
mod volume;

use std::collections::BTreeMap;
use std::ops::Range;

pub use self::error::Ext4PatchError;
pub use self::origin::origin_of;

use self::attributes::NewAttributeBlocks;
use self::directory::DirNames;
use self::nodes::{NodeChange, codes};
use self::origin::BaseOrigin;
use self::pairing::{NodePairs, PairedNode};
use self::volume::PatchVolume;
use super::read::{self, NumberedTree, ROOT, ReadInode, features};
use crate::plan::{Plan, SourceId, Sources};
use crate::read_at::ReadAt;
use crate::time::Time;
use crate::tree::{Name, NodeId, NodeKind, Tree};

/// How a volume is amended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ext4PatchOptions {
    /// The time of the change: change time of amended inodes, time of deletion of those that go. 1970 to 2106.
    pub time: Time,
    /// What generation numbers of new inodes are derived from, with their paths.
    pub seed: u64,
    /// Whether blocks of what is gone are overwritten with zeros. Without it their bytes stay in free space, as after
    /// the removal of a file on a running machine.
    pub erase: bool,
}

/// An amended volume.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Ext4Patch {
    /// Every byte of it: ranges of the base, and what is new.
    pub plan: Plan,
    /// The ranges of bytes that may differ from the base, sorted, in whole blocks of the file system.
    pub changed: Vec<Range<u64>>,
    /// What has changed, in numbers.
    pub counts: Ext4PatchCounts,
}

/// What an amendment changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ext4PatchCounts {
    /// Nodes that the base has not.
    pub added: u64,
    /// Nodes of the base whose metadata, content or entries are other ones.
    pub changed: u64,
    /// Nodes of the base that are gone.
    pub removed: u64,
    /// Blocks of the file system that were written.
    pub blocks_written: u64,
}

/// Amends the volume `base` so that it holds `tree`. The bytes of the volume are `base_source` from `base_offset` on, which
/// is also where the volume begins on its disk; contents of the tree that are ranges of it are known to be unchanged, all
/// others are compared with what is there, read from `sources`.
///
/// # Errors
/// [`Ext4PatchError`] when the volume cannot be read or is damaged, when the tree asks for what it cannot hold, or when
/// there is too little free space.
pub fn patch(
    base: &dyn ReadAt,
    base_source: SourceId,
    base_offset: u64,
    tree: &Tree,
    sources: &dyn Sources,
    options: &Ext4PatchOptions,
) -> Result<Ext4Patch, Ext4PatchError> {
    let plan = origin_of(base, base_source, base_offset)?;
    let origin = BaseOrigin { plan: &plan, row: Some((base_source, base_offset)) };
    patch_origin(base, origin, base_offset, tree, sources, options)
}

/// [`patch`] of a volume whose bytes are in a container: `origin` has the origin of every byte of the volume, and
/// `disk_offset` is where the volume begins on its disk.
///
/// # Errors
/// As [`patch`].
pub fn patch_of(
    base: &dyn ReadAt,
    origin: &Plan,
    disk_offset: u64,
    tree: &Tree,
    sources: &dyn Sources,
    options: &Ext4PatchOptions,
) -> Result<Ext4Patch, Ext4PatchError> {
    patch_origin(base, BaseOrigin { plan: origin, row: None }, disk_offset, tree, sources, options)
}

fn patch_origin(
    base: &dyn ReadAt,
    origin: BaseOrigin<'_>,
    disk_offset: u64,
    tree: &Tree,
    sources: &dyn Sources,
    options: &Ext4PatchOptions,
) -> Result<Ext4Patch, Ext4PatchError> {
    if origin.plan.len() != base.size() {
        let (described, found) = (origin.plan.len(), base.size());
        return Err(Ext4PatchError::Origin { described, found });
    }
    if !(0..=i64::from(u32::MAX)).contains(&options.time.secs) {
        return Err(Ext4PatchError::ChangeTime { time: options.time });
    }
    refusal::refuse_features(base)?;
    let system = read::open(base)?;
    refusal::refuse_damage(base, &system)?;
    // The source is that of the volume itself here; the origin says which ranges of which sources its bytes are.
    let numbered = system.numbered_tree(SourceId(0))?;
    let kept = refusal::with_lost_found(tree, &numbered.tree);
    let tree = kept.as_ref().unwrap_or(tree);
    let patching = Patching {
        image: base,
        tree,
        base: &numbered,
        origin,
        sources,
        links: tree.link_counts(),
        has_many_links: system.superblock().features.ro_compat(features::DIR_NLINK),
        block_size: u64::from(system.superblock().block_size),
        time: options.time,
        seed: options.seed,
    };
    let mut volume = PatchVolume::new(&system, disk_offset)?;
    let counts = patching.amend(&mut volume)?;
    volume.write_counts()?;
    let bytes = volume.into_bytes(origin.plan, options.erase)?;
    let written: u64 = bytes.changed.iter().map(|range| range.end - range.start).sum();
    let counts = Ext4PatchCounts { blocks_written: written / patching.block_size, ..counts };
    Ok(Ext4Patch { plan: bytes.plan, changed: bytes.changed, counts })
}

/// What an amendment is made from.
struct Patching<'p> {
    /// The volume.
    image: &'p dyn ReadAt,
    /// The tree that it is to hold.
    tree: &'p Tree,
    /// The tree that it holds; contents are ranges of the volume.
    base: &'p NumberedTree,
    origin: BaseOrigin<'p>,
    sources: &'p dyn Sources,
    /// Links by node of the tree.
    links: Vec<u32>,
    /// Whether directories may have more links than are counted.
    has_many_links: bool,
    block_size: u64,
    time: Time,
    seed: u64,
}

/// Inode numbers of the nodes of the tree.
type Numbers = BTreeMap<NodeId, u32>;

impl Patching<'_> {
    /// Brings the volume from its tree to the other one.
    fn amend(&self, volume: &mut PatchVolume<'_>) -> Result<Ext4PatchCounts, Ext4PatchError> {
        let NodePairs { nodes, gone } = pairing::pair(self.tree, self.base, &self.origin);
        let inodes = self.inodes(volume, &nodes)?;
        let changes = self.changes(&nodes, &inodes)?;
        for id in &gone {
            if let Some(number) = self.base.inode(*id) {
                let inode = volume.base.inode(number)?;
                self.remove_node(volume, &inode)?;
            }
        }
        self.check_room(volume, &nodes, &changes)?;
        let dirs = self.touch(volume, &nodes, &inodes, &changes)?;
        let numbers = self.number(volume, &nodes)?;
        let mut made = NewAttributeBlocks::default();
        for (pair, (inode, change)) in nodes.iter().zip(inodes.iter().zip(&changes)) {
            match inode {
                Some(inode) => self.amend_node(volume, pair, inode, change, &mut made)?,
                None => self.write_node(volume, pair, self.number_of(&numbers, pair.id), &mut made)?,
            }
        }
        for (pair, inode) in nodes.iter().zip(&inodes) {
            if matches!(self.tree.node(pair.id).kind, NodeKind::Dir(_))
                && (inode.is_none() || dirs.contains_key(&pair.id))
            {
                let (own, parent) =
                    (self.number_of(&numbers, pair.id), self.number_of(&numbers, pair.parent));
                self.directory(volume, pair, (own, parent), inode.as_ref(), &self.names(&numbers, pair.id))?;
            }
        }
        let changed = |(pair, change): &(&PairedNode, &NodeChange)| {
            pair.base.is_some() && (!change.is_none() || dirs.contains_key(&pair.id))
        };
        Ok(Ext4PatchCounts {
            added: nodes.iter().filter(|pair| pair.base.is_none()).count() as u64,
            changed: nodes.iter().zip(&changes).filter(changed).count() as u64,
            removed: gone.len() as u64,
            blocks_written: 0,
        })
    }

    /// The inodes of the nodes that are there.
    fn inodes(
        &self,
        volume: &PatchVolume<'_>,
        nodes: &[PairedNode],
    ) -> Result<Vec<Option<ReadInode>>, Ext4PatchError> {
        let inode = |pair: &PairedNode| match pair.base.and_then(|base| self.base.inode(base)) {
            Some(number) => Ok(Some(volume.base.inode(number)?)),
            None => Ok(None),
        };
        nodes.iter().map(inode).collect()
    }

    fn changes(
        &self,
        nodes: &[PairedNode],
        inodes: &[Option<ReadInode>],
    ) -> Result<Vec<NodeChange>, Ext4PatchError> {
        let change = |(pair, inode): (&PairedNode, &Option<ReadInode>)| match inode {
            Some(inode) => self.change_of(pair, inode),
            None => Ok(NodeChange::default()),
        };
        nodes.iter().zip(inodes).map(change).collect()
    }

    /// Refuses what does not fit before anything is placed.
    fn check_room(
        &self,
        volume: &mut PatchVolume<'_>,
        nodes: &[PairedNode],
        changes: &[NodeChange],
    ) -> Result<(), Ext4PatchError> {
        let new = nodes.iter().filter(|pair| pair.base.is_none()).count() as u64;
        let free = volume.free_inodes();
        if new > free {
            return Err(Ext4PatchError::NoInodes { missing: new - free });
        }
        // What differs of a file may be written where it is; what is new has to find room.
        let needed = self.demand(nodes);
        let missing = needed.saturating_sub(volume.free_blocks());
        if missing > 0 {
            return Err(Ext4PatchError::NoSpace { missing: missing * self.block_size });
        }
        let different = changes.iter().filter_map(|change| change.content.as_ref()).flatten();
        let different: u64 = different.map(|run| run.end - run.start).sum();
        volume.space.expect(needed + different + new / 16);
        Ok(())
    }

    /// Notes all that will change for certain, so that what is new can go there; gives the directories that get or lose
    /// names.
    fn touch(
        &self,
        volume: &mut PatchVolume<'_>,
        nodes: &[PairedNode],
        inodes: &[Option<ReadInode>],
        changes: &[NodeChange],
    ) -> Result<BTreeMap<NodeId, ()>, Ext4PatchError> {
        let of_base: BTreeMap<NodeId, NodeId> =
            nodes.iter().filter_map(|pair| Some((pair.id, pair.base?))).collect();
        let mut dirs = BTreeMap::new();
        for (pair, (inode, change)) in nodes.iter().zip(inodes.iter().zip(changes)) {
            let Some(inode) = inode else { continue };
            if !change.is_none() {
                volume.touch_inode(inode.number)?;
            }
            let (Some(new), Some(base)) = (self.tree.entries(pair.id), pair.base) else { continue };
            let Some(old) = self.base.tree.entries(base) else { continue };
            let same = new.len() == old.len()
                && new
                    .iter()
                    .zip(old)
                    .all(|((name, id), (old_name, old))| name == old_name && of_base.get(id) == Some(old));
            if !same {
                dirs.insert(pair.id, ());
                self.touch_entries(volume, inode, new, old, &of_base)?;
            }
        }
        Ok(dirs)
    }

    /// Notes the blocks of a directory that lose a name, or the first one where it only gets some.
    fn touch_entries(
        &self,
        volume: &mut PatchVolume<'_>,
        inode: &ReadInode,
        new: &BTreeMap<Name, NodeId>,
        old: &BTreeMap<Name, NodeId>,
        of_base: &BTreeMap<NodeId, NodeId>,
    ) -> Result<(), Ext4PatchError> {
        let mapping = volume.base.mapping(inode)?;
        let stays = |name: &[u8]| {
            let id = new.get(name).and_then(|id| of_base.get(id));
            id.is_some() && id == old.get(name)
        };
        let mut lost = false;
        for entry in
            volume.base.entries(inode)?.iter().filter(|entry| !entry.is_dots() && !stays(&entry.name))
        {
            lost = true;
            if let Some(block) = mapping.find(entry.block) {
                volume.space.touch(block);
            }
        }
        if !lost && let Some(run) = mapping.runs.first() {
            volume.space.touch(run.physical);
        }
        Ok(())
    }

    /// Gives every node its inode, and writes what is known of the new ones.
    fn number(&self, volume: &mut PatchVolume<'_>, nodes: &[PairedNode]) -> Result<Numbers, Ext4PatchError> {
        let mut numbers = Numbers::new();
        for pair in nodes {
            let known = pair.base.and_then(|base| self.base.inode(base));
            let number = match known {
                Some(number) => number,
                None => {
                    let parent = self.number_of(&numbers, pair.parent);
                    let is_dir = matches!(self.tree.node(pair.id).kind, NodeKind::Dir(_));
                    let number = volume.take_inode(parent, is_dir)?;
                    self.begin_node(volume, pair, number)?;
                    Self::inherit_project(volume, number, parent, is_dir)?;
                    number
                }
            };
            numbers.insert(pair.id, number);
        }
        Ok(numbers)
    }

    fn number_of(&self, numbers: &Numbers, id: NodeId) -> u32 {
        numbers.get(&id).copied().unwrap_or(ROOT)
    }

    /// The names of a directory.
    fn names(&self, numbers: &Numbers, dir: NodeId) -> DirNames<'_> {
        let entries = self.tree.entries(dir).into_iter().flatten();
        let entry = |id: &NodeId| (self.number_of(numbers, *id), codes(&self.tree.node(*id).kind).1);
        entries.map(|(name, id)| (name.as_bytes(), entry(id))).collect()
    }
}
