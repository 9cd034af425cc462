//! A table of things of one kind: in memory to read, in a folder to last. One JSON file for each, replaced whole.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::atomic;
use crate::digest::BlockDigest;
use crate::error::Error;
use crate::sync;

/// A table of things of one kind, by name. Any text may be a name.
#[derive(Debug)]
pub(crate) struct Table<T> {
    folder: PathBuf,
    things: RwLock<BTreeMap<String, Arc<T>>>,
}

/// What a file holds.
#[derive(Serialize, Deserialize)]
struct Filed<T> {
    name: String,
    value: T,
}

impl<T: Clone + Serialize + DeserializeOwned> Table<T> {
    /// Opens a table and reads all of it. The folder need not exist yet.
    ///
    /// # Errors
    /// When a file cannot be read or is damaged; it is named.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, Error> {
        let mut things = BTreeMap::new();
        for path in atomic::files(&folder)? {
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
            let filed: Filed<T> = serde_json::from_slice(&text)
                .map_err(|error| Error::Damaged { path: path.clone(), what: error.to_string() })?;
            if path != file_of(&folder, &filed.name) {
                let what = format!("it holds `{}`, which belongs under another name", filed.name);
                return Err(Error::Damaged { path, what });
            }
            things.insert(filed.name, Arc::new(filed.value));
        }
        Ok(Self { folder, things: RwLock::new(things) })
    }

    /// Reads one thing out of a table that somebody else may have open.
    pub(crate) fn peek(folder: &Path, name: &str) -> Result<Option<T>, Error> {
        let path = file_of(folder, name);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(Error::io("read", &path))?,
        };
        let filed: Result<Filed<T>, _> = serde_json::from_slice(&text);
        filed.map(|filed| Some(filed.value)).map_err(|error| Error::Damaged { path, what: error.to_string() })
    }

    /// The thing of a name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<T>> {
        sync::read(&self.things).get(name).cloned()
    }

    /// All things, in the order of their names.
    pub(crate) fn all(&self) -> Vec<(String, Arc<T>)> {
        sync::read(&self.things).iter().map(|(name, thing)| (name.clone(), Arc::clone(thing))).collect()
    }

    /// Puts a thing under a name, in place of what was there.
    pub(crate) fn put(&self, name: &str, thing: T) -> Result<(), Error> {
        let mut things = sync::write(&self.things);
        self.file(name, &thing)?;
        things.insert(name.to_owned(), Arc::new(thing));
        Ok(())
    }

    /// Changes the thing of a name while nobody else does, and gives what the change gave; nothing if there is no
    /// such thing. If the change fails, nothing changes.
    pub(crate) fn edit<R, E: From<Error>>(
        &self,
        name: &str,
        change: impl FnOnce(&mut T) -> Result<R, E>,
    ) -> Result<Option<R>, E> {
        let mut things = sync::write(&self.things);
        let Some(old) = things.get(name) else { return Ok(None) };
        let mut thing = T::clone(old);
        let result = change(&mut thing)?;
        self.file(name, &thing)?;
        things.insert(name.to_owned(), Arc::new(thing));
        Ok(Some(result))
    }

    /// Removes a thing and gives it.
    pub(crate) fn remove(&self, name: &str) -> Result<Option<Arc<T>>, Error> {
        let mut things = sync::write(&self.things);
        if things.contains_key(name) {
            atomic::remove(&file_of(&self.folder, name))?;
        }
        Ok(things.remove(name))
    }

    fn file(&self, name: &str, value: &T) -> Result<(), Error> {
        let path = file_of(&self.folder, name);
        let filed = Filed { name: name.to_owned(), value };
        let mut text = serde_json::to_vec_pretty(&filed)
            .map_err(|error| Error::Damaged { path: path.clone(), what: error.to_string() })?;
        text.push(b'\n');
        atomic::write(&path, &text)
    }
}

/// The longest name of a file that is written out, extension excluded; file systems take 255 bytes.
const LONGEST: usize = 200;

/// The file of a thing: its name, with what a file name may not hold as `%XX`; the digest of a name that is too long.
fn file_of(folder: &Path, name: &str) -> PathBuf {
    let mut file = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && !file.is_empty()) {
            file.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(file, "%{byte:02X}");
        }
    }
    if file.is_empty() {
        file.push('%');
    }
    if file.len() > LONGEST {
        file = format!("%sha256-{}", BlockDigest::of(name.as_bytes()).hex());
    }
    folder.join(file + ".json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf(folder: &Path) -> Table<u32> {
        Table::open(folder.join("numbers")).unwrap()
    }

    #[test]
    fn what_is_put_is_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(2000);
        let names = ["one", "/a/path", "..", ".hidden", "Käse", "", &long];
        let first = shelf(folder.path());
        for (number, name) in names.iter().enumerate() {
            first.put(name, number as u32).unwrap();
        }
        first.remove("one").unwrap();
        let again = shelf(folder.path());
        assert_eq!(again.find("one"), None);
        for (number, name) in names.iter().enumerate().skip(1) {
            assert_eq!(again.find(name).as_deref(), Some(&(number as u32)), "{name}");
        }
        assert_eq!(again.all().len(), names.len() - 1);
    }

    #[test]
    fn a_change_that_fails_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let one = shelf(folder.path());
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
        assert_eq!(shelf(folder.path()).find("n").as_deref(), Some(&2));
        assert!(one.edit("m", |_| Ok::<_, Error>(())).unwrap().is_none());
    }

    #[test]
    fn a_torn_file_is_named_and_a_leftover_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let one = shelf(folder.path());
        one.put("n", 1).unwrap();
        let leftover = folder.path().join("numbers/.new-1-1");
        std::fs::write(&leftover, "{").unwrap();
        assert_eq!(shelf(folder.path()).all().len(), 1);
        assert!(!leftover.exists());
        std::fs::write(folder.path().join("numbers/n.json"), "{\"name\":\"n\",").unwrap();
        let error = Table::<u32>::open(folder.path().join("numbers")).unwrap_err().to_string();
        assert!(error.contains("n.json` is damaged"), "{error}");
    }
}
