//! The journal of an upload: the intent, the snapshot, and every acknowledged block.
//!
//! An append-only file. Each record has a checksum. Opening the journal truncates it at the first record that is not
//! intact: a torn tail loses the blocks in it, which are then sent again.
//!
//! Durability: the intent, with the client token of `StartSnapshot`, is synced before the call, so that no snapshot can
//! exist without a record. The snapshot's id and all other records that are written once are synced before the next
//! call. An acknowledged block is written immediately, which survives a killed process. It is synced every few seconds,
//! because a sync per block would cost more than resending the blocks that a power failure loses.

pub(crate) mod record;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use amiforge_formats::digest::Digest;

pub use record::{Intent, Record, UploadIdentity};

/// File name of the journal.
const NAME: &str = "upload.journal";

/// Magic bytes: the format and its version.
const MAGIC: &[u8] = b"amiforge upload journal 1\n";

/// Maximum time between syncs of acknowledged blocks.
const SYNC_EVERY: Duration = Duration::from_secs(3);

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// It cannot be read or written.
    #[error("using the journal `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is not a journal, or is one of another version.
    #[error("`{}` is not a journal that this version reads", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    synced: Instant,
    state: JournalState,
}

/// The state that a journal records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalState {
    /// The intent.
    pub intent: Intent,
    /// The snapshot, and when it was started, in seconds since 1970.
    pub started: Option<(String, i64)>,
    /// Every acknowledged block, by index.
    pub acknowledged: BTreeMap<u64, Digest>,
    /// Whether sealing was started.
    pub sealing: bool,
    /// Whether the service has confirmed the whole snapshot.
    pub finished: bool,
}

impl Journal {
    /// The path of the journal in a folder.
    pub fn path_in(folder: &Path) -> PathBuf {
        folder.join(NAME)
    }

    /// Reads the journal of a folder without changing it; `None` if it has no intact record.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn read(folder: &Path) -> Result<Option<JournalState>, JournalError> {
        Ok(parse(&Self::path_in(folder))?.map(|(state, _)| state))
    }

    /// Opens the journal of a folder; `None` if it has no intact record.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(folder: &Path) -> Result<Option<Self>, JournalError> {
        let path = Self::path_in(folder);
        let Some((state, intact_len)) = parse(&path)? else { return Ok(None) };
        let failed = |source| JournalError::File { path: path.clone(), source };
        let file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        // Records after a torn one would never be read.
        file.set_len(intact_len).map_err(failed)?;
        Ok(Some(Self { path, file, synced: Instant::now(), state }))
    }

    /// Creates a journal, replacing an existing one. It is synced when this returns.
    ///
    /// # Errors
    /// [`JournalError::File`].
    pub fn create(folder: &Path, intent: Intent) -> Result<Self, JournalError> {
        let path = Self::path_in(folder);
        let failed = |source| JournalError::File { path: path.clone(), source };
        let temporary = folder.join(format!(".{NAME}.new"));
        let mut first = MAGIC.to_vec();
        first.extend(record::encode(&Record::Intent(intent.clone())));
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(&first)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            File::open(folder)?.sync_all()?;
            OpenOptions::new().append(true).open(&path)
        };
        let file = write().map_err(failed)?;
        let state = JournalState {
            intent,
            started: None,
            acknowledged: BTreeMap::new(),
            sealing: false,
            finished: false,
        };
        Ok(Self { path, file, synced: Instant::now(), state })
    }

    /// The recorded state.
    pub fn state(&self) -> &JournalState {
        &self.state
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records an acknowledged block.
    ///
    /// # Errors
    /// [`JournalError::File`].
    pub fn acknowledge(&mut self, index: u64, digest: Digest) -> Result<(), JournalError> {
        self.append(&Record::Block { index, digest })?;
        if self.synced.elapsed() >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    /// Appends a record and syncs it.
    ///
    /// # Errors
    /// [`JournalError::File`].
    pub fn append_synced(&mut self, record: &Record) -> Result<(), JournalError> {
        self.append(record)?;
        self.sync()
    }

    /// Syncs the file.
    ///
    /// # Errors
    /// [`JournalError::File`].
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.synced = Instant::now();
        self.file.sync_data().map_err(|source| self.failed(source))
    }

    /// Renames the journal in its folder, to archive it.
    ///
    /// # Errors
    /// [`JournalError::File`].
    pub fn rename(self, name: &str) -> Result<(), JournalError> {
        let to = self.path.with_file_name(name);
        fs::rename(&self.path, to).map_err(|source| self.failed(source))
    }

    /// Removes the journal.
    ///
    /// # Errors
    /// [`JournalError::File`].
    pub fn remove(self) -> Result<(), JournalError> {
        fs::remove_file(&self.path).map_err(|source| self.failed(source))
    }

    fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        let bytes = record::encode(record);
        self.file.write_all(&bytes).map_err(|source| self.failed(source))?;
        apply(&mut self.state, record);
        Ok(())
    }

    fn failed(&self, source: io::Error) -> JournalError {
        JournalError::File { path: self.path.clone(), source }
    }
}

/// Parses a journal; also returns the length of its intact records.
fn parse(path: &Path) -> Result<Option<(JournalState, u64)>, JournalError> {
    let bytes = match amiforge_progress::regular::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|source| JournalError::File { path: path.to_owned(), source })?,
    };
    let Some(records) = bytes.strip_prefix(MAGIC) else {
        // The first write was cut off, before any call was made.
        if MAGIC.starts_with(&bytes) {
            return Ok(None);
        }
        return Err(JournalError::Foreign { path: path.to_owned() });
    };
    let mut rest = records;
    let mut state = None;
    while let Some((record, after)) = record::decode(rest) {
        rest = after;
        state = replay(state, record);
    }
    Ok(state.map(|state| (state, (bytes.len() - rest.len()) as u64)))
}

/// Applies a record to the state.
fn replay(state: Option<JournalState>, record: Record) -> Option<JournalState> {
    match (state, record) {
        (_, Record::Intent(intent)) => Some(JournalState {
            intent,
            started: None,
            acknowledged: BTreeMap::new(),
            sealing: false,
            finished: false,
        }),
        (Some(mut state), record) => {
            apply(&mut state, &record);
            Some(state)
        }
        (None, _) => None,
    }
}

fn apply(state: &mut JournalState, record: &Record) {
    match record {
        Record::Intent(_) => {}
        Record::Started { snapshot, at } => state.started = Some((snapshot.clone(), *at)),
        Record::WriteZeros => state.intent.write_zeros = true,
        Record::Block { index, digest } => {
            state.acknowledged.insert(*index, *digest);
        }
        Record::Sealing => state.sealing = true,
        Record::Finished => state.finished = true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent() -> Intent {
        Intent {
            token: "t".to_owned(),
            region: "local".to_owned(),
            identity: UploadIdentity::Bundle { manifest: Digest::of(b"m").to_string() },
            size: 1 << 30,
            volume_gib: 1,
            parent: None,
            parent_choice: None,
            encryption: record::EncryptionText::AsAccount,
            write_zeros: false,
            may_be_encrypted: false,
            description: None,
            tags: vec![("a".to_owned(), "b".to_owned())],
            timeout_minutes: 60,
        }
    }

    /// A journal with a record of every kind, and its bytes.
    fn full(folder: &Path) -> (JournalState, Vec<u8>) {
        let mut journal = Journal::create(folder, intent()).unwrap();
        journal.append_synced(&Record::Started { snapshot: "snap-1".to_owned(), at: 7 }).unwrap();
        journal.acknowledge(3, Digest::of(b"3")).unwrap();
        journal.acknowledge(u64::MAX, Digest::of(b"4")).unwrap();
        journal.append_synced(&Record::WriteZeros).unwrap();
        journal.append_synced(&Record::Sealing).unwrap();
        journal.append_synced(&Record::Finished).unwrap();
        (journal.state().clone(), fs::read(journal.path()).unwrap())
    }

    #[test]
    fn a_journal_reads_back_and_can_be_continued() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Journal::open(folder.path()).unwrap().is_none());
        let (state, _) = full(folder.path());
        let mut journal = Journal::open(folder.path()).unwrap().unwrap();
        assert_eq!(*journal.state(), state);
        assert!(state.finished && state.sealing && state.intent.write_zeros);
        assert_eq!(state.acknowledged.len(), 2);
        journal.acknowledge(9, Digest::of(b"9")).unwrap();
        let again = Journal::open(folder.path()).unwrap().unwrap();
        assert_eq!(again.state().acknowledged.len(), 3);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_truncated_journal_keeps_its_intact_records_and_can_be_continued() {
        let folder = tempfile::tempdir().unwrap();
        let (state, bytes) = full(folder.path());
        let path = Journal::path_in(folder.path());
        let mut blocks_seen = Vec::new();
        for cut in 0..bytes.len() {
            fs::write(&path, &bytes[..cut]).unwrap();
            let Some(mut journal) = Journal::open(folder.path()).unwrap() else {
                assert!(blocks_seen.is_empty(), "a longer journal says less at {cut}");
                continue;
            };
            assert_eq!(journal.state().intent.token, state.intent.token);
            blocks_seen.push(journal.state().acknowledged.len());
            journal.acknowledge(77, Digest::of(b"77")).unwrap();
            let again = Journal::open(folder.path()).unwrap().unwrap();
            assert_eq!(again.state().acknowledged.get(&77), Some(&Digest::of(b"77")), "cut at {cut}");
        }
        assert!(blocks_seen.is_sorted(), "{blocks_seen:?}");
        assert_eq!(blocks_seen.last(), Some(&2));
    }

    #[test]
    fn records_after_a_flipped_bit_are_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let (state, bytes) = full(folder.path());
        let path = Journal::path_in(folder.path());
        for at in MAGIC.len()..bytes.len() {
            let mut corrupted = bytes.clone();
            corrupted[at] ^= 1 << (at % 8);
            fs::write(&path, &corrupted).unwrap();
            let read = Journal::open(folder.path()).unwrap();
            let blocks = read.map(|journal| journal.state().acknowledged.clone()).unwrap_or_default();
            assert!(
                blocks.iter().all(|(index, digest)| state.acknowledged.get(index) == Some(digest)),
                "{at}"
            );
        }
        fs::write(&path, b"something else").unwrap();
        assert!(matches!(Journal::open(folder.path()), Err(JournalError::Foreign { .. })));
    }
}
