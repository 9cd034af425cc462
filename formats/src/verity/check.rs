//! Checker: every block of the tree against its parent, and data against the tree, from the root down as dm-verity goes.

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::fmt;
use std::ops::Range;

use sha2::{Digest as _, Sha256};

use super::read::{VerityReadError, VeritySuperblock};
use super::spec::{BLOCK, DIGEST, HASHES};
use crate::digest::Digest;
use crate::read_at::ReadAt;

/// Blocks of hashes that are read at a time.
const READ: u64 = 64;

/// Most differences that are listed; further ones are counted.
const LISTED: usize = 1000;

/// A block that is not what its parent says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeDifference {
    /// A block of hashes has another digest than its parent says.
    Hash {
        /// Its level; the lowest, over the data, is 0.
        level: usize,
        /// Its block, counted from the superblock.
        block: u64,
    },
    /// The digests that a block has room for and no child has are not zero.
    Padding {
        /// Its level.
        level: usize,
        /// Its block, counted from the superblock.
        block: u64,
    },
}

impl fmt::Display for TreeDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash { level, block } => {
                write!(f, "block {block} of the tree, level {level}, is not what the block above it says")
            }
            Self::Padding { level, block } => {
                write!(f, "block {block} of the tree, level {level}, has bytes behind its last digest")
            }
        }
    }
}

/// A tree whose every block was compared with its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedTree {
    /// The superblock.
    pub superblock: VeritySuperblock,
    /// The root hash: the digest of the topmost block; `None` where the tree has no block, so that it is that of the data.
    pub root: Option<Digest>,
    /// Blocks that differ, in the order from the root down; the first of a long list.
    pub differences: Vec<TreeDifference>,
    /// How many differ.
    pub count: u64,
}

/// Reads the superblock and the tree behind it.
///
/// # Errors
/// [`VerityReadError`] when there is none, or the medium fails.
pub fn tree(volume: &dyn ReadAt) -> Result<CheckedTree, VerityReadError> {
    let superblock = VeritySuperblock::read(volume)?;
    let mut checked = CheckedTree { superblock, root: None, differences: Vec::new(), count: 0 };
    let superblock = checked.superblock.clone();
    checked.root = root(volume, &superblock)?;
    for level in (0..superblock.levels.len()).rev() {
        checked.level(volume, &superblock, level)?;
    }
    Ok(checked)
}

/// The digest of the topmost block; none where the tree has no block.
///
/// # Errors
/// [`VerityReadError::Io`].
pub(super) fn root(
    volume: &dyn ReadAt,
    superblock: &VeritySuperblock,
) -> Result<Option<Digest>, VerityReadError> {
    let Some(top) = superblock.levels.last() else { return Ok(None) };
    let mut block = vec![0; BLOCK as usize];
    read(volume, top.first, &mut block)?;
    Ok(Some(Digest(digest(&superblock.salt, &block))))
}

impl CheckedTree {
    /// Compares the blocks of a level with the level above, which were read before it.
    fn level(
        &mut self,
        volume: &dyn ReadAt,
        superblock: &VeritySuperblock,
        level: usize,
    ) -> Result<(), VerityReadError> {
        let Some(range) = superblock.levels.get(level).copied() else { return Ok(()) };
        let above = superblock.levels.get(level.saturating_add(1)).copied();
        let below = match level.checked_sub(1).and_then(|below| superblock.levels.get(below)) {
            Some(below) => below.blocks,
            None => superblock.data_blocks,
        };
        let mut blocks = vec![0; BLOCK.saturating_mul(READ) as usize];
        let mut parent = vec![0; BLOCK as usize];
        for from in (0..range.blocks).step_by(READ as usize) {
            let count = range.blocks.saturating_sub(from).min(READ);
            let bytes = blocks.get_mut(..count.saturating_mul(BLOCK) as usize).unwrap_or_default();
            read(volume, range.first.saturating_add(from), bytes)?;
            for (index, block) in (from..).zip(bytes.chunks_exact(BLOCK as usize)) {
                let location = range.first.saturating_add(index);
                if let Some(above) = above {
                    if index == from || index.is_multiple_of(HASHES) {
                        read(volume, above.first.saturating_add(index / HASHES), &mut parent)?;
                    }
                    if entry(&parent, index) != digest(&superblock.salt, block) {
                        self.differs(TreeDifference::Hash { level, block: location });
                    }
                }
                let used = below.saturating_sub(index.saturating_mul(HASHES)).min(HASHES) as usize;
                let padding = block.get(used.saturating_mul(DIGEST)..).unwrap_or_default();
                if padding.iter().any(|byte| *byte != 0) {
                    self.differs(TreeDifference::Padding { level, block: location });
                }
            }
        }
        Ok(())
    }

    fn differs(&mut self, difference: TreeDifference) {
        self.count = self.count.saturating_add(1);
        if self.differences.len() < LISTED {
            self.differences.push(difference);
        }
    }
}

/// What data is compared with.
#[derive(Clone, Copy)]
pub struct DataCheck<'a> {
    /// The superblock.
    pub superblock: &'a VeritySuperblock,
    /// Superblock and tree.
    volume: &'a dyn ReadAt,
    /// The root hash, which is the digest of the data where the tree has no block.
    root: Digest,
    /// The digest of a block of zeros.
    zero: [u8; DIGEST],
}

impl<'a> DataCheck<'a> {
    /// For the tree in `volume`. `root` counts only where the tree has no block: it is the digest of the data then.
    pub fn new(superblock: &'a VeritySuperblock, volume: &'a dyn ReadAt, root: Digest) -> Self {
        let zero = digest(&superblock.salt, &[0; BLOCK as usize]);
        Self { superblock, volume, root, zero }
    }

    /// The blocks within `blocks` that differ from the tree; `data` has at least as many bytes as the tree covers. Ranges may
    /// be checked side by side.
    ///
    /// # Errors
    /// [`VerityReadError::Io`], [`VerityReadError::DataTooShort`].
    pub fn differing(&self, data: &dyn ReadAt, blocks: Range<u64>) -> Result<Vec<u64>, VerityReadError> {
        let (covered, available) = (self.superblock.covered(), data.size());
        if covered > available {
            return Err(VerityReadError::DataTooShort { covered, available });
        }
        let failed = |source| VerityReadError::Io { what: "the data", source };
        let mut differing = Vec::new();
        let mut bytes = vec![0; BLOCK.saturating_mul(HASHES) as usize];
        let mut at = blocks.start;
        let end = blocks.end.min(self.superblock.data_blocks);
        while at < end {
            let next = (at / HASHES).saturating_add(1).saturating_mul(HASHES).min(end);
            let leaf = self.leaf(at)?;
            let len = next.saturating_sub(at).saturating_mul(BLOCK) as usize;
            let part = bytes.get_mut(..len).unwrap_or_default();
            data.read_exact_at(at.saturating_mul(BLOCK), part).map_err(failed)?;
            for (block, bytes) in (at..next).zip(part.chunks_exact(BLOCK as usize)) {
                // Most blocks of a volume with room in it are zeros, and comparing is cheaper than hashing.
                let zeros = bytes.iter().all(|byte| *byte == 0);
                let digest = if zeros { self.zero } else { digest(&self.superblock.salt, bytes) };
                if entry(&leaf, block) != digest {
                    differing.push(block);
                }
            }
            at = next;
        }
        Ok(differing)
    }

    /// The block of the lowest level with the digest of a block of data.
    fn leaf(&self, block: u64) -> Result<Vec<u8>, VerityReadError> {
        let mut leaf = vec![0; BLOCK as usize];
        if let Some(level) = self.superblock.levels.first() {
            read(self.volume, level.first.saturating_add(block / HASHES), &mut leaf)?;
        } else {
            let (first, _) = leaf.split_at_mut(DIGEST.min(BLOCK as usize));
            first.copy_from_slice(&self.root.0);
        }
        Ok(leaf)
    }
}

/// Reads blocks of the volume.
fn read(volume: &dyn ReadAt, block: u64, buf: &mut [u8]) -> Result<(), VerityReadError> {
    let read = volume.read_exact_at(block.saturating_mul(BLOCK), buf);
    read.map_err(|source| VerityReadError::Io { what: "the hash tree", source })
}

/// The digest in a block of hashes for a block of the level below.
fn entry(block: &[u8], child: u64) -> [u8; DIGEST] {
    crate::fields::array(block, (child % HASHES).saturating_mul(DIGEST as u64) as usize)
}

/// The digest of a block, behind its salt.
fn digest(salt: &[u8], block: &[u8]) -> [u8; DIGEST] {
    let mut hasher = Sha256::new();
    hasher.update(salt);
    hasher.update(block);
    hasher.finalize().into()
}
