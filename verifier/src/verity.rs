//! dm-verity: superblock (cryptsetup's specification of version 1), hash tree, and the data below it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::blocks::is_zero;
use crate::bytes::{array, hex, le16, le32, le64, part, uuid_text};
use crate::digest::{sha256_of, Sha};
use crate::listing::Volume;
use crate::report::Log;
use crate::source::{bytes_at, outside, ByteSource, ReadFailure};

/// Bytes of a block of data and of hashes, and digests in a block of hashes.
const BLOCK: u64 = 4096;
const DIGESTS: u64 = 128;

/// What a superblock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashTree {
    /// Salt, which is hashed before every block.
    pub salt: Vec<u8>,
    /// Blocks of data.
    pub data_blocks: u64,
    /// Blocks of hashes in each level, that of the root first, and where each level begins.
    levels: Vec<(u64, u64)>,
}

/// Reads the superblock of a hash tree; `None`, with the reason in the report, when it is none that is known.
///
/// # Errors
/// [`ReadFailure`].
pub fn superblock(
    volume: &dyn ByteSource,
    log: &mut Log<'_>,
) -> Result<Option<(HashTree, Volume)>, ReadFailure> {
    let bytes = bytes_at(volume, 0, 512)?;
    if part(&bytes, 0, 8) != b"verity\0\0" {
        log.wrong(0, "it has no superblock of dm-verity");
        return Ok(None);
    }
    let mut good = log.equal(8, "the version of the superblock", 1, le32(&bytes, 8));
    good &= log.equal(12, "the type of hashing", 1, le32(&bytes, 12));
    let algorithm = crate::bytes::word(part(&bytes, 32, 32)).replace("\\x00", "");
    if algorithm != "sha256" {
        log.unknown(format!("hashes of {algorithm} are not known"));
        return Ok(None);
    }
    good &= log.equal(64, "the length of a block of data", 4096, le32(&bytes, 64));
    good &= log.equal(68, "the length of a block of hashes", 4096, le32(&bytes, 68));
    let (data_blocks, salt_len) = (le64(&bytes, 72), le16(&bytes, 80) as usize);
    if salt_len > 256 || data_blocks == 0 {
        log.wrong(72, format!("a salt of {salt_len} bytes or {data_blocks} blocks cannot be"));
        good = false;
    }
    let salt = part(&bytes, 88, salt_len).to_vec();
    if !is_zero(part(&bytes, 82, 6)) || !is_zero(part(&bytes, 88 + salt_len, 424 - salt_len.min(424))) {
        log.wrong(82, "there are bytes beside the fields of the superblock");
    }
    if !good {
        return Ok(None);
    }
    let mut counts = Vec::new();
    let mut blocks = data_blocks;
    while blocks > 1 || counts.is_empty() {
        blocks = blocks.div_ceil(DIGESTS);
        counts.push(blocks);
    }
    // The level of the root comes first, behind the block of the superblock.
    let mut at = 1_u64;
    let mut levels = Vec::new();
    for count in counts.into_iter().rev() {
        levels.push((at, count));
        at = at.saturating_add(count);
    }
    if at.checked_mul(BLOCK).map_or(true, |end| end > volume.size()) {
        log.wrong(72, format!("a tree of {at} blocks does not fit in {} bytes", volume.size()));
        return Ok(None);
    }
    let id = Some(uuid_text(array(&bytes, 16)));
    Ok(Some((HashTree { salt, data_blocks, levels }, Volume { id, entries: None, names_only: false })))
}

impl HashTree {
    fn hash(&self, block: &[u8]) -> Sha {
        sha256_of(&[&self.salt, block])
    }

    /// Checks every block of hashes against the digest above it, up to the root hash, and that unused digests are
    /// zeros. Gives the root hash.
    ///
    /// # Errors
    /// [`ReadFailure`].
    pub fn check_tree(&self, volume: &dyn ByteSource, log: &mut Log<'_>) -> Result<Sha, ReadFailure> {
        let mut root = [0; 32];
        let mut above: Vec<u8> = Vec::new();
        for (level, (at, count)) in self.levels.iter().enumerate() {
            let below = self.levels.get(level.saturating_add(1)).map_or(self.data_blocks, |next| next.1);
            let mut digests = Vec::new();
            for index in 0..*count {
                let offset = at.saturating_add(index).saturating_mul(BLOCK);
                let block = bytes_at(volume, offset, BLOCK as usize)?;
                let actual = self.hash(&block);
                if level == 0 {
                    root = actual;
                } else {
                    let expected = part(&above, (index as usize).saturating_mul(32), 32);
                    log.equal(offset, "a block of the hash tree", hex(expected), hex(&actual));
                }
                let used = below.saturating_sub(index.saturating_mul(DIGESTS)).min(DIGESTS) as usize * 32;
                if !is_zero(block.get(used..).unwrap_or(&[])) {
                    log.wrong(
                        offset.saturating_add(used as u64),
                        "unused digests of the hash tree are not zero",
                    );
                }
                digests.extend_from_slice(block.get(..used).unwrap_or(&[]));
            }
            above = digests;
        }
        Ok(root)
    }

    /// Checks every block of the data against the lowest level of the tree.
    ///
    /// # Errors
    /// [`ReadFailure`].
    pub fn check_data(
        &self,
        data: &dyn ByteSource,
        volume: &dyn ByteSource,
        log: &mut Log<'_>,
    ) -> Result<(), ReadFailure> {
        if self.data_blocks.checked_mul(BLOCK).map_or(true, |len| len > data.size()) {
            return Err(outside(data.size()));
        }
        let zero = self.hash(&[0; BLOCK as usize]);
        let Some((first, count)) = self.levels.last() else { return Ok(()) };
        let mut hole = 0;
        let mut piece = alloc::vec![0; (DIGESTS * BLOCK) as usize];
        for index in 0..*count {
            let digests =
                bytes_at(volume, first.saturating_add(index).saturating_mul(BLOCK), BLOCK as usize)?;
            let at = index.saturating_mul(DIGESTS * BLOCK);
            let blocks = self.data_blocks.saturating_sub(index.saturating_mul(DIGESTS)).min(DIGESTS);
            let len = (blocks * BLOCK) as usize;
            if hole <= at {
                hole = data.hole_end(at).unwrap_or(at);
            }
            let empty = hole >= at.saturating_add(len as u64);
            if !empty {
                data.read(at, piece.get_mut(..len).unwrap_or(&mut []))?;
            }
            for block in 0..blocks as usize {
                let bytes = part(&piece, block.saturating_mul(BLOCK as usize), BLOCK as usize);
                let actual = if empty || is_zero(bytes) { zero } else { self.hash(bytes) };
                let expected = part(&digests, block.saturating_mul(32), 32);
                if expected != actual {
                    let number = index.saturating_mul(DIGESTS).saturating_add(block as u64);
                    let problem = format!("block {number} of {BLOCK} bytes is not what its hash tree says");
                    log.equal(number.saturating_mul(BLOCK), &problem, hex(expected), hex(&actual));
                }
            }
        }
        Ok(())
    }
}

/// The GUIDs that the Discoverable Partitions Specification derives from a root hash: of the data, and of the tree.
pub fn guids(root: &Sha) -> [String; 2] {
    [uuid_text(array(root, 0)), uuid_text(array(root, 16))]
}
