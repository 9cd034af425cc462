//! Which blocks a snapshot has: a file of records that are only ever appended, and the same in memory.
//!
//! A record is 40 bytes: the index (little-endian, its top bit set if the block was inherited from the parent), the
//! SHA-256 of the block, and the first four bytes of the SHA-256 of those 36. The last record of an index counts. A
//! torn last record is what a killed server leaves: it is ignored, and cut off before the next one is appended.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use super::atomic;
use crate::digest::BlockDigest;
use crate::error::Error;

/// Bytes of a record.
const RECORD: usize = 40;
/// Set in the index of a block that the parent had.
const INHERITED: u32 = 1 << 31;

/// Where a snapshot has a block from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockOrigin {
    /// It was written into this snapshot.
    Written,
    /// The parent had it.
    Inherited,
}

/// A block of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockAddress {
    /// What it holds.
    pub(crate) digest: BlockDigest,
    /// Where it is from.
    pub(crate) origin: BlockOrigin,
}

/// Which blocks a snapshot has.
#[derive(Debug)]
pub(crate) struct SnapshotMap {
    path: PathBuf,
    file: Option<File>,
    places: BTreeMap<u32, BlockAddress>,
    /// Indexes that are being written now, and what is.
    under_way: BTreeMap<u32, (BlockDigest, usize)>,
    /// Nothing more is to be written.
    sealed: bool,
}

impl SnapshotMap {
    /// A snapshot's blocks at the start: those of its parent.
    pub(crate) fn create(path: PathBuf, parent: Option<&Self>) -> Result<Self, Error> {
        let inherited = parent.into_iter().flat_map(|parent| &parent.places);
        let places: BTreeMap<_, _> = inherited
            .map(|(&index, place)| {
                (index, BlockAddress { digest: place.digest, origin: BlockOrigin::Inherited })
            })
            .collect();
        Self::write(path, places)
    }

    /// A copy of another snapshot's blocks, for a snapshot without a parent.
    pub(crate) fn copy(path: PathBuf, source: &Self) -> Result<Self, Error> {
        let written = source
            .places
            .iter()
            .map(|(&index, place)| (index, BlockAddress { origin: BlockOrigin::Written, ..*place }));
        Self::write(path, written.collect())
    }

    fn write(path: PathBuf, places: BTreeMap<u32, BlockAddress>) -> Result<Self, Error> {
        let bytes: Vec<u8> = places.iter().flat_map(|(&index, &place)| encode(index, place)).collect();
        atomic::write(&path, &bytes)?;
        Ok(Self { path, file: None, places, under_way: BTreeMap::new(), sealed: false })
    }

    /// Reads what a file says. A missing file has no blocks.
    ///
    /// # Errors
    /// When a record other than a torn last one is damaged.
    pub(crate) fn open(path: PathBuf) -> Result<Self, Error> {
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            other => other.map_err(Error::io("read", &path))?,
        };
        let mut places = BTreeMap::new();
        let (records, _torn) = bytes.as_chunks::<RECORD>();
        for (number, record) in records.iter().enumerate() {
            let Some((index, place)) = decode(record) else {
                let what = format!("record {number} of {} does not match its check", records.len());
                return Err(Error::Damaged { path, what });
            };
            places.insert(index, place);
        }
        Ok(Self { path, file: None, places, under_way: BTreeMap::new(), sealed: false })
    }

    /// The block at an index.
    pub(crate) fn place(&self, index: u32) -> Option<BlockAddress> {
        self.places.get(&index).copied()
    }

    /// All blocks from an index on, in ascending order.
    pub(crate) fn from(&self, start: u32) -> impl Iterator<Item = (u32, BlockAddress)> {
        self.places.range(start..).map(|(&index, &place)| (index, place))
    }

    /// The blocks that were written into this snapshot, in ascending order.
    pub(crate) fn written(&self) -> impl Iterator<Item = (u32, BlockDigest)> {
        let written = self.places.iter().filter(|(_, place)| place.origin == BlockOrigin::Written);
        written.map(|(&index, place)| (index, place.digest))
    }

    /// Number of blocks, inherited ones included.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Says that a block is about to be written. False if something else is being written there right now.
    pub(crate) fn begin(&mut self, index: u32, digest: BlockDigest) -> bool {
        let (other, writers) = self.under_way.entry(index).or_insert((digest, 0));
        let alone = *other == digest;
        *writers += usize::from(alone);
        alone
    }

    /// Says that a writer that had begun is done, or gave up.
    pub(crate) fn end(&mut self, index: u32) {
        if let Some((_, writers)) = self.under_way.get_mut(&index) {
            *writers -= 1;
            if *writers == 0 {
                self.under_way.remove(&index);
            }
        }
    }

    /// Notes that a block, which is kept already, was written. False if it came too late.
    pub(crate) fn add(&mut self, index: u32, digest: BlockDigest) -> Result<bool, Error> {
        if self.sealed {
            return Ok(false);
        }
        let place = BlockAddress { digest, origin: BlockOrigin::Written };
        if self.places.get(&index) == Some(&place) {
            return Ok(true);
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(appender(&self.path)?),
        };
        file.write_all(&encode(index, place)).map_err(Error::io("write", &self.path))?;
        self.places.insert(index, place);
        Ok(true)
    }

    /// From now on nothing more is written.
    pub(crate) fn seal(&mut self) {
        self.sealed = true;
        self.file = None;
    }

    /// Digests of all blocks.
    pub(crate) fn digests(&self) -> BTreeSet<BlockDigest> {
        self.places.values().map(|place| place.digest).collect()
    }
}

/// The file, to append to, without a torn last record.
fn appender(path: &PathBuf) -> Result<File, Error> {
    let open = || {
        let file = File::options().append(true).create(true).open(path)?;
        let len = file.metadata()?.len();
        if len % RECORD as u64 != 0 {
            file.set_len(len - len % RECORD as u64)?;
        }
        Ok(file)
    };
    open().map_err(Error::io("write", path))
}

fn encode(index: u32, place: BlockAddress) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    let flag = if place.origin == BlockOrigin::Inherited { INHERITED } else { 0 };
    record[..4].copy_from_slice(&(index | flag).to_le_bytes());
    record[4..36].copy_from_slice(&place.digest.0);
    let check = BlockDigest::of(&record[..36]);
    record[36..].copy_from_slice(&check.0[..4]);
    record
}

fn decode(record: &[u8; RECORD]) -> Option<(u32, BlockAddress)> {
    let (fields, check) = record.split_at(36);
    let (index, digest) = fields.split_at(4);
    if BlockDigest::of(fields).0[..4] != *check {
        return None;
    }
    let index = u32::from_le_bytes(index.try_into().ok()?);
    let origin = if index & INHERITED == 0 { BlockOrigin::Written } else { BlockOrigin::Inherited };
    Some((index & !INHERITED, BlockAddress { digest: BlockDigest(digest.try_into().ok()?), origin }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_record_of_an_index_counts_and_a_torn_one_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snap-1.blocks");
        let [a, b, c] = [BlockDigest::of(b"a"), BlockDigest::of(b"b"), BlockDigest::of(b"c")];
        let mut map = SnapshotMap::create(path.clone(), None).unwrap();
        map.add(7, a).unwrap();
        map.add(3, b).unwrap();
        map.add(7, c).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for torn in 1..RECORD {
            std::fs::write(&path, &whole[..whole.len() - torn]).unwrap();
            let mut map = SnapshotMap::open(path.clone()).unwrap();
            assert_eq!(map.place(7).unwrap().digest, a, "{torn} bytes short");
            map.add(7, c).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
        let map = SnapshotMap::open(path.clone()).unwrap();
        assert_eq!(map.written().collect::<Vec<_>>(), [(3, b), (7, c)]);
        let mut altered = whole;
        altered[10] ^= 1;
        std::fs::write(&path, altered).unwrap();
        let error = SnapshotMap::open(path).unwrap_err().to_string();
        assert!(error.contains("record 0 of 3"), "{error}");
    }

    #[test]
    fn a_child_has_its_parents_blocks_until_it_writes_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = [BlockDigest::of(b"a"), BlockDigest::of(b"b")];
        let mut parent = SnapshotMap::create(folder.path().join("p"), None).unwrap();
        parent.add(0, a).unwrap();
        parent.add(1, a).unwrap();
        let mut child = SnapshotMap::create(folder.path().join("c"), Some(&parent)).unwrap();
        assert_eq!(child.written().count(), 0);
        child.add(1, b).unwrap();
        child.add(0, a).unwrap();
        drop(child);
        let child = SnapshotMap::open(folder.path().join("c")).unwrap();
        assert_eq!(child.written().collect::<Vec<_>>(), [(0, a), (1, b)]);
        assert_eq!(child.len(), 2);
    }

    #[test]
    fn two_writers_of_different_bytes_at_one_index_conflict() {
        let folder = tempfile::tempdir().unwrap();
        let mut map = SnapshotMap::create(folder.path().join("p"), None).unwrap();
        let [a, b] = [BlockDigest::of(b"a"), BlockDigest::of(b"b")];
        assert!(map.begin(0, a) && map.begin(0, a) && !map.begin(0, b) && map.begin(1, b));
        map.end(0);
        assert!(!map.begin(0, b));
        map.end(0);
        assert!(map.begin(0, b));
    }
}
