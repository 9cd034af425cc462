//! The blocks of a snapshot: an append-only file of records, and the same in memory.
//!
//! A record has 40 bytes: the index (little-endian, its top bit set if the block was inherited from the
//! parent), the SHA-256 of the block, and the first four bytes of the SHA-256 of those 36. The last record of
//! an index is valid. A server that is killed may leave a truncated last record: it is ignored when reading,
//! and removed before the next record is appended.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use super::atomic;
use crate::digest::Sha256Digest;
use crate::error::Error;

/// The size of a record in bytes.
const RECORD_SIZE: usize = 40;
/// The flag in the index of an inherited block.
const INHERITED: u32 = 1 << 31;

/// The origin of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockOrigin {
    /// Written into this snapshot.
    Written,
    /// Inherited from the parent.
    Inherited,
}

/// A block of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockEntry {
    /// The digest of its content.
    pub(crate) digest: Sha256Digest,
    /// Where it is from.
    pub(crate) origin: BlockOrigin,
}

/// The blocks of a snapshot.
#[derive(Debug)]
pub(crate) struct BlockMap {
    path: PathBuf,
    file: Option<File>,
    entries: BTreeMap<u32, BlockEntry>,
    /// The blocks that are being written: digest and number of writers by index.
    in_progress: BTreeMap<u32, (Sha256Digest, usize)>,
    /// Whether the snapshot accepts no more blocks.
    sealed: bool,
}

impl BlockMap {
    /// Creates the map of a new snapshot with the blocks of its parent.
    pub(crate) fn create(path: PathBuf, parent: Option<&Self>) -> Result<Self, Error> {
        let inherited = parent.into_iter().flat_map(|parent| &parent.entries);
        let entries: BTreeMap<_, _> = inherited
            .map(|(&index, entry)| {
                (index, BlockEntry { digest: entry.digest, origin: BlockOrigin::Inherited })
            })
            .collect();
        Self::write(path, entries)
    }

    /// Creates a copy of another snapshot's map, for a snapshot without a parent.
    pub(crate) fn copy(path: PathBuf, source: &Self) -> Result<Self, Error> {
        let written = source
            .entries
            .iter()
            .map(|(&index, entry)| (index, BlockEntry { origin: BlockOrigin::Written, ..*entry }));
        Self::write(path, written.collect())
    }

    fn write(path: PathBuf, entries: BTreeMap<u32, BlockEntry>) -> Result<Self, Error> {
        let bytes: Vec<u8> = entries.iter().flat_map(|(&index, &entry)| encode(index, entry)).collect();
        atomic::write(&path, &bytes)?;
        Ok(Self { path, file: None, entries, in_progress: BTreeMap::new(), sealed: false })
    }

    /// Reads a map from its file. A missing file has no blocks.
    ///
    /// # Errors
    /// If a record other than a truncated last one is damaged.
    pub(crate) fn open(path: PathBuf) -> Result<Self, Error> {
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            other => other.map_err(Error::io("read", &path))?,
        };
        let mut entries = BTreeMap::new();
        let (records, _torn) = bytes.as_chunks::<RECORD_SIZE>();
        for (number, record) in records.iter().enumerate() {
            let Some((index, entry)) = decode(record) else {
                let reason = format!("record {number} of {} does not match its checksum", records.len());
                return Err(Error::Damaged { path, reason });
            };
            entries.insert(index, entry);
        }
        Ok(Self { path, file: None, entries, in_progress: BTreeMap::new(), sealed: false })
    }

    /// The block at an index.
    pub(crate) fn entry(&self, index: u32) -> Option<BlockEntry> {
        self.entries.get(&index).copied()
    }

    /// All blocks from an index on, in ascending order.
    pub(crate) fn entries_from(&self, start: u32) -> impl Iterator<Item = (u32, BlockEntry)> {
        self.entries.range(start..).map(|(&index, &entry)| (index, entry))
    }

    /// The blocks that were written into this snapshot, in ascending order.
    pub(crate) fn written(&self) -> impl Iterator<Item = (u32, Sha256Digest)> {
        let written = self.entries.iter().filter(|(_, entry)| entry.origin == BlockOrigin::Written);
        written.map(|(&index, entry)| (index, entry.digest))
    }

    /// The number of blocks, including inherited ones.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Registers a writer of a block. False if another writer is writing other content at this index.
    pub(crate) fn begin_write(&mut self, index: u32, digest: Sha256Digest) -> bool {
        let (other, writers) = self.in_progress.entry(index).or_insert((digest, 0));
        let alone = *other == digest;
        *writers += usize::from(alone);
        alone
    }

    /// Unregisters a writer that has finished or failed.
    pub(crate) fn end_write(&mut self, index: u32) {
        if let Some((_, writers)) = self.in_progress.get_mut(&index) {
            *writers -= 1;
            if *writers == 0 {
                self.in_progress.remove(&index);
            }
        }
    }

    /// Appends the record of a written block, whose content is already stored. False if the map is sealed.
    pub(crate) fn record(&mut self, index: u32, digest: Sha256Digest) -> Result<bool, Error> {
        if self.sealed {
            return Ok(false);
        }
        let entry = BlockEntry { digest, origin: BlockOrigin::Written };
        if self.entries.get(&index) == Some(&entry) {
            return Ok(true);
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(open_for_append(&self.path)?),
        };
        file.write_all(&encode(index, entry)).map_err(Error::io("write", &self.path))?;
        self.entries.insert(index, entry);
        Ok(true)
    }

    /// Seals the map: it accepts no more blocks.
    pub(crate) fn seal(&mut self) {
        self.sealed = true;
        self.file = None;
    }

    /// The digests of all blocks.
    pub(crate) fn digests(&self) -> BTreeSet<Sha256Digest> {
        self.entries.values().map(|entry| entry.digest).collect()
    }
}

/// Opens the file for appending, without a truncated last record.
fn open_for_append(path: &PathBuf) -> Result<File, Error> {
    let open = || {
        let file = File::options().append(true).create(true).open(path)?;
        let len = file.metadata()?.len();
        if len % RECORD_SIZE as u64 != 0 {
            file.set_len(len - len % RECORD_SIZE as u64)?;
        }
        Ok(file)
    };
    open().map_err(Error::io("write", path))
}

fn encode(index: u32, entry: BlockEntry) -> [u8; RECORD_SIZE] {
    let mut record = [0; RECORD_SIZE];
    let flag = if entry.origin == BlockOrigin::Inherited { INHERITED } else { 0 };
    record[..4].copy_from_slice(&(index | flag).to_le_bytes());
    record[4..36].copy_from_slice(&entry.digest.0);
    let checksum = Sha256Digest::of(&record[..36]);
    record[36..].copy_from_slice(&checksum.0[..4]);
    record
}

fn decode(record: &[u8; RECORD_SIZE]) -> Option<(u32, BlockEntry)> {
    let (fields, checksum) = record.split_at(36);
    let (index, digest) = fields.split_at(4);
    if Sha256Digest::of(fields).0[..4] != *checksum {
        return None;
    }
    let index = u32::from_le_bytes(index.try_into().ok()?);
    let origin = if index & INHERITED == 0 { BlockOrigin::Written } else { BlockOrigin::Inherited };
    Some((index & !INHERITED, BlockEntry { digest: Sha256Digest(digest.try_into().ok()?), origin }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_record_of_an_index_is_valid_and_a_truncated_one_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snap-1.blocks");
        let [a, b, c] = [Sha256Digest::of(b"a"), Sha256Digest::of(b"b"), Sha256Digest::of(b"c")];
        let mut map = BlockMap::create(path.clone(), None).unwrap();
        map.record(7, a).unwrap();
        map.record(3, b).unwrap();
        map.record(7, c).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for torn in 1..RECORD_SIZE {
            std::fs::write(&path, &whole[..whole.len() - torn]).unwrap();
            let mut map = BlockMap::open(path.clone()).unwrap();
            assert_eq!(map.entry(7).unwrap().digest, a, "{torn} bytes short");
            map.record(7, c).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
        let map = BlockMap::open(path.clone()).unwrap();
        assert_eq!(map.written().collect::<Vec<_>>(), [(3, b), (7, c)]);
        let mut altered = whole;
        altered[10] ^= 1;
        std::fs::write(&path, altered).unwrap();
        let error = BlockMap::open(path).unwrap_err().to_string();
        assert!(error.contains("record 0 of 3"), "{error}");
    }

    #[test]
    fn a_child_inherits_its_parents_blocks_until_it_writes_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = [Sha256Digest::of(b"a"), Sha256Digest::of(b"b")];
        let mut parent = BlockMap::create(folder.path().join("p"), None).unwrap();
        parent.record(0, a).unwrap();
        parent.record(1, a).unwrap();
        let mut child = BlockMap::create(folder.path().join("c"), Some(&parent)).unwrap();
        assert_eq!(child.written().count(), 0);
        child.record(1, b).unwrap();
        child.record(0, a).unwrap();
        drop(child);
        let child = BlockMap::open(folder.path().join("c")).unwrap();
        assert_eq!(child.written().collect::<Vec<_>>(), [(0, a), (1, b)]);
        assert_eq!(child.len(), 2);
    }

    #[test]
    fn two_writers_of_different_bytes_at_one_index_conflict() {
        let folder = tempfile::tempdir().unwrap();
        let mut map = BlockMap::create(folder.path().join("p"), None).unwrap();
        let [a, b] = [Sha256Digest::of(b"a"), Sha256Digest::of(b"b")];
        assert!(
            map.begin_write(0, a) && map.begin_write(0, a) && !map.begin_write(0, b) && map.begin_write(1, b)
        );
        map.end_write(0);
        assert!(!map.begin_write(0, b));
        map.end_write(0);
        assert!(map.begin_write(0, b));
    }
}
