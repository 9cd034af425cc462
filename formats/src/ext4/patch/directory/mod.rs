//! Directories: names are added and removed in the blocks that hold them, leaves of an index are divided, and what is
//! new or outgrows its form is written whole.

mod block;
mod index;

use std::collections::{BTreeMap, BTreeSet};

use self::block::{LeafFormat, NamedInode, space_of};
use self::index::{HashedNames, IndexKey, IndexNode, RootHead, divide};
use super::Ext4PatchError;
use super::mapping::WrittenMapping;
use super::volume::PatchVolume;
use crate::ext4::read::{DirEntry, EXTENTS_FL, FileRun, INDEX_FL, ReadInode, features, fields, hash};

/// Highest version of the hash that a directory without case folding may have.
const TEA: u8 = 2;

/// The version of the hash that is taken when the superblock has none that is known.
const HALF_MD4: u8 = 1;

/// A name of a directory with its inode and type byte.
pub(super) type DirNames<'n> = BTreeMap<&'n [u8], (u32, u8)>;

/// A directory and the blocks that it has.
pub(super) struct PatchedDir<'p> {
    /// Its path.
    pub(super) path: &'p [u8],
    /// Its inode.
    pub(super) number: u32,
    /// The inode of the directory above.
    pub(super) parent: u32,
    /// Blocks of the file system, by block of the directory.
    blocks: Vec<u64>,
    /// Whether it has an index.
    indexed: bool,
    format: LeafFormat,
}

/// What the inode of a directory gets.
#[derive(Debug)]
pub(super) struct DirOutcome {
    /// Blocks of the file system, by block of the directory, where they have changed.
    pub(super) blocks: Option<Vec<u64>>,
    /// Whether it has an index.
    pub(super) indexed: bool,
}

impl<'p> PatchedDir<'p> {
    /// A directory without blocks.
    pub(super) fn new(
        volume: &PatchVolume<'_>,
        path: &'p [u8],
        (number, parent): (u32, u32),
    ) -> Result<Self, Ext4PatchError> {
        let format = LeafFormat {
            block: volume.superblock.block_size as usize,
            sealed: volume.superblock.has_checksums(),
            typed: volume.superblock.features.incompat(features::FILETYPE),
            seed: volume.inode_seed(number)?,
        };
        Ok(Self { path, number, parent, blocks: Vec::new(), indexed: false, format })
    }

    /// A directory of the volume.
    pub(super) fn existing(
        volume: &PatchVolume<'_>,
        path: &'p [u8],
        inode: &ReadInode,
        parent: u32,
    ) -> Result<Self, Ext4PatchError> {
        let mut dir = Self::new(volume, path, (inode.number, parent))?;
        let mapping = volume.base.mapping(inode)?;
        dir.blocks = mapping.runs.iter().flat_map(|run| run.physical..run.physical + run.len).collect();
        dir.indexed = inode.is(INDEX_FL) && volume.superblock.features.compat(features::DIR_INDEX);
        Ok(dir)
    }

    /// Brings the directory from the entries that it has to the names that it should have.
    pub(super) fn amend(
        mut self,
        volume: &mut PatchVolume<'_>,
        entries: &[DirEntry],
        names: &DirNames<'_>,
    ) -> Result<DirOutcome, Ext4PatchError> {
        let before = self.blocks.clone();
        let mut known = BTreeSet::new();
        for entry in entries.iter().filter(|entry| !entry.is_dots()) {
            known.insert(&*entry.name);
            self.change(volume, entry, names.get(&*entry.name))?;
        }
        for (name, (inode, file_type)) in names.iter().filter(|(name, _)| !known.contains(**name)) {
            let entry = NamedInode { name, inode: *inode, file_type: *file_type };
            if !self.add(volume, &entry)? {
                // What was added so far is among the names: the whole is written anew.
                self.write_whole(volume, names)?;
                break;
            }
        }
        let blocks = (self.blocks != before).then_some(self.blocks);
        Ok(DirOutcome { blocks, indexed: self.indexed })
    }

    /// Writes all blocks.
    pub(super) fn write_new(
        mut self,
        volume: &mut PatchVolume<'_>,
        names: &DirNames<'_>,
    ) -> Result<DirOutcome, Ext4PatchError> {
        self.write_whole(volume, names)?;
        Ok(DirOutcome { blocks: Some(self.blocks), indexed: self.indexed })
    }

    /// Removes an entry, or gives it another inode.
    fn change(
        &self,
        volume: &mut PatchVolume<'_>,
        entry: &DirEntry,
        wanted: Option<&(u32, u8)>,
    ) -> Result<(), Ext4PatchError> {
        let Some(&block) = self.blocks.get(entry.block as usize) else { return Ok(()) };
        match wanted {
            Some((inode, _)) if *inode == entry.inode => {}
            Some((inode, file_type)) => {
                let new = NamedInode { name: &entry.name, inode: *inode, file_type: *file_type };
                let bytes = volume.edit(block)?;
                self.format.replace(bytes, &new);
                self.format.seal(bytes);
            }
            None => {
                let bytes = volume.edit(block)?;
                self.format.remove(bytes, &entry.name);
                self.format.seal(bytes);
            }
        }
        Ok(())
    }

    /// Adds a name; `false` when the directory has to be written anew.
    fn add(&mut self, volume: &mut PatchVolume<'_>, entry: &NamedInode<'_>) -> Result<bool, Ext4PatchError> {
        if self.indexed {
            return self.add_by_hash(volume, entry);
        }
        for &block in &self.blocks {
            let mut bytes = volume.block(block)?;
            if self.format.insert(&mut bytes, entry) {
                self.format.seal(&mut bytes);
                volume.put(block, bytes);
                return Ok(true);
            }
        }
        if volume.superblock.features.compat(features::DIR_INDEX) {
            return Ok(false);
        }
        let block = volume.take_one()?;
        volume.put(block, self.format.fill(std::slice::from_ref(entry)));
        self.blocks.push(block);
        Ok(true)
    }

    /// Adds a name to the leaf of its hash, which is divided when it is full.
    fn add_by_hash(
        &mut self,
        volume: &mut PatchVolume<'_>,
        entry: &NamedInode<'_>,
    ) -> Result<bool, Ext4PatchError> {
        let root = self.load(volume, 0)?;
        let version = volume.superblock.effective_hash(fields::u8(&root, 0x1c));
        let seed = volume.superblock.hash_seed;
        let Some(hash) = hash::of_name(version, seed, entry.name) else { return Ok(false) };
        let Some(way) = self.way(volume, root, hash)? else { return Ok(false) };
        let Some(&physical) = self.blocks.get(way.leaf as usize) else { return Ok(false) };
        let mut bytes = volume.block(physical)?;
        if !self.format.insert(&mut bytes, entry) {
            let known = self.format.entries(&bytes);
            let mut names: HashedNames<'_> = Vec::with_capacity(known.len() + 1);
            for (name, inode, file_type) in &known {
                let hash = hash::of_name(version, seed, name).unwrap_or(0);
                names.push((hash, NamedInode { name, inode: *inode, file_type: *file_type }));
            }
            names.push((hash, entry.clone()));
            names.sort_by(|a, b| (a.0, a.1.name).cmp(&(b.0, b.1.name)));
            return self.refill(volume, way, names);
        }
        self.format.seal(&mut bytes);
        volume.put(physical, bytes);
        Ok(true)
    }

    /// Writes a leaf anew, or two when the names do not fit one.
    fn refill(
        &mut self,
        volume: &mut PatchVolume<'_>,
        way: IndexWay,
        mut names: HashedNames<'_>,
    ) -> Result<bool, Ext4PatchError> {
        let Some(&physical) = self.blocks.get(way.leaf as usize) else { return Ok(false) };
        let whole = plain(&names);
        if space_of(&whole) <= self.format.end() {
            volume.put(physical, self.format.fill(&whole));
            return Ok(true);
        }
        let mut keys = way.keys;
        if keys.len() >= way.kind.limit(&self.format) {
            return Ok(false);
        }
        let (hash, upper) = divide(&mut names);
        let (lower, upper) = (plain(&names), plain(&upper));
        if space_of(&lower) > self.format.end() || space_of(&upper) > self.format.end() {
            return Ok(false);
        }
        let block = self.blocks.len() as u32;
        keys.insert(way.slot + 1, IndexKey { hash, block });
        let Some(&node) = self.blocks.get(way.node as usize) else { return Ok(false) };
        let new = volume.take_one()?;
        self.blocks.push(new);
        volume.put(physical, self.format.fill(&lower));
        volume.put(new, self.format.fill(&upper));
        way.kind.write(&self.format, volume.edit(node)?, &keys);
        Ok(true)
    }

    fn load(&self, volume: &PatchVolume<'_>, block: u32) -> Result<Vec<u8>, Ext4PatchError> {
        match self.blocks.get(block as usize) {
            Some(physical) => volume.block(*physical),
            None => Ok(vec![0; self.format.block]),
        }
    }

    /// The way from the root to the leaf of a hash. The index was checked; it has at most three levels.
    fn way(
        &self,
        volume: &PatchVolume<'_>,
        root: Vec<u8>,
        hash: u32,
    ) -> Result<Option<IndexWay>, Ext4PatchError> {
        let mut levels = fields::u8(&root, 0x1e);
        let (mut kind, mut node, mut bytes) = (IndexNode::Root, 0, root);
        loop {
            let keys = kind.keys(&self.format, &bytes);
            let after = keys.iter().skip(1).take_while(|key| key.hash <= hash).count();
            let Some(found) = keys.get(after).copied() else { return Ok(None) };
            if levels == 0 {
                return Ok(Some(IndexWay { kind, node, keys, slot: after, leaf: found.block }));
            }
            (levels, kind, node) = (levels - 1, IndexNode::Inner, found.block);
            bytes = self.load(volume, node)?;
        }
    }

    /// Writes all names anew: into one block, with an index over several, or one block after the other.
    fn write_whole(
        &mut self,
        volume: &mut PatchVolume<'_>,
        names: &DirNames<'_>,
    ) -> Result<(), Ext4PatchError> {
        let dir = crate::ext4::spec::dirent::file_type::DIR;
        let mut all = vec![
            NamedInode { name: b".", inode: self.number, file_type: dir },
            NamedInode { name: b"..", inode: self.parent, file_type: dir },
        ];
        all.extend(names.iter().map(|(name, (inode, file_type))| NamedInode {
            name,
            inode: *inode,
            file_type: *file_type,
        }));
        self.indexed =
            space_of(&all) > self.format.end() && volume.superblock.features.compat(features::DIR_INDEX);
        let blocks =
            if self.indexed { self.indexed_blocks(volume, &all[2..])? } else { self.linear_blocks(&all) };
        let missing = (blocks.len() as u64).saturating_sub(self.blocks.len() as u64);
        let new = volume.take(missing)?;
        self.blocks.extend(new.into_iter().flatten());
        for surplus in self.blocks.split_off(blocks.len()) {
            volume.give_back(surplus..surplus + 1);
        }
        for (block, bytes) in self.blocks.iter().zip(blocks) {
            volume.put(*block, bytes);
        }
        Ok(())
    }

    fn indexed_blocks(
        &self,
        volume: &PatchVolume<'_>,
        entries: &[NamedInode<'_>],
    ) -> Result<Vec<Vec<u8>>, Ext4PatchError> {
        let stored = volume.superblock.hash_version;
        let version = if stored <= TEA { stored } else { HALF_MD4 };
        let effective = volume.superblock.effective_hash(version);
        let seed = volume.superblock.hash_seed;
        let hashed = |entry: &NamedInode<'_>| hash::of_name(effective, seed, entry.name).unwrap_or(0);
        let mut names: HashedNames<'_> = entries.iter().map(|entry| (hashed(entry), entry.clone())).collect();
        names.sort_by(|a, b| (a.0, a.1.name).cmp(&(b.0, b.1.name)));
        let head = RootHead { inode: self.number, parent: self.parent, version, levels: 0 };
        let most = if volume.superblock.features.incompat(features::LARGEDIR) { 2 } else { 1 };
        let built = index::build(&self.format, head, &names, most);
        built.ok_or_else(|| Ext4PatchError::TooManyNames { path: self.path.to_vec() })
    }

    fn linear_blocks(&self, entries: &[NamedInode<'_>]) -> Vec<Vec<u8>> {
        let mut blocks = Vec::new();
        let mut rest = entries;
        while !rest.is_empty() {
            let mut size = 0;
            let fits = |entry: &&NamedInode<'_>| {
                size += space_of(std::slice::from_ref(*entry));
                size <= self.format.end()
            };
            let count = rest.iter().take_while(fits).count().max(1);
            blocks.push(self.format.fill(&rest[..count]));
            rest = &rest[count..];
        }
        blocks
    }
}

/// The node above a leaf and the entry that leads to it.
struct IndexWay {
    kind: IndexNode,
    /// Block of the directory with the node.
    node: u32,
    keys: Vec<IndexKey>,
    slot: usize,
    /// Block of the directory with the leaf.
    leaf: u32,
}

/// Names without their hashes.
fn plain<'n>(names: &HashedNames<'n>) -> Vec<NamedInode<'n>> {
    names.iter().map(|(_, entry)| entry.clone()).collect()
}

impl PatchVolume<'_> {
    /// Gives the inode of a directory its blocks; the blocks of its old mapping are given back already.
    pub(super) fn map_directory(
        &mut self,
        number: u32,
        blocks: &[u64],
        extents: bool,
    ) -> Result<WrittenMapping, Ext4PatchError> {
        let mut runs: Vec<FileRun> = Vec::new();
        for (physical, logical) in blocks.iter().zip(0..) {
            match runs.last_mut() {
                Some(run) if run.physical + run.len == *physical => run.len += 1,
                _ => runs.push(FileRun { logical, physical: *physical, len: 1, unwritten: false }),
            }
        }
        let seed = self.inode_seed(number)?;
        self.write_mapping(&runs, extents, seed)
    }

    /// Whether new inodes are mapped by extents.
    pub(super) fn maps_by_extents(&self, inode: Option<&ReadInode>) -> bool {
        match inode {
            Some(inode) => inode.is(EXTENTS_FL),
            None => self.superblock.features.incompat(features::EXTENTS),
        }
    }
}
