//! The index of a directory by the hashes of its names (kernel documentation, `filesystems/ext4/directory.rst`,
//! *Hash Tree Directories*).

use std::collections::{BTreeMap, BTreeSet};

use super::FileSystem;
use super::checksum;
use super::directory;
use super::error::{Corruption, CorruptionSink, Defect, Ext4Location, Ext4ReadError};
use super::extents::BlockMapping;
use super::features;
use super::fields;
use super::inode::ReadInode;
use crate::read_at::ReadAt;

/// Bytes of an index entry.
const ENTRY: usize = 8;
/// Where the entries begin in the root, after `.`, `..` and eight bytes about the index.
const ROOT_ENTRIES: usize = 0x20;
/// Where they begin in other nodes, after an empty directory entry.
const NODE_ENTRIES: usize = 8;

/// The hashes that a leaf may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hashes {
    pub(crate) least: u32,
    pub(crate) most: u32,
}

/// The index of a directory.
#[derive(Debug)]
pub(crate) struct HashIndex {
    /// Blocks of the directory that hold the index.
    pub(crate) nodes: BTreeSet<u64>,
    /// Blocks of the directory that hold entries, and the hashes allowed there.
    pub(crate) leaves: BTreeMap<u64, Hashes>,
    /// Version of the hash, 3 more where bytes count as unsigned.
    pub(crate) version: u8,
}

/// A node still to be read.
struct PendingIndexNode {
    block: u64,
    levels: u8,
    hashes: Hashes,
}

/// Reads the index; `None` when the root is too damaged to read.
pub(crate) fn read<R: ReadAt + ?Sized>(
    file_system: &FileSystem<'_, R>,
    dir: &ReadInode,
    mapping: &BlockMapping,
    sink: &mut dyn CorruptionSink,
) -> Result<Option<HashIndex>, Ext4ReadError> {
    let index = HashIndex { nodes: BTreeSet::new(), leaves: BTreeMap::new(), version: 0 };
    let mut walk = Walk { file_system, dir, mapping, sink, index, pending: Vec::new() };
    let Some(root) = walk.load(0)? else { return Ok(None) };
    let Some((version, levels)) = walk.check_root(&root)? else { return Ok(None) };
    walk.index.version = file_system.superblock().effective_hash(version);
    walk.index.nodes.insert(0);
    walk.entries(&root, ROOT_ENTRIES, levels, Hashes { least: 0, most: u32::MAX })?;
    while let Some(pending) = walk.pending.pop() {
        walk.descend(&pending)?;
    }
    Ok(Some(walk.index))
}

/// The bytes of a node.
struct HashNode {
    block: u64,
    offset: u64,
    bytes: Vec<u8>,
}

struct Walk<'w, 'a, R: ?Sized> {
    file_system: &'w FileSystem<'a, R>,
    dir: &'w ReadInode,
    mapping: &'w BlockMapping,
    sink: &'w mut dyn CorruptionSink,
    index: HashIndex,
    pending: Vec<PendingIndexNode>,
}

impl<R: ReadAt + ?Sized> Walk<'_, '_, R> {
    fn report(&mut self, node: &HashNode, why: Defect) -> Result<(), Ext4ReadError> {
        let location = Ext4Location::Directory { inode: self.dir.number, block: node.block };
        self.sink.report(Corruption { location, offset: node.offset, why })
    }

    fn load(&mut self, block: u64) -> Result<Option<HashNode>, Ext4ReadError> {
        let Some(physical) = self.mapping.find(block) else {
            self.dir.report(Defect::Missing { what: "a block of the directory's index" }, self.sink)?;
            return Ok(None);
        };
        let offset = self.file_system.superblock().offset_of(physical);
        Ok(Some(HashNode { block, offset, bytes: self.file_system.block(physical)? }))
    }

    /// Checks the header before the entries in the root; gives the hash's version and the levels below.
    fn check_root(&mut self, root: &HashNode) -> Result<Option<(u8, u8)>, Ext4ReadError> {
        let bytes = &root.bytes;
        let features = &self.file_system.superblock().features;
        let levels = if features.incompat(features::LARGEDIR) { 2 } else { 1 };
        let rest = (bytes.len() - 12) as u64;
        let second = directory::record_len(fields::u16(bytes, 16), bytes.len());
        let checks = [
            value("rec_len of `.`", fields::u16(bytes, 4).into(), 12),
            value("rec_len of `..`", second as u64, rest),
            value("reserved_zero", fields::u32(bytes, 0x18).into(), 0),
            range("hash_version", fields::u8(bytes, 0x1c).into(), 0, 2),
            value("info_length", fields::u8(bytes, 0x1d).into(), 8),
            range("indirect_levels", fields::u8(bytes, 0x1e).into(), 0, levels),
            value("unused_flags", fields::u8(bytes, 0x1f).into(), 0),
        ];
        let mut broken = false;
        for why in checks.into_iter().flatten() {
            broken = true;
            self.report(root, why)?;
        }
        Ok((!broken).then(|| (fields::u8(bytes, 0x1c), fields::u8(bytes, 0x1e))))
    }

    fn descend(&mut self, pending: &PendingIndexNode) -> Result<(), Ext4ReadError> {
        let Some(node) = self.load(pending.block)? else { return Ok(()) };
        let len = directory::record_len(fields::u16(&node.bytes, 4), node.bytes.len()) as u64;
        let checks = [
            value("inode of an index node's entry", fields::u32(&node.bytes, 0).into(), 0),
            value("rec_len of an index node's entry", len, node.bytes.len() as u64),
        ];
        for why in checks.into_iter().flatten() {
            self.report(&node, why)?;
        }
        self.entries(&node, NODE_ENTRIES, pending.levels, pending.hashes)
    }

    /// Takes the entries of a node that has `levels` of nodes below it.
    fn entries(
        &mut self,
        node: &HashNode,
        at: usize,
        levels: u8,
        hashes: Hashes,
    ) -> Result<(), Ext4ReadError> {
        let tail = if self.file_system.superblock().has_checksums() { ENTRY } else { 0 };
        let room = (node.bytes.len() - at - tail) / ENTRY;
        let limit = u64::from(fields::u16(&node.bytes, at));
        let count = u64::from(fields::u16(&node.bytes, at + 2));
        let checks = [value("limit", limit, room as u64), range("count", count, 1, limit.min(room as u64))];
        let mut broken = false;
        for why in checks.into_iter().flatten() {
            broken = true;
            self.report(node, why)?;
        }
        if broken {
            return Ok(());
        }
        let count = count as usize;
        if tail > 0 {
            self.verify(node, at + count * ENTRY, at + room * ENTRY)?;
        }
        // The first entry has no hash: limit and count are there. Its leaf begins where the node does.
        let key =
            |slot: usize| if slot == 0 { None } else { Some(fields::u32(&node.bytes, at + slot * ENTRY)) };
        let mut below = Vec::new();
        let mut before = hashes.least;
        for slot in 0..count {
            let least = key(slot).map_or(hashes.least, |hash| hash & !1);
            // The lowest bit of a hash is set when the block before has names of that very hash too.
            let next = if slot + 1 < count { key(slot + 1) } else { None };
            let most = next
                .map_or(hashes.most, |hash| if hash & 1 == 1 { hash & !1 } else { hash.saturating_sub(1) });
            if least < before || least > hashes.most {
                let (found, before) = (u64::from(least), u64::from(before));
                self.report(node, Defect::Order { field: "hash of an index entry", found, before })?;
                continue;
            }
            before = least;
            let block = u64::from(fields::u32(&node.bytes, at + slot * ENTRY + 4) & 0x0fff_ffff);
            self.child(node, block, levels, Hashes { least, most }, &mut below)?;
        }
        self.pending.extend(below.into_iter().rev());
        Ok(())
    }

    /// Takes what an entry leads to: a leaf, or a node to be read later.
    fn child(
        &mut self,
        node: &HashNode,
        block: u64,
        levels: u8,
        hashes: Hashes,
        below: &mut Vec<PendingIndexNode>,
    ) -> Result<(), Ext4ReadError> {
        let end = self.mapping.end();
        if block == 0 || block >= end {
            let most = end.saturating_sub(1);
            return self.report(
                node,
                Defect::Range { field: "block of an index entry", found: block, least: 1, most },
            );
        }
        let known = self.index.nodes.contains(&block) || self.index.leaves.contains_key(&block);
        if known {
            return self.report(node, Defect::Again { what: "block", number: block });
        }
        if levels == 0 {
            self.index.leaves.insert(block, hashes);
        } else {
            self.index.nodes.insert(block);
            below.push(PendingIndexNode { block, levels: levels - 1, hashes });
        }
        Ok(())
    }

    /// Checks the checksum: over the entries in use, and the tail after all there could be.
    fn verify(&mut self, node: &HashNode, end: usize, tail: usize) -> Result<(), Ext4ReadError> {
        let seed = self.dir.seed(self.file_system.superblock());
        let stored = fields::u32(&node.bytes, tail + 4);
        let crc = checksum::crc32c(seed, node.bytes.get(..end).unwrap_or(&[]));
        let crc = checksum::crc32c(crc, node.bytes.get(tail..tail + 4).unwrap_or(&[]));
        let computed = checksum::crc32c(crc, &[0; 4]);
        if stored == computed {
            return Ok(());
        }
        self.report(node, Defect::Checksum { stored, computed })
    }
}

fn value(field: &'static str, found: u64, expected: u64) -> Option<Defect> {
    (found != expected).then_some(Defect::Value { field, found, expected })
}

fn range(field: &'static str, found: u64, least: u64, most: u64) -> Option<Defect> {
    (!(least..=most).contains(&found)).then_some(Defect::Range { field, found, least, most })
}
