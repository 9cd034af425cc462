//! A table of records of one type: read from memory, stored in a folder as one JSON file for each record,
//! which is replaced atomically.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::atomic;
use crate::digest::Sha256Digest;
use crate::error::Error;
use crate::sync;

/// A table of records of one type, by name. Any text may be a name.
#[derive(Debug)]
pub(crate) struct Table<T> {
    folder: PathBuf,
    records: RwLock<BTreeMap<String, Arc<T>>>,
}

/// The content of a record's file.
#[derive(Serialize, Deserialize)]
struct RecordFile<T> {
    name: String,
    value: T,
}

impl<T: Clone + Serialize + DeserializeOwned> Table<T> {
    /// Opens a table and reads all its records. The folder need not exist yet.
    ///
    /// # Errors
    /// If a file cannot be read or is damaged; the error names it.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, Error> {
        let mut records = BTreeMap::new();
        for path in atomic::files(&folder)? {
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
            let stored: RecordFile<T> = serde_json::from_slice(&text)
                .map_err(|error| Error::Damaged { path: path.clone(), reason: error.to_string() })?;
            if path != record_path(&folder, &stored.name) {
                let reason = format!("it contains `{}`, which belongs in another file", stored.name);
                return Err(Error::Damaged { path, reason });
            }
            records.insert(stored.name, Arc::new(stored.value));
        }
        Ok(Self { folder, records: RwLock::new(records) })
    }

    /// Reads one record of a table that another process may have open.
    pub(crate) fn read_one(folder: &Path, name: &str) -> Result<Option<T>, Error> {
        let path = record_path(folder, name);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(Error::io("read", &path))?,
        };
        let stored: Result<RecordFile<T>, _> = serde_json::from_slice(&text);
        stored
            .map(|stored| Some(stored.value))
            .map_err(|error| Error::Damaged { path, reason: error.to_string() })
    }

    /// Finds the record of a name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<T>> {
        sync::read(&self.records).get(name).cloned()
    }

    /// All records in the order of their names.
    pub(crate) fn all(&self) -> Vec<(String, Arc<T>)> {
        sync::read(&self.records).iter().map(|(name, record)| (name.clone(), Arc::clone(record))).collect()
    }

    /// Stores a record under a name, replacing the previous one.
    pub(crate) fn put(&self, name: &str, record: T) -> Result<(), Error> {
        let mut records = sync::write(&self.records);
        self.write_record(name, &record)?;
        records.insert(name.to_owned(), Arc::new(record));
        Ok(())
    }

    /// Changes a record under an exclusive lock and returns the result of `change`; `None` if the record does
    /// not exist. If the change fails, the record stays as it is.
    pub(crate) fn edit<R, E: From<Error>>(
        &self,
        name: &str,
        change: impl FnOnce(&mut T) -> Result<R, E>,
    ) -> Result<Option<R>, E> {
        let mut records = sync::write(&self.records);
        let Some(old) = records.get(name) else { return Ok(None) };
        let mut record = T::clone(old);
        let result = change(&mut record)?;
        self.write_record(name, &record)?;
        records.insert(name.to_owned(), Arc::new(record));
        Ok(Some(result))
    }

    /// Removes a record and returns it.
    pub(crate) fn remove(&self, name: &str) -> Result<Option<Arc<T>>, Error> {
        let mut records = sync::write(&self.records);
        if records.contains_key(name) {
            atomic::remove(&record_path(&self.folder, name))?;
        }
        Ok(records.remove(name))
    }

    fn write_record(&self, name: &str, value: &T) -> Result<(), Error> {
        let path = record_path(&self.folder, name);
        let stored = RecordFile { name: name.to_owned(), value };
        let mut text = serde_json::to_vec_pretty(&stored)
            .map_err(|error| Error::Damaged { path: path.clone(), reason: error.to_string() })?;
        text.push(b'\n');
        atomic::write(&path, &text)
    }
}

/// The maximum length of a file name that contains the whole name, without the extension; file systems allow
/// 255 bytes.
const MAX_FILE_NAME: usize = 200;

/// The path of a record's file: the name, in which characters that are not allowed become `%XX`; the digest
/// of a name that is too long.
fn record_path(folder: &Path, name: &str) -> PathBuf {
    let mut file_name = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_')
            || (byte == b'.' && !file_name.is_empty())
        {
            file_name.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(file_name, "%{byte:02X}");
        }
    }
    if file_name.is_empty() {
        file_name.push('%');
    }
    if file_name.len() > MAX_FILE_NAME {
        file_name = format!("%sha256-{}", Sha256Digest::of(name.as_bytes()).hex());
    }
    folder.join(file_name + ".json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(folder: &Path) -> Table<u32> {
        Table::open(folder.join("numbers")).unwrap()
    }

    #[test]
    fn records_survive_a_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(2000);
        let names = ["one", "/a/path", "..", ".hidden", "Käse", "", &long];
        let first = table(folder.path());
        for (number, name) in names.iter().enumerate() {
            first.put(name, number as u32).unwrap();
        }
        first.remove("one").unwrap();
        let again = table(folder.path());
        assert_eq!(again.find("one"), None);
        for (number, name) in names.iter().enumerate().skip(1) {
            assert_eq!(again.find(name).as_deref(), Some(&(number as u32)), "{name}");
        }
        assert_eq!(again.all().len(), names.len() - 1);
    }

    #[test]
    fn a_change_that_fails_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let one = table(folder.path());
        one.put("n", 1).unwrap();
        let failed = one.edit("n", |n| {
            *n = 2;
            Err::<(), _>(Error::NoSnapshot("x".to_owned()))
        });
        assert!(failed.is_err());
        assert_eq!(one.find("n").as_deref(), Some(&1));
        one.edit("n", |n| {
            *n += 1;
            Ok::<_, Error>(())
        })
        .unwrap()
        .unwrap();
        assert_eq!(table(folder.path()).find("n").as_deref(), Some(&2));
        assert!(one.edit("m", |_| Ok::<_, Error>(())).unwrap().is_none());
    }

    #[test]
    fn a_truncated_file_is_named_and_a_leftover_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let one = table(folder.path());
        one.put("n", 1).unwrap();
        let leftover = folder.path().join("numbers/.new-1-1");
        std::fs::write(&leftover, "{").unwrap();
        assert_eq!(table(folder.path()).all().len(), 1);
        assert!(!leftover.exists());
        std::fs::write(folder.path().join("numbers/n.json"), "{\"name\":\"n\",").unwrap();
        let error = Table::<u32>::open(folder.path().join("numbers")).unwrap_err().to_string();
        assert!(error.contains("n.json` is damaged"), "{error}");
    }
}
