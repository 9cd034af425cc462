//! The journal of an upload: what was meant, what was begun, and every block that the service has acknowledged.
//!
//! A file that only grows. Each record has a checksum, and what follows the first record that is not whole is cut off
//! when the journal is opened: a torn tail costs the blocks in it, which are then sent once more.
//!
//! What is written when: the intent, with the token that makes `StartSnapshot` repeatable, is on the disk before the
//! service hears of it, so a snapshot that we do not know of cannot exist. The snapshot's id and everything else that
//! happens once is on the disk before the next call. An acknowledged block is handed to the kernel at once, which is
//! enough for a process that is killed; for a power cut it is put on the disk every few seconds, because waiting for
//! each would cost more than sending again what a cut loses.

pub(super) mod record;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use amiforge_formats::digest::Digest;

pub use record::{Intent, Record, UploadIdentity};

/// Name of the journal in its folder.
const NAME: &str = "upload.journal";

/// What the file begins with: the format and its version.
const MAGIC: &[u8] = b"amiforge upload journal 1\n";

/// How long acknowledged blocks may be in the hands of the kernel alone.
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
        /// Why.
        source: io::Error,
    },
    /// It is none, or one of another version.
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

/// What a journal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalState {
    /// What was meant.
    pub intent: Intent,
    /// The snapshot, and when it was begun, in seconds since 1970.
    pub started: Option<(String, i64)>,
    /// Every block that the service has, by its index.
    pub acknowledged: BTreeMap<u64, Digest>,
    /// Whether the snapshot was, or was about to be, sealed.
    pub sealing: bool,
    /// Whether the service has confirmed the whole snapshot.
    pub finished: bool,
}

impl Journal {
    /// Where the journal of a folder is.
    pub fn path_in(folder: &Path) -> PathBuf {
        folder.join(NAME)
    }

    /// What the journal of a folder says, if there is one that says anything. Changes nothing.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn read(folder: &Path) -> Result<Option<JournalState>, JournalError> {
        Ok(parse(&Self::path_in(folder))?.map(|(state, _)| state))
    }

    /// Opens the journal of a folder, if there is one that says anything.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(folder: &Path) -> Result<Option<Self>, JournalError> {
        let path = Self::path_in(folder);
        let Some((state, intact_len)) = parse(&path)? else { return Ok(None) };
        let failed = |source| JournalError::File { path: path.clone(), source };
        let file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        // Records behind a torn one would never be read.
        file.set_len(intact_len).map_err(failed)?;
        Ok(Some(Self { path, file, synced: Instant::now(), state }))
    }

    /// Begins a journal; what had its name is replaced. It and its name are on the disk when this returns.
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

    /// What it says.
    pub fn state(&self) -> &JournalState {
        &self.state
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes a block that the service has acknowledged.
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

    /// Notes something that happens once; it is on the disk when this returns.
    ///
    /// # Errors
    /// [`JournalError::File`].
    pub fn append_synced(&mut self, record: &Record) -> Result<(), JournalError> {
        self.append(record)?;
        self.sync()
    }

    /// Puts everything on the disk.
    ///
    /// # Errors
    /// [`JournalError::File`].
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.synced = Instant::now();
        self.file.sync_data().map_err(|source| self.failed(source))
    }

    /// Puts the journal aside under another name in its folder, as a record of the past.
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

/// What a file says, and how many bytes of it are whole records.
fn parse(path: &Path) -> Result<Option<(JournalState, u64)>, JournalError> {
    let bytes = match amiforge_progress::regular::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|source| JournalError::File { path: path.to_owned(), source })?,
    };
    let Some(records) = bytes.strip_prefix(MAGIC) else {
        // A cut in the middle of the first write: nothing had been asked of the service.
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

/// The state after one more record.
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

    /// A journal with everything in it, and its bytes.
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
    fn a_journal_reads_back_and_goes_on() {
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
    fn a_journal_cut_anywhere_says_what_was_whole_and_can_go_on() {
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
    fn a_flipped_bit_ends_what_is_believed() {
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
