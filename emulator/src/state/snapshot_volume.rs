//! A snapshot as a guest would see it on a volume made from it: blocks that were never written included.
//!
//! On an unencrypted volume they are zeros. On an encrypted one they are whatever comes of decrypting what was never
//! encrypted; here: words that follow from the snapshot, the block and the place alone, and are never all zero. An
//! uploader that leaves out a block that somebody reads is caught by that.
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

/// What blocks read as that were never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnwrittenView {
    /// Zeros, or garbage if the snapshot is encrypted.
    #[default]
    AsStored,
    /// Garbage, as on an encrypted volume made from the snapshot.
    Encrypted,
}

/// A volume made from a completed snapshot.
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
    /// When there is no such snapshot, it is not completed, or a file is damaged.
    pub fn open(folder: &Path, region: &str, id: &str, view: UnwrittenView) -> Result<Self, Error> {
        let snapshots = folder.join(region).join("snapshots");
        let record = Table::<Snapshot>::read_one(&snapshots, id)?;
        let snapshot = record.ok_or_else(|| Error::NoSnapshot(id.to_owned()))?;
        // Sealed is enough: that it may not show yet is between a server and its clients.
        if snapshot.outcome.as_ref().is_none_or(|outcome| outcome.failure.is_some()) {
            return Err(Error::NotCompleted(id.to_owned()));
        }
        let map = BlockMap::open(snapshots.join(format!("{id}.blocks")))?;
        Ok(Self { snapshot, map, blocks: BlockStore::read_only(folder.join("blocks")), view })
    }

    /// Bytes of the volume.
    pub fn len(&self) -> u64 {
        self.snapshot.volume_size << 30
    }

    /// Whether the volume has no bytes; no volume is so.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of blocks of the volume.
    pub fn blocks(&self) -> u32 {
        u32::try_from(self.len() / BLOCK_SIZE as u64).unwrap_or(u32::MAX)
    }

    /// Whether the snapshot has a block.
    pub fn has(&self, index: u32) -> bool {
        self.map.entry(index).is_some()
    }

    /// Reads a block: 512 KiB.
    ///
    /// # Errors
    /// When its file cannot be read, is not as long as a block, or holds other bytes than were written.
    pub fn read(&self, index: u32) -> Result<Vec<u8>, Error> {
        let Some(entry) = self.map.entry(index) else { return Ok(self.unwritten_block(index)) };
        let bytes = self.blocks.read(entry.digest)?;
        let digest = Sha256Digest::of(&bytes);
        if digest == entry.digest {
            return Ok(bytes);
        }
        let reason = format!("block {index} was written with digest {:?} and reads {digest:?}", entry.digest);
        Err(Error::Damaged { path: self.blocks.path(entry.digest), reason })
    }

    /// Writes the volume to a new file, in which zeros are holes. Gives the number of blocks that are not.
    ///
    /// # Errors
    /// As [`read`](Self::read); when the file exists or cannot be written.
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
        let mut word =
            u64::from_le_bytes([seed[0], seed[1], seed[2], seed[3], seed[4], seed[5], seed[6], seed[7]]);
        let mut bytes = Vec::with_capacity(BLOCK_SIZE);
        while bytes.len() < BLOCK_SIZE {
            // A counter, mixed (SplitMix64): all of its values differ, so at most one of them is zero.
            word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
        }
        bytes
    }
}
