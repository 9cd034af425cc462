//! A snapshot as a guest sees it on a volume created from it, including blocks that were never written.
//!
//! On an unencrypted volume those blocks read as zeros. On an encrypted volume they read as the decryption of
//! data that was never encrypted. Here these are pseudo-random values determined by the snapshot and the
//! block index, which are never all zero. They expose an uploader that omits a block that the guest reads.
//!
//! The folder is only read, so a server may serve it at the same time.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::digest::Sha256Digest;
use crate::error::Error;
use crate::state::block_map::BlockMap;
use crate::state::blocks::{BLOCK_SIZE, BlockStore};
use crate::state::snapshot::Snapshot;
use crate::state::table::Table;

/// The content of blocks that were never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnwrittenView {
    /// Zeros, or pseudo-random data if the snapshot is encrypted.
    #[default]
    AsStored,
    /// Pseudo-random data, as on an encrypted volume created from the snapshot.
    Encrypted,
}

/// A volume created from a completed snapshot.
#[derive(Debug)]
pub struct SnapshotVolume {
    snapshot: Snapshot,
    map: BlockMap,
    blocks: BlockStore,
    view: UnwrittenView,
}

impl SnapshotVolume {
    /// Opens a snapshot of a region in a state folder.
    ///
    /// # Errors
    /// If the snapshot does not exist or is not completed, or a file is damaged.
    pub fn open(folder: &Path, region: &str, id: &str, view: UnwrittenView) -> Result<Self, Error> {
        let snapshots = folder.join(region).join("snapshots");
        let record = Table::<Snapshot>::read_one(&snapshots, id)?;
        let snapshot = record.ok_or_else(|| Error::NoSnapshot(id.to_owned()))?;
        // The outcome is sufficient: the window until it is visible only concerns clients of a server.
        if snapshot.outcome.as_ref().is_none_or(|outcome| outcome.failure.is_some()) {
            return Err(Error::NotCompleted(id.to_owned()));
        }
        let map = BlockMap::open(snapshots.join(format!("{id}.blocks")))?;
        Ok(Self { snapshot, map, blocks: BlockStore::read_only(folder.join("blocks")), view })
    }

    /// The size of the volume in bytes.
    pub fn len(&self) -> u64 {
        self.snapshot.volume_size << 30
    }

    /// Whether the volume is empty; it never is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of blocks of the volume.
    pub fn blocks(&self) -> u32 {
        u32::try_from(self.len() / BLOCK_SIZE as u64).unwrap_or(u32::MAX)
    }

    /// Whether the snapshot contains a block.
    pub fn has(&self, index: u32) -> bool {
        self.map.entry(index).is_some()
    }

    /// Reads a block: 512 KiB.
    ///
    /// # Errors
    /// If its file cannot be read, does not have the size of a block, or differs from its digest.
    pub fn read(&self, index: u32) -> Result<Vec<u8>, Error> {
        let Some(entry) = self.map.entry(index) else { return Ok(self.unwritten_block(index)) };
        let bytes = self.blocks.read(entry.digest)?;
        let digest = Sha256Digest::of(&bytes);
        if digest == entry.digest {
            return Ok(bytes);
        }
        let reason = format!("block {index} has the digest {digest:?} instead of {:?}", entry.digest);
        Err(Error::Damaged { path: self.blocks.path(entry.digest), reason })
    }

    /// Writes the volume to a new sparse file. Returns the number of blocks that are not zero.
    ///
    /// # Errors
    /// As [`read`](Self::read); if the file exists or cannot be written.
    pub fn export(&self, path: &Path) -> Result<u32, Error> {
        let file =
            File::options().write(true).create_new(true).open(path).map_err(Error::io("make", path))?;
        file.set_len(self.len()).map_err(Error::io("write", path))?;
        let mut written = 0;
        for index in 0..self.blocks() {
            if !self.has(index) && !self.shows_garbage() {
                continue;
            }
            let bytes = self.read(index)?;
            if bytes.iter().any(|&byte| byte != 0) {
                let at = u64::from(index) * BLOCK_SIZE as u64;
                file.write_all_at(&bytes, at).map_err(Error::io("write", path))?;
                written += 1;
            }
        }
        Ok(written)
    }

    fn shows_garbage(&self) -> bool {
        self.view == UnwrittenView::Encrypted || self.snapshot.kms_key.is_some()
    }

    fn unwritten_block(&self, index: u32) -> Vec<u8> {
        if !self.shows_garbage() {
            return vec![0; BLOCK_SIZE];
        }
        let seed = Sha256Digest::of(format!("{}/{index}", self.snapshot.id).as_bytes()).0;
        let mut counter =
            u64::from_le_bytes([seed[0], seed[1], seed[2], seed[3], seed[4], seed[5], seed[6], seed[7]]);
        let mut bytes = Vec::with_capacity(BLOCK_SIZE);
        while bytes.len() < BLOCK_SIZE {
            // `SplitMix64`: a mixed counter, whose values are distinct, so at most one of them is zero.
            counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (counter ^ (counter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
        }
        bytes
    }
}
