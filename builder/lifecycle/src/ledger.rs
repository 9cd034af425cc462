//! A ledger on disk: the steps of a change that spans several services or regions, appended before and after each call,
//! so that a run that was killed is continued or undone by the next one. Knows no service and no capability: the
//! records are those of its user.
//!
//! A text file in a locked folder: a line that names the format and the kind of ledger, then one line per record, which
//! is a checksum (the first 8 bytes of SHA-256 over the JSON, in hexadecimal), a space, and the record as JSON. A record
//! is synced before [`Ledger::append`] returns. A last line that is not intact was cut off while it was written, so the
//! call that it announces was not made: it is dropped. A line that is not intact before an intact one is damage, and
//! is reported.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_publish::folder::{FolderError, LockedFolder};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Name of the file in its folder.
const NAME: &str = "ledger";
/// First words of the first line, before the kind.
const MAGIC: &str = "amiforge ledger 1 ";
/// Number of hexadecimal digits of a checksum.
const CHECKSUM_LEN: usize = 16;

/// Why a ledger cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// It cannot be read or written.
    #[error("using the ledger `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The folder cannot be used, for instance because another process holds its lock.
    #[error("opening the folder of the ledger")]
    Folder(#[source] FolderError),
    /// The file is not a ledger of this kind, or is one of another version.
    #[error("`{}` is not a ledger of `{kind}` that this version reads", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The kind that was to be opened.
        kind: &'static str,
    },
    /// A record before the last one is not intact.
    #[error("line {line} of the ledger `{}` is damaged, and intact records follow it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
    },
    /// A record cannot be written as JSON.
    #[error("writing a record as JSON")]
    Record(#[source] serde_json::Error),
}

impl LedgerError {
    /// Whether another process holds the lock.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Folder(FolderError::Busy { .. }))
    }
}

/// An open ledger with records of the type `R`, locked until it is dropped.
#[derive(Debug)]
pub struct Ledger<R> {
    folder: LockedFolder,
    kind: &'static str,
    path: PathBuf,
    /// `None` until the first record is written.
    file: Option<File>,
    /// Length of the intact lines in bytes.
    len: u64,
    records: Vec<R>,
}

/// The intact part of a file.
struct Contents<R> {
    records: Vec<R>,
    len: u64,
}

impl<R: Serialize + DeserializeOwned> Ledger<R> {
    /// Opens the ledger of a folder and locks it; the folder is created if necessary. `kind` is a word that names the
    /// type of the records and its version, such as `channel-1`.
    ///
    /// # Errors
    /// [`LedgerError`]; [`LedgerError::is_busy`] while another process has it open.
    pub fn open(folder: &Path, kind: &'static str) -> Result<Self, LedgerError> {
        let folder = LockedFolder::open(folder).map_err(LedgerError::Folder)?;
        let path = folder.path().join(NAME);
        let mut ledger = Self { folder, kind, path, file: None, len: 0, records: Vec::new() };
        if let Some(Contents { records, len }) = parse(&ledger.path, kind)? {
            (ledger.records, ledger.len) = (records, len);
            ledger.file = Some(ledger.reopen().map_err(|source| ledger.failed(source))?);
        }
        Ok(ledger)
    }

    /// Reads the records of a folder's ledger without locking or changing it; none if there is no ledger.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn read(folder: &Path, kind: &'static str) -> Result<Vec<R>, LedgerError> {
        Ok(parse(&folder.join(NAME), kind)?.map(|contents| contents.records).unwrap_or_default())
    }

    /// The records, in the order in which they were appended.
    pub fn records(&self) -> &[R] {
        &self.records
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a record. It is on disk when this returns; after an error the ledger is as before.
    ///
    /// # Errors
    /// [`LedgerError::File`], [`LedgerError::Record`].
    pub fn append(&mut self, record: R) -> Result<(), LedgerError> {
        let line = encode(&record)?;
        if self.file.is_none() {
            return self.replace(vec![record]);
        }
        let written = self.write(&line);
        written.map_err(|source| self.failed(source))?;
        self.len += line.len() as u64;
        self.records.push(record);
        Ok(())
    }

    /// Replaces all records by these, atomically: a change begins, or what is finished is cut short.
    ///
    /// # Errors
    /// [`LedgerError::File`], [`LedgerError::Record`].
    pub fn replace(&mut self, records: Vec<R>) -> Result<(), LedgerError> {
        let mut bytes = header(self.kind).into_bytes();
        for record in &records {
            bytes.extend(encode(record)?);
        }
        let temporary = self.path.with_file_name(format!(".{NAME}.new"));
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, &self.path)
        };
        write().map_err(|source| self.failed(source))?;
        self.folder.sync().map_err(LedgerError::Folder)?;
        self.file = Some(self.reopen().map_err(|source| self.failed(source))?);
        (self.len, self.records) = (bytes.len() as u64, records);
        Ok(())
    }

    /// Writes a line after the intact ones, over what an earlier write that failed may have left there.
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        let written = file
            .set_len(self.len)
            .and_then(|()| file.seek(SeekFrom::Start(self.len)))
            .and_then(|_| file.write_all(line))
            .and_then(|()| file.sync_data());
        if written.is_err() {
            // The line may be complete in the file although it is not synced: it must not count later.
            let _ = file.set_len(self.len);
        }
        written
    }

    fn reopen(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(&self.path)
    }

    fn failed(&self, source: io::Error) -> LedgerError {
        LedgerError::File { path: self.path.clone(), source }
    }
}

fn header(kind: &str) -> String {
    format!("{MAGIC}{kind}\n")
}

/// A record as a line.
fn encode(record: &impl Serialize) -> Result<Vec<u8>, LedgerError> {
    let json = serde_json::to_string(record).map_err(LedgerError::Record)?;
    Ok(format!("{} {json}\n", checksum(json.as_bytes())).into_bytes())
}

fn checksum(json: &[u8]) -> String {
    Digest::of(json).to_string().chars().take(CHECKSUM_LEN).collect()
}

/// The JSON of a line without its end, if its checksum is right.
fn intact(line: &[u8]) -> Option<&[u8]> {
    let (sum, rest) = line.split_at_checked(CHECKSUM_LEN)?;
    let json = rest.strip_prefix(b" ")?;
    (checksum(json).as_bytes() == sum).then_some(json)
}

/// Parses a file; `None` if there is none, or if its first write was cut off.
fn parse<R: DeserializeOwned>(path: &Path, kind: &'static str) -> Result<Option<Contents<R>>, LedgerError> {
    let bytes = match amiforge_progress::regular::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|source| LedgerError::File { path: path.to_owned(), source })?,
    };
    let foreign = || LedgerError::Foreign { path: path.to_owned(), kind };
    let header = header(kind);
    let Some(mut rest) = bytes.strip_prefix(header.as_bytes()) else {
        return if header.as_bytes().starts_with(&bytes) { Ok(None) } else { Err(foreign()) };
    };
    let (mut records, mut len, mut line, mut torn) = (Vec::new(), header.len() as u64, 1, None);
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let (text, after) = (&rest[..end], &rest[end + 1..]);
        (rest, line) = (after, line + 1);
        match (intact(text), torn) {
            (Some(_), Some(line)) => return Err(LedgerError::Damaged { path: path.to_owned(), line }),
            // The checksum is right, so the record is one of another version.
            (Some(json), None) => records.push(serde_json::from_slice(json).map_err(|_| foreign())?),
            (None, _) => torn = torn.or(Some(line)),
        }
        if torn.is_none() {
            len += end as u64 + 1;
        }
    }
    Ok(Some(Contents { records, len }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "test-1";

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(|&text| text.to_owned()).collect()
    }

    fn open(folder: &Path) -> Ledger<String> {
        Ledger::open(folder, KIND).unwrap()
    }

    /// A ledger with three records, and its bytes.
    fn full(folder: &Path) -> Vec<u8> {
        let mut ledger = open(folder);
        for record in ["first", "a\nb \u{1f600}", "third"] {
            ledger.append(record.to_owned()).unwrap();
        }
        fs::read(ledger.path()).unwrap()
    }

    #[test]
    fn records_read_back_in_order_and_are_appended_to() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Ledger::<String>::read(folder.path(), KIND).unwrap().is_empty());
        full(folder.path());
        let mut ledger = open(folder.path());
        assert_eq!(ledger.records(), ["first", "a\nb \u{1f600}", "third"]);
        ledger.append("fourth".to_owned()).unwrap();
        ledger.append("fifth".to_owned()).unwrap();
        assert_eq!(Ledger::<String>::read(folder.path(), KIND).unwrap().len(), 5);
        ledger.replace(texts(&["only"])).unwrap();
        ledger.append("next".to_owned()).unwrap();
        drop(ledger);
        assert_eq!(open(folder.path()).records(), ["only", "next"]);
    }

    #[test]
    fn a_ledger_cut_at_any_byte_keeps_the_complete_records_and_can_be_continued() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = full(folder.path());
        let path = folder.path().join(NAME);
        let mut before = 0;
        for cut in 0..=bytes.len() {
            // What a power cut may leave after the end: nothing, zeros, or the begin of a line.
            for tail in [&b""[..], &[0; 40], b"0123456789abcdef {\"torn"] {
                fs::write(&path, [&bytes[..cut], tail].concat()).unwrap();
                let header_cut = cut < header(KIND).len();
                if header_cut && !tail.is_empty() {
                    continue;
                }
                let mut ledger = open(folder.path());
                let count = ledger.records().len();
                assert!(count >= before, "cut at {cut}: {count} after {before}");
                before = count;
                ledger.append("more".to_owned()).unwrap();
                drop(ledger);
                let again = open(folder.path());
                assert_eq!(again.records().len(), count + 1, "cut at {cut}");
                assert_eq!(again.records().last().map(String::as_str), Some("more"));
            }
        }
        assert_eq!(before, 3);
    }

    #[test]
    fn damage_before_an_intact_record_is_reported_and_not_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = full(folder.path());
        let path = folder.path().join(NAME);
        let last = bytes[..bytes.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap();
        for at in header(KIND).len()..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(&path, &changed).unwrap();
            match Ledger::<String>::open(folder.path(), KIND) {
                Ok(ledger) => {
                    assert!(at >= last, "a flipped bit at {at} is not noticed");
                    // Without the end of the second record, it and the third one are one line.
                    assert_eq!(ledger.records().len(), if at == last { 1 } else { 2 });
                }
                Err(LedgerError::Damaged { line, .. }) => assert!(line == 2 || line == 3, "{line}"),
                Err(error) => panic!("{at}: {error}"),
            }
        }
    }

    #[test]
    fn a_ledger_of_another_kind_is_refused_and_one_that_is_open_is_busy() {
        let folder = tempfile::tempdir().unwrap();
        full(folder.path());
        let refused = Ledger::<String>::open(folder.path(), "test-2");
        assert!(matches!(refused, Err(LedgerError::Foreign { .. })), "{refused:?}");
        let refused = Ledger::<u64>::open(folder.path(), KIND);
        assert!(matches!(refused, Err(LedgerError::Foreign { .. })), "{refused:?}");
        let first = open(folder.path());
        assert!(Ledger::<String>::open(folder.path(), KIND).unwrap_err().is_busy());
        assert_eq!(Ledger::<String>::read(folder.path(), KIND).unwrap().len(), 3);
        drop(first);
        open(folder.path());
    }

    #[test]
    fn a_record_that_could_not_be_written_leaves_the_ledger_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        full(folder.path());
        let mut ledger = open(folder.path());
        // A file that is open for reading alone, as one on a disk that became read-only.
        ledger.file = Some(File::open(ledger.path()).unwrap());
        assert!(matches!(ledger.append("lost".to_owned()), Err(LedgerError::File { .. })));
        assert_eq!(ledger.records().len(), 3);
        ledger.file = Some(ledger.reopen().unwrap());
        ledger.append("kept".to_owned()).unwrap();
        drop(ledger);
        assert_eq!(open(folder.path()).records()[3], "kept");
    }
}
