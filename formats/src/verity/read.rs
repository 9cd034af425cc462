//! Reader: the superblock, and where the levels of the tree are that it describes.

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::io;

use super::spec::{ALGORITHM, BLOCK, HASH_TYPE, HASHES, SALT_MAX, SIGNATURE, SUPERBLOCK, VERSION, at};
use crate::fields;
use crate::guid::Guid;
use crate::read_at::ReadAt;

/// Most blocks of data: 2^51 bytes, more than any volume has; sums of levels cannot overflow then.
const DATA_BLOCKS_MAX: u64 = 1 << 39;

/// Bytes of the field with the name of the hash.
const ALGORITHM_FIELD: usize = 32;

/// Why there is no hash tree that can be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerityReadError {
    /// It could not be read.
    #[error("reading {what}")]
    Io {
        /// Which part.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It ends before its parts do.
    #[error("superblock and hash tree take {needed} bytes, and there are {available}")]
    TooShort {
        /// Bytes of superblock and tree.
        needed: u64,
        /// Bytes that there are.
        available: u64,
    },
    /// It does not begin with the signature.
    #[error("signature {:?} is not \"verity\"", String::from_utf8_lossy(found))]
    Signature {
        /// The value in the superblock.
        found: [u8; 8],
    },
    /// A number is another than the only one that is supported.
    #[error("{field} is {found}, and only {supported} is supported")]
    Unsupported {
        /// Name of the field.
        field: &'static str,
        /// The value in the superblock.
        found: u64,
        /// The supported value.
        supported: u64,
    },
    /// Another hash than SHA-256.
    #[error("the hash is {:?}, and only \"sha256\" is supported", String::from_utf8_lossy(found))]
    Algorithm {
        /// The bytes of the field before its first NUL.
        found: Vec<u8>,
    },
    /// More or less data than a tree can cover.
    #[error("{found} blocks of data are not 1 to {DATA_BLOCKS_MAX}")]
    DataBlocks {
        /// The value in the superblock.
        found: u64,
    },
    /// More salt than there is room for.
    #[error("{found} bytes of salt are more than {SALT_MAX}")]
    Salt {
        /// The value in the superblock.
        found: u16,
    },
    /// Bytes that mean nothing are not zero.
    #[error("byte {at} of the superblock is {value:#04x}, and no field is there: it should be zero")]
    Stray {
        /// The byte.
        at: usize,
        /// Its value.
        value: u8,
    },
    /// The data is shorter than the superblock says.
    #[error("the tree covers {covered} bytes, and the data has {available}")]
    DataTooShort {
        /// Bytes that the tree covers.
        covered: u64,
        /// Bytes that there are.
        available: u64,
    },
}

/// A superblock that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VeritySuperblock {
    /// UUID of the tree.
    pub uuid: Guid,
    /// The salt.
    pub salt: Vec<u8>,
    /// Blocks of data that the tree covers.
    pub data_blocks: u64,
    /// The levels, the lowest first; none for one block of data, of which the root hash is the digest.
    pub levels: Vec<LevelRange>,
}

/// Where a level of the tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelRange {
    /// Its first block, counted from the superblock.
    pub first: u64,
    /// How many blocks it has.
    pub blocks: u64,
}

impl VeritySuperblock {
    /// Reads the superblock at the beginning of `volume`, and finds out whether the tree fits behind it.
    ///
    /// # Errors
    /// [`VerityReadError`] when dm-verity would refuse it, or it is of a kind that is not supported.
    pub fn read(volume: &dyn ReadAt) -> Result<Self, VerityReadError> {
        let available = volume.size();
        if available < BLOCK {
            return Err(VerityReadError::TooShort { needed: BLOCK, available });
        }
        let mut bytes = vec![0; BLOCK as usize];
        let read = volume.read_exact_at(0, &mut bytes);
        read.map_err(|source| VerityReadError::Io { what: "the superblock", source })?;
        let superblock = Self::parse(&bytes)?;
        let needed = superblock.end().saturating_mul(BLOCK);
        if needed > available {
            return Err(VerityReadError::TooShort { needed, available });
        }
        Ok(superblock)
    }

    /// Parses the block of the superblock.
    fn parse(bytes: &[u8]) -> Result<Self, VerityReadError> {
        let found = fields::array(bytes, at::SIGNATURE);
        if found != SIGNATURE {
            return Err(VerityReadError::Signature { found });
        }
        for (field, offset, supported) in [
            ("version", at::VERSION, VERSION),
            ("hash_type", at::HASH_TYPE, HASH_TYPE),
            ("data_block_size", at::DATA_BLOCK_SIZE, BLOCK as u32),
            ("hash_block_size", at::HASH_BLOCK_SIZE, BLOCK as u32),
        ] {
            let found = fields::u32(bytes, offset);
            if found != supported {
                let (found, supported) = (found.into(), supported.into());
                return Err(VerityReadError::Unsupported { field, found, supported });
            }
        }
        let algorithm: [u8; ALGORITHM_FIELD] = fields::array(bytes, at::ALGORITHM);
        let found = algorithm.split(|byte| *byte == 0).next().unwrap_or_default();
        if found != ALGORITHM {
            return Err(VerityReadError::Algorithm { found: found.to_vec() });
        }
        let data_blocks = fields::u64(bytes, at::DATA_BLOCKS);
        if !(1..=DATA_BLOCKS_MAX).contains(&data_blocks) {
            return Err(VerityReadError::DataBlocks { found: data_blocks });
        }
        let found = fields::u16(bytes, at::SALT_SIZE);
        let salt: [u8; SALT_MAX] = fields::array(bytes, at::SALT);
        let salt = salt.get(..found.into()).ok_or(VerityReadError::Salt { found })?.to_vec();
        no_stray_bytes(bytes, salt.len())?;
        let uuid = Guid::from_bytes(fields::array(bytes, at::UUID));
        Ok(Self { uuid, salt, data_blocks, levels: levels(data_blocks) })
    }

    /// The first block behind the tree.
    pub fn end(&self) -> u64 {
        // The lowest level is the last on the disk.
        self.levels.first().map_or(1, |level| level.first.saturating_add(level.blocks))
    }

    /// Bytes of data that the tree covers.
    pub fn covered(&self) -> u64 {
        self.data_blocks.saturating_mul(BLOCK)
    }
}

/// Refuses bytes that are not zero where no field is: nothing vouches for the superblock, so it holds nothing else.
fn no_stray_bytes(bytes: &[u8], salt: usize) -> Result<(), VerityReadError> {
    let name_end = at::ALGORITHM.saturating_add(ALGORITHM.len());
    let salt_end = at::SALT.saturating_add(salt);
    let gaps =
        [name_end..at::DATA_BLOCK_SIZE, at::SALT_SIZE.saturating_add(2)..at::SALT, salt_end..bytes.len()];
    debug_assert!(salt_end <= SUPERBLOCK);
    for offset in gaps.into_iter().flatten() {
        match bytes.get(offset) {
            Some(0) | None => {}
            Some(&value) => return Err(VerityReadError::Stray { at: offset, value }),
        }
    }
    Ok(())
}

/// The ranges of the levels, as dm-verity places them: the root first, the lowest level last.
fn levels(data_blocks: u64) -> Vec<LevelRange> {
    // A level is needed as long as one block cannot hold the digests of the one below it.
    let mut depth = 0_u32;
    while data_blocks.saturating_sub(1) >> shift(depth) > 0 {
        depth = depth.saturating_add(1);
    }
    let mut first = 1_u64;
    let mut ranges = Vec::new();
    for level in (0..depth).rev() {
        let shift = shift(level.saturating_add(1));
        let span = 1_u64.checked_shl(shift).unwrap_or(u64::MAX);
        let blocks = data_blocks.div_ceil(span);
        ranges.push(LevelRange { first, blocks });
        first = first.saturating_add(blocks);
    }
    ranges.reverse();
    ranges
}

/// Bits of a block's index that a tree of that depth resolves.
fn shift(depth: u32) -> u32 {
    HASHES.trailing_zeros().saturating_mul(depth).min(u64::BITS.saturating_sub(1))
}
