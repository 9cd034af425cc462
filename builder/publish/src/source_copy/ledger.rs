//! The ledger of a copy: which copies of a snapshot were begun, so that the next run adopts or deletes them.
//!
//! A text file of lines that are only ever appended, each synced before the next call to the service. While it exists there
//! may be a copy; its last act is to be removed. The process that uses it holds its lock (flock(2)).

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

use super::SourceCopyError;
use crate::upload::new_token;

/// The first word of the file, with the version of its form.
const MAGIC: &str = "amiforge-source-copy-1";
/// The longest file that is read, in bytes: some thousand copies.
const MAX_LEN: u64 = 1 << 18;

/// A locked ledger.
#[derive(Debug)]
pub struct CopyLedger {
    path: PathBuf,
    file: File,
    /// The value of the tag of its copies.
    key: String,
    /// Calls that were sent and neither answered by an id nor refused.
    unanswered: usize,
    copies: Vec<String>,
}

/// A line of the file.
enum Line<'a> {
    /// A call is about to be sent.
    Begin,
    /// A call that was sent has no effect.
    Settled,
    /// A copy that is there.
    Copy(&'a str),
    /// A copy that was deleted.
    Deleted(&'a str),
}

impl CopyLedger {
    /// Whether there is a ledger at a path.
    pub fn exists(path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }

    /// Opens the ledger of the copies of a snapshot, or creates it.
    ///
    /// # Errors
    /// [`SourceCopyError::Busy`], [`SourceCopyError::Ledger`], also for the ledger of another snapshot.
    pub fn open(path: &Path, (snapshot, region): (&str, &str)) -> Result<Self, SourceCopyError> {
        let failed = |source| SourceCopyError::Ledger { path: path.to_owned(), source };
        let mut file = open_locked(path)?;
        let mut text = String::new();
        (&mut file).take(MAX_LEN + 1).read_to_string(&mut text).map_err(failed)?;
        let damaged = |reason: &str| failed(io::Error::new(io::ErrorKind::InvalidData, reason.to_owned()));
        if text.len() as u64 > MAX_LEN {
            return Err(damaged("it is too long"));
        }
        // A kill may tear the last line.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut lines = text.get(..whole).unwrap_or_default().lines();
        let Some(head) = lines.next() else {
            let key = new_token().map_err(failed)?;
            file.set_len(0).map_err(failed)?;
            let mut ledger = Self { path: path.to_owned(), file, key, unanswered: 0, copies: Vec::new() };
            let head = format!("{MAGIC} {snapshot} {region} {}", ledger.key);
            ledger.append(&head)?;
            return Ok(ledger);
        };
        let fields: Vec<&str> = head.split(' ').collect();
        let [MAGIC, of, at, key] = fields.as_slice() else {
            return Err(damaged("it is no ledger of a copy"));
        };
        if (*of, *at) != (snapshot, region) {
            return Err(damaged(&format!("it is of {of} in {at}, and not of {snapshot} in {region}")));
        }
        let (key, mut unanswered, mut copies) = ((*key).to_owned(), 0usize, Vec::new());
        for line in lines {
            match Line::of(line).ok_or_else(|| damaged("it has a line that is not known"))? {
                Line::Begin => unanswered = unanswered.saturating_add(1),
                Line::Settled => unanswered = unanswered.saturating_sub(1),
                Line::Copy(id) => {
                    unanswered = unanswered.saturating_sub(1);
                    copies.push(id.to_owned());
                }
                Line::Deleted(id) => copies.retain(|copy| copy != id),
            }
        }
        file.set_len(whole as u64).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, key, unanswered, copies })
    }

    /// The value of the tag of its copies.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// The copies that are known and not deleted.
    pub(super) fn copies(&self) -> Vec<String> {
        self.copies.clone()
    }

    /// Whether a call was sent whose effect is not known.
    pub(super) fn is_uncertain(&self) -> bool {
        self.unanswered > 0
    }

    /// Records that a call is about to be sent.
    pub(super) fn begin(&mut self) -> Result<(), SourceCopyError> {
        self.append("begin")?;
        self.unanswered += 1;
        Ok(())
    }

    /// Records that a call had no effect.
    pub(super) fn settle(&mut self) -> Result<(), SourceCopyError> {
        self.append("settled")?;
        self.unanswered = self.unanswered.saturating_sub(1);
        Ok(())
    }

    /// Records a copy, once.
    pub(super) fn record(&mut self, id: &str) -> Result<(), SourceCopyError> {
        if self.copies.iter().any(|copy| copy == id) {
            return Ok(());
        }
        self.append(&format!("copy {id}"))?;
        self.unanswered = self.unanswered.saturating_sub(1);
        self.copies.push(id.to_owned());
        Ok(())
    }

    /// Records that a copy is deleted, so that it is not looked for again.
    pub(super) fn delete(&mut self, id: &str) -> Result<(), SourceCopyError> {
        self.append(&format!("deleted {id}"))?;
        self.copies.retain(|copy| copy != id);
        Ok(())
    }

    /// Removes the file: no copy is left.
    pub(super) fn remove(self) -> Result<(), SourceCopyError> {
        let path = self.path.clone();
        std::fs::remove_file(&path).map_err(|source| SourceCopyError::Ledger { path, source })
    }

    fn append(&mut self, line: &str) -> Result<(), SourceCopyError> {
        let written =
            self.file.write_all(format!("{line}\n").as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|source| SourceCopyError::Ledger { path: self.path.clone(), source })
    }
}

impl<'a> Line<'a> {
    fn of(text: &'a str) -> Option<Self> {
        match text {
            "begin" => Some(Self::Begin),
            "settled" => Some(Self::Settled),
            _ => {
                let (word, id) = text.split_once(' ')?;
                let digits = id.strip_prefix("snap-")?;
                let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
                match word {
                    "copy" if valid => Some(Self::Copy(id)),
                    "deleted" if valid => Some(Self::Deleted(id)),
                    _ => None,
                }
            }
        }
    }
}

/// Opens and locks the file. A process that ended in between may have removed the file that was opened: then another is made.
fn open_locked(path: &Path) -> Result<File, SourceCopyError> {
    let failed = |source| SourceCopyError::Ledger { path: path.to_owned(), source };
    loop {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        // A symbolic link could redirect the writes to another file, and a pipe would block.
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
        let file = options.open(path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(SourceCopyError::Busy { path: path.to_owned() });
            }
            other => other.map_err(|errno| failed(errno.into()))?,
        }
        let own = file.metadata().map_err(failed)?;
        if !own.is_file() {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")));
        }
        if path.symlink_metadata().is_ok_and(|now| (now.dev(), now.ino()) == (own.dev(), own.ino())) {
            return Ok(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: (&str, &str) = ("snap-0a", "eu-west-1");

    #[test]
    fn a_ledger_remembers_its_copies_and_what_is_not_known_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let mut ledger = CopyLedger::open(&path, SOURCE).unwrap();
        let key = ledger.key().to_owned();
        ledger.begin().unwrap();
        ledger.settle().unwrap();
        ledger.begin().unwrap();
        assert!(matches!(CopyLedger::open(&path, SOURCE), Err(SourceCopyError::Busy { .. })));
        drop(ledger);
        let mut ledger = CopyLedger::open(&path, SOURCE).unwrap();
        assert!(ledger.is_uncertain() && ledger.key() == key);
        ledger.record("snap-1").unwrap();
        ledger.record("snap-1").unwrap();
        drop(ledger);
        let ledger = CopyLedger::open(&path, SOURCE).unwrap();
        assert_eq!((ledger.copies(), ledger.is_uncertain()), (vec!["snap-1".to_owned()], false));
        drop(ledger);
        let mut ledger = CopyLedger::open(&path, SOURCE).unwrap();
        ledger.record("snap-2").unwrap();
        ledger.delete("snap-1").unwrap();
        drop(ledger);
        let ledger = CopyLedger::open(&path, SOURCE).unwrap();
        assert_eq!(ledger.copies(), ["snap-2"]);
        ledger.remove().unwrap();
        assert!(!CopyLedger::exists(&path));
    }

    #[test]
    fn a_torn_line_is_dropped_and_a_foreign_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        std::fs::write(&path, format!("{MAGIC} snap-0a eu-west-1 k\nbegin\ncopy sna")).unwrap();
        let mut ledger = CopyLedger::open(&path, SOURCE).unwrap();
        assert!(ledger.is_uncertain() && ledger.copies().is_empty());
        ledger.record("snap-2").unwrap();
        drop(ledger);
        assert_eq!(CopyLedger::open(&path, SOURCE).unwrap().copies(), ["snap-2"]);
        assert!(CopyLedger::open(&path, ("snap-0b", "eu-west-1")).is_err());
        for text in ["x\n", &format!("{MAGIC} snap-0a eu-west-1 k\ncopy ../x\n")] {
            std::fs::write(&path, text).unwrap();
            let error = CopyLedger::open(&path, SOURCE).unwrap_err();
            assert!(matches!(error, SourceCopyError::Ledger { .. }), "{error}");
        }
    }
}
