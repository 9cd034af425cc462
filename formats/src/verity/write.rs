//! Writer: superblock and hash tree of a device as a plan, from the digests of its blocks.
//!
//! The tree is made from blocks of its lowest level. Of these only the ones over data are given: the others are those of
//! zeros, which are hashed once, on every level.

use std::io;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::spec::{
    ALGORITHM, BLOCK, DIGEST, HASH_TYPE, HASHES, LEAF_SPAN, SIGNATURE, SUPERBLOCK, VERSION, at,
};
use crate::digest::Digest;
use crate::guid::Guid;
use crate::plan::{Claims, Data, Plan, PlanError, Sources};

/// Bytes of salt that are written.
const SALT: usize = 32;

/// Blocks of zeros' hashes that one extent of the plan repeats.
const REPEATED: usize = 64;

/// A block of hashes.
pub type HashBlock = Box<[u8; BLOCK as usize]>;

/// Why a hash tree cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerityWriteError {
    /// The device is not whole blocks, or none at all.
    #[error("a device of {len} bytes is not one or more blocks of {BLOCK} bytes")]
    PartBlock {
        /// Length of the device.
        len: u64,
    },
    /// The range for superblock and tree is too short.
    #[error("superblock and hash tree take {needed} bytes, and there are {available}")]
    TooShort {
        /// Bytes of superblock and tree.
        needed: u64,
        /// Bytes that there are.
        available: u64,
    },
    /// The parts overlap, which is a bug of this program.
    #[error("composing superblock and hash tree")]
    Plan(#[from] PlanError),
}

/// What superblock and tree depend on besides the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerityIds {
    /// The salt, which precedes every block that is hashed.
    pub salt: [u8; SALT],
    /// UUID in the superblock.
    pub uuid: Guid,
}

impl VerityIds {
    /// The ids of the tree in the partition `partition` of the image `image`. They are the same for every version of the
    /// image, so that unchanged data has unchanged hashes.
    pub fn derive(image: &str, partition: &str) -> Self {
        let salt = Sha256::digest(format!("verity salt\0{image}\0{partition}"));
        Self { salt: salt.into(), uuid: Guid::derive(image, &format!("verity\0{partition}")) }
    }
}

/// Bytes of superblock and tree of a device of `len` bytes.
pub fn len(len: u64) -> u64 {
    (1 + level_lens(len.div_ceil(BLOCK)).iter().sum::<u64>()) * BLOCK
}

/// Blocks of each level, the lowest first. A device of one block has no level: the root hash is that of the block.
fn level_lens(data_blocks: u64) -> Vec<u64> {
    let mut lens = Vec::new();
    let mut blocks = data_blocks;
    while blocks > 1 {
        blocks = blocks.div_ceil(HASHES);
        lens.push(blocks);
    }
    lens
}

/// Hashes blocks behind a salt.
#[derive(Debug, Clone)]
pub struct BlockHasher {
    salted: Sha256,
    /// The digest of a block of zeros.
    zero: [u8; DIGEST],
}

impl BlockHasher {
    /// For a salt.
    pub fn new(salt: &[u8; SALT]) -> Self {
        let mut hasher = Self { salted: Sha256::new_with_prefix(salt), zero: [0; DIGEST] };
        hasher.zero = hasher.digest(&[0; BLOCK as usize]);
        hasher
    }

    /// The digest of a block.
    fn digest(&self, block: &[u8]) -> [u8; DIGEST] {
        self.salted.clone().chain_update(block).finalize().into()
    }

    /// A block of the lowest level: the digests of at most [`LEAF_SPAN`] bytes of data, whole blocks; the rest is zero.
    pub fn leaf(&self, data: &[u8]) -> HashBlock {
        let mut leaf = Box::new([0; BLOCK as usize]);
        for (digest, block) in leaf.chunks_exact_mut(DIGEST).zip(data.chunks_exact(BLOCK as usize)) {
            digest.copy_from_slice(&if is_zero(block) { self.zero } else { self.digest(block) });
        }
        leaf
    }
}

/// Whether a block is zeros. Compares eight bytes at a time and ends at the first other one, so it costs data nothing.
fn is_zero(block: &[u8]) -> bool {
    let (words, rest) = block.as_chunks::<8>();
    words.iter().all(|word| u64::from_ne_bytes(*word) == 0) && rest.iter().all(|byte| *byte == 0)
}

/// A hash tree.
#[derive(Debug, Clone)]
pub struct HashTree {
    /// The digest from which all others follow.
    pub root: Digest,
    /// Blocks of the device that it covers.
    pub data_blocks: u64,
    ids: VerityIds,
    /// The levels, the lowest first.
    levels: Vec<Level>,
}

/// A level of a tree.
#[derive(Debug, Clone)]
struct Level {
    /// How many blocks it has.
    blocks: u64,
    /// Its blocks that are not `filler`, by their index in the level, sorted.
    others: Vec<(u64, HashBlock)>,
    /// The block over zeros only.
    filler: HashBlock,
}

impl HashTree {
    /// The tree over a device of `device` bytes, from the blocks of its lowest level over data, each with its index; those
    /// that are not there are over zeros.
    ///
    /// # Errors
    /// [`VerityWriteError::PartBlock`].
    pub fn new(
        ids: VerityIds,
        device: u64,
        mut leaves: Vec<(u64, HashBlock)>,
    ) -> Result<Self, VerityWriteError> {
        if device == 0 || !device.is_multiple_of(BLOCK) {
            return Err(VerityWriteError::PartBlock { len: device });
        }
        let data_blocks = device / BLOCK;
        leaves.sort_unstable_by_key(|(index, _)| *index);
        let hasher = BlockHasher::new(&ids.salt);
        let mut levels = Vec::new();
        let mut zero = hasher.zero;
        let (mut others, mut below) = (leaves, data_blocks);
        for blocks in level_lens(data_blocks) {
            let level = Level::new(blocks, below, others, zero);
            others = level.parents(&hasher);
            zero = hasher.digest(level.filler.as_slice());
            below = blocks;
            levels.push(level);
        }
        // The parent of the only block of the last level is the root; where there is no level, that of the data.
        let root = match (others.first(), levels.last()) {
            (Some((_, block)), _) => first_digest(block),
            (None, _) => zero,
        };
        Ok(Self { root: Digest(root), data_blocks, ids, levels })
    }

    /// The tree over a plan, of which each range of data is read once. `Free` reads as zeros.
    ///
    /// # Errors
    /// The error of a source; `InvalidInput` for a plan that is not whole blocks.
    pub fn of(ids: VerityIds, plan: &Plan, sources: &dyn Sources) -> io::Result<Self> {
        let hasher = BlockHasher::new(&ids.salt);
        let mut leaves = Vec::new();
        let mut data = vec![0; LEAF_SPAN as usize];
        for start in (0..plan.len()).step_by(LEAF_SPAN as usize) {
            let end = plan.len().min(start + LEAF_SPAN);
            if plan.range(start, end).all(|extent| matches!(extent.data, Data::Zero | Data::Free)) {
                continue;
            }
            let data = &mut data[..(end - start) as usize];
            plan.read_exact_at(sources, start, data)?;
            leaves.push((start / LEAF_SPAN, hasher.leaf(data)));
        }
        Self::new(ids, plan.len(), leaves).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
    }

    /// Bytes of superblock and tree.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty: it has a superblock")]
    pub fn len(&self) -> u64 {
        (1 + self.levels.iter().map(|level| level.blocks).sum::<u64>()) * BLOCK
    }

    /// Superblock and tree in a range of `len` bytes, of which no byte behind the tree is read.
    ///
    /// # Errors
    /// [`VerityWriteError::TooShort`].
    pub fn plan(&self, len: u64) -> Result<Plan, VerityWriteError> {
        if self.len() > len {
            return Err(VerityWriteError::TooShort { needed: self.len(), available: len });
        }
        let mut claims = Claims::new(len);
        claims.bytes(0, self.superblock());
        claims.claim(SUPERBLOCK as u64, BLOCK - SUPERBLOCK as u64, Data::Zero);
        let mut start = BLOCK;
        // The root comes first.
        for level in self.levels.iter().rev() {
            level.claim(start, &mut claims);
            start += level.blocks * BLOCK;
        }
        Ok(claims.finish(&Data::Free)?)
    }

    fn superblock(&self) -> Vec<u8> {
        let mut bytes = vec![0; SUPERBLOCK];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(at::SIGNATURE, &SIGNATURE);
        put(at::VERSION, &VERSION.to_le_bytes());
        put(at::HASH_TYPE, &HASH_TYPE.to_le_bytes());
        put(at::UUID, &self.ids.uuid.to_bytes());
        put(at::ALGORITHM, ALGORITHM);
        put(at::DATA_BLOCK_SIZE, &(BLOCK as u32).to_le_bytes());
        put(at::HASH_BLOCK_SIZE, &(BLOCK as u32).to_le_bytes());
        put(at::DATA_BLOCKS, &self.data_blocks.to_le_bytes());
        put(at::SALT_SIZE, &(SALT as u16).to_le_bytes());
        put(at::SALT, &self.ids.salt);
        bytes
    }
}

impl Level {
    /// A level of `blocks` blocks over `below` blocks. A block that is not among `others` holds the digest `zero` only.
    fn new(blocks: u64, below: u64, mut others: Vec<(u64, HashBlock)>, zero: [u8; DIGEST]) -> Self {
        let mut filler = Box::new([0; BLOCK as usize]);
        filler.chunks_exact_mut(DIGEST).for_each(|digest| digest.copy_from_slice(&zero));
        let last = blocks - 1;
        let used = (below - last * HASHES) as usize * DIGEST;
        // The last block over zeros holds fewer digests than the others.
        if used < BLOCK as usize && others.last().is_none_or(|(index, _)| *index != last) {
            let mut short = filler.clone();
            short[used..].fill(0);
            others.push((last, short));
        }
        Self { blocks, others, filler }
    }

    /// The blocks of the level above over the blocks that are not `filler`.
    fn parents(&self, hasher: &BlockHasher) -> Vec<(u64, HashBlock)> {
        let zero = hasher.digest(self.filler.as_slice());
        let mut parents: Vec<(u64, HashBlock)> = Vec::new();
        for (index, block) in &self.others {
            let (parent, at) = (index / HASHES, (index % HASHES) as usize * DIGEST);
            if parents.last().is_none_or(|(last, _)| *last != parent) {
                parents.push((parent, self.filled(parent, &zero)));
            }
            if let Some((_, block_above)) = parents.last_mut() {
                block_above[at..at + DIGEST].copy_from_slice(&hasher.digest(block.as_slice()));
            }
        }
        parents
    }

    /// A block of the level above with the digest of `filler` for each block of this level.
    fn filled(&self, parent: u64, zero: &[u8; DIGEST]) -> HashBlock {
        let mut block = Box::new([0; BLOCK as usize]);
        let below = (self.blocks - parent * HASHES).min(HASHES) as usize;
        block.chunks_exact_mut(DIGEST).take(below).for_each(|digest| digest.copy_from_slice(zero));
        block
    }

    /// Claims the bytes of the level from `start` on.
    fn claim(&self, start: u64, claims: &mut Claims) {
        let filler: Arc<[u8]> = self.filler.repeat(REPEATED).into();
        let mut next = 0;
        let fill = |claims: &mut Claims, from: u64, to: u64| {
            for at in (from..to).step_by(REPEATED) {
                let len = (to - at).min(REPEATED as u64) * BLOCK;
                claims.claim(start + at * BLOCK, len, Data::Bytes { bytes: Arc::clone(&filler), at: 0 });
            }
        };
        for run in self.others.chunk_by(|(a, _), (b, _)| a + 1 == *b) {
            let first = run.first().map_or(next, |(index, _)| *index);
            fill(claims, next, first);
            let bytes: Vec<u8> = run.iter().flat_map(|(_, block)| block.iter().copied()).collect();
            claims.bytes(start + first * BLOCK, bytes);
            next = first + run.len() as u64;
        }
        fill(claims, next, self.blocks);
    }
}

/// The first digest of a block of hashes.
fn first_digest(block: &HashBlock) -> [u8; DIGEST] {
    let mut digest = [0; DIGEST];
    digest.copy_from_slice(&block[..DIGEST]);
    digest
}
