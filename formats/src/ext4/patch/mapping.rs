//! The mapping of an inode written anew: an extent tree of any depth, or blocks of block numbers, as the inode or the
//! volume asks for.

use super::Ext4PatchError;
use super::volume::PatchVolume;
use crate::ext4::read::{FileRun, checksum};
use crate::ext4::spec::PutField;

/// Bytes of an extent tree's header and of each entry.
const ENTRY: usize = 12;

/// `eh_magic`.
const MAGIC: u16 = 0xf30a;

/// Entries of the node in the inode.
const ROOT_ENTRIES: usize = 4;

/// Blocks of the longest extent that was written, and of the longest that was not.
const LONGEST: [u64; 2] = [32768, 32767];

/// Numbers of blocks in the inode itself.
const DIRECT: u64 = 12;

/// A mapping as it stands in the inode, and the blocks that it takes itself.
#[derive(Debug)]
pub(super) struct WrittenMapping {
    /// `i_block`.
    pub(super) block: [u8; 60],
    /// Blocks of the mapping.
    pub(super) nodes: u64,
    /// Whether it is an extent tree.
    pub(super) extents: bool,
}

/// An entry of an extent tree's node: its first block in the file, and its twelve bytes.
type NodeEntry = (u32, [u8; ENTRY]);

impl PatchVolume<'_> {
    /// Most blocks that a file may have.
    pub(super) fn longest_file(&self, extents: bool) -> u64 {
        let numbers = self.block_size() / 4;
        if extents {
            (1 << 32) - 1
        } else {
            DIRECT + numbers + numbers * numbers + numbers * numbers * numbers
        }
    }

    /// Writes a mapping of runs in the order of the file; its own blocks are taken from the free ones.
    pub(super) fn write_mapping(
        &mut self,
        runs: &[FileRun],
        extents: bool,
        seed: u32,
    ) -> Result<WrittenMapping, Ext4PatchError> {
        if extents { self.extent_tree(runs, seed) } else { self.block_numbers(runs) }
    }

    fn extent_tree(&mut self, runs: &[FileRun], seed: u32) -> Result<WrittenMapping, Ext4PatchError> {
        let mut level: Vec<NodeEntry> = runs.iter().flat_map(leaves).collect();
        let (mut depth, mut nodes) = (0, 0);
        let room = self.superblock.block_size as usize / ENTRY - 1;
        while level.len() > ROOT_ENTRIES {
            let mut above = Vec::with_capacity(level.len().div_ceil(room));
            for part in level.chunks(room) {
                let block = self.take_one()?;
                let mut bytes = vec![0; self.superblock.block_size as usize];
                node(&mut bytes, room, depth, part);
                if self.superblock.has_checksums() {
                    let tail = ENTRY * (1 + room);
                    let sum = checksum::crc32c(seed, &bytes[..tail]);
                    bytes[..].put32(tail, sum);
                }
                self.put(block, bytes);
                above.push((part[0].0, index(part[0].0, block)));
                nodes += 1;
            }
            (level, depth) = (above, depth + 1);
        }
        let mut block = [0; 60];
        node(&mut block, ROOT_ENTRIES, depth, &level);
        Ok(WrittenMapping { block, nodes, extents: true })
    }

    fn block_numbers(&mut self, runs: &[FileRun]) -> Result<WrittenMapping, Ext4PatchError> {
        let mut block = [0; 60];
        let mut nodes = 0;
        let numbers = self.block_size() / 4;
        for run in runs {
            for step in 0..run.len.min(DIRECT.saturating_sub(run.logical)) {
                block[..].put32((run.logical + step) as usize * 4, (run.physical + step) as u32);
            }
        }
        let mut first = DIRECT;
        for level in 0..3_u32 {
            let span = numbers.pow(level + 1);
            let part = clip(runs, first, first + span);
            if !part.is_empty() {
                let top = self.number_block(&part, first, level, &mut nodes)?;
                block[..].put32((12 + level as usize) * 4, top as u32);
            }
            first += span;
        }
        Ok(WrittenMapping { block, nodes, extents: false })
    }

    /// Writes a block of numbers and those below it; `level` is the number of levels below. The depth is at most three.
    fn number_block(
        &mut self,
        runs: &[FileRun],
        first: u64,
        level: u32,
        nodes: &mut u64,
    ) -> Result<u64, Ext4PatchError> {
        let own = self.take_one()?;
        *nodes += 1;
        let numbers = self.block_size() / 4;
        let mut bytes = vec![0; self.superblock.block_size as usize];
        if level == 0 {
            for run in runs {
                for step in 0..run.len {
                    bytes[..].put32((run.logical + step - first) as usize * 4, (run.physical + step) as u32);
                }
            }
        } else {
            let span = numbers.pow(level);
            for slot in 0..numbers {
                let from = first + slot * span;
                let part = clip(runs, from, from + span);
                if !part.is_empty() {
                    let below = self.number_block(&part, from, level - 1, nodes)?;
                    bytes[..].put32(slot as usize * 4, below as u32);
                }
            }
        }
        self.put(own, bytes);
        Ok(own)
    }
}

/// The entries of a run in leaves.
fn leaves(run: &FileRun) -> Vec<NodeEntry> {
    let longest = LONGEST[usize::from(run.unwritten)];
    let cuts = (0..run.len).step_by(longest as usize);
    let entry = |cut: u64| {
        let len = (run.len - cut).min(longest);
        let (first, physical) = ((run.logical + cut) as u32, run.physical + cut);
        let mut bytes = [0; ENTRY];
        bytes[..].put32(0, first);
        bytes[..].put16(4, len as u16 + if run.unwritten { 32768 } else { 0 });
        bytes[..].put16(6, (physical >> 32) as u16);
        bytes[..].put32(8, physical as u32);
        (first, bytes)
    };
    cuts.map(entry).collect()
}

/// An entry that leads to a node.
fn index(first: u32, block: u64) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    bytes[..].put32(0, first);
    bytes[..].put32(4, block as u32);
    bytes[..].put16(8, (block >> 32) as u16);
    bytes
}

/// Writes header and entries of a node.
fn node(out: &mut [u8], room: usize, depth: u16, entries: &[NodeEntry]) {
    out.put16(0, MAGIC);
    out.put16(2, entries.len() as u16);
    out.put16(4, room as u16);
    out.put16(6, depth);
    for ((_, entry), to) in entries.iter().zip(out[ENTRY..].chunks_exact_mut(ENTRY)) {
        to.copy_from_slice(entry);
    }
}

/// The parts of runs within `from..to` of the file.
pub(super) fn clip(runs: &[FileRun], from: u64, to: u64) -> Vec<FileRun> {
    let first = runs.partition_point(|run| run.logical + run.len <= from);
    let own = runs[first..].iter().take_while(|run| run.logical < to);
    own.map(|run| {
        let skip = from.saturating_sub(run.logical);
        let logical = run.logical + skip;
        FileRun {
            logical,
            physical: run.physical + skip,
            len: (run.logical + run.len).min(to) - logical,
            ..*run
        }
    })
    .collect()
}
