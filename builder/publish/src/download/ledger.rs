//! What a download has fetched so far: the records of an upload's journal, with the snapshot first.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;

use crate::error::PublishError;
use crate::journal::{Record, record};

/// An open ledger.
#[derive(Debug)]
pub(super) struct DownloadLedger {
    path: PathBuf,
    file: File,
    blocks: BTreeMap<u64, Digest>,
    new: bool,
}

impl DownloadLedger {
    /// Opens the ledger of a snapshot; one of another snapshot, or none, is begun anew.
    pub(super) fn open(path: &Path, snapshot: &str) -> Result<Self, PublishError> {
        let failed = |source| PublishError::File { path: path.to_owned(), source };
        let bytes = match amiforge_progress::regular::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(failed)?,
        };
        let (blocks, intact_len) = parse(&bytes, snapshot);
        let new = intact_len == 0;
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(path).map_err(failed)?;
        file.set_len(intact_len as u64).map_err(failed)?;
        let mut ledger = Self { path: path.to_owned(), file, blocks, new };
        if new {
            ledger.append(&Record::Started { snapshot: snapshot.to_owned(), at: 0 })?;
        }
        Ok(ledger)
    }

    /// Whether nothing had been fetched.
    pub(super) fn is_new(&self) -> bool {
        self.new
    }

    /// Whether a block was fetched.
    pub(super) fn contains(&self, index: u64) -> bool {
        self.blocks.contains_key(&index)
    }

    /// Keeps the blocks that are as they should be.
    pub(super) fn retain(&mut self, is_intact: impl Fn(u64, Digest) -> bool) {
        self.blocks.retain(|index, digest| is_intact(*index, *digest));
    }

    /// Notes a block that was written.
    pub(super) fn record(&mut self, index: u64, digest: Digest) -> Result<(), PublishError> {
        self.blocks.insert(index, digest);
        self.append(&Record::Block { index, digest })
    }

    /// Removes it.
    pub(super) fn remove(&self) -> Result<(), PublishError> {
        std::fs::remove_file(&self.path).map_err(|source| self.failed(source))
    }

    fn append(&mut self, record: &Record) -> Result<(), PublishError> {
        self.file.write_all(&record::encode(record)).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: std::io::Error) -> PublishError {
        PublishError::File { path: self.path.clone(), source }
    }
}

/// The blocks that a ledger of this snapshot names, and how many of its bytes are whole: none if it is of another.
fn parse(bytes: &[u8], snapshot: &str) -> (BTreeMap<u64, Digest>, usize) {
    let mut blocks = BTreeMap::new();
    let Some((Record::Started { snapshot: of, .. }, mut rest)) = record::decode(bytes) else {
        return (blocks, 0);
    };
    if of != snapshot {
        return (blocks, 0);
    }
    while let Some((record, after)) = record::decode(rest) {
        if let Record::Block { index, digest } = record {
            blocks.insert(index, digest);
        }
        rest = after;
    }
    (blocks, bytes.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_goes_on_after_a_torn_tail_and_begins_anew_for_another_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut ledger = DownloadLedger::open(&path, "snap-1").unwrap();
        assert!(ledger.is_new());
        ledger.record(4, Digest::of(b"4")).unwrap();
        ledger.record(5, Digest::of(b"5")).unwrap();
        let len = std::fs::metadata(&path).unwrap().len();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(len - 3).unwrap();
        let mut again = DownloadLedger::open(&path, "snap-1").unwrap();
        assert!(again.contains(4) && !again.contains(5) && !again.is_new());
        again.record(6, Digest::of(b"6")).unwrap();
        assert!(DownloadLedger::open(&path, "snap-1").unwrap().contains(6));
        let other = DownloadLedger::open(&path, "snap-2").unwrap();
        assert!(other.is_new() && !other.contains(4));
    }
}
