//! Repositories in folders, as the program would read them; nothing is written but into memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use amiforge_formats::digest::Digest;
use amiforge_packages::backend::{RepositoryAccess, RepositoryError, RepositoryFile};
use amiforge_packages::host::HostSettings;
use amiforge_progress::{Monitor, Progress};

/// An access to files by `file:///` addresses that remembers what was read.
#[derive(Default)]
pub(crate) struct FolderAccess {
    host: HostSettings,
    stored: Mutex<BTreeMap<Digest, Vec<u8>>>,
    /// Bytes that were read by ranges.
    pub(crate) ranged: Mutex<u64>,
}

fn bytes(url: &str) -> Result<Vec<u8>, RepositoryError> {
    let path = url.strip_prefix("file://").unwrap_or(url);
    std::fs::read(Path::new(path))
        .map_err(|error| RepositoryError::Missing(format!("{path}: {error}").into()))
}

impl RepositoryAccess for FolderAccess {
    fn read(&self, url: &str, most: u64) -> Result<Vec<u8>, RepositoryError> {
        let bytes = bytes(url)?;
        if bytes.len() as u64 > most {
            return Err(RepositoryError::Fetch("too long".into()));
        }
        Ok(bytes)
    }

    fn read_range(&self, url: &str, start: u64, len: u64) -> Result<Vec<u8>, RepositoryError> {
        let bytes = bytes(url)?;
        let (start, end) = (start as usize, (start + len) as usize);
        let part = bytes[start.min(bytes.len())..end.min(bytes.len())].to_vec();
        *self.ranged.lock().unwrap() += part.len() as u64;
        Ok(part)
    }

    fn jobs(&self) -> usize {
        4
    }

    fn fetch(&self, files: &[RepositoryFile]) -> Result<(), RepositoryError> {
        for file in files {
            let mut found = Err(RepositoryError::Missing("no address".into()));
            for url in &file.urls {
                found = found.or_else(|_| bytes(url));
            }
            let found = found?;
            if Digest::of(&found) != file.sha256 || found.len() as u64 != file.size {
                return Err(RepositoryError::Fetch(format!("{} has another digest", file.label).into()));
            }
            self.stored.lock().unwrap().insert(file.sha256, found);
        }
        Ok(())
    }

    fn stored(&self, sha256: Digest, _size: u64) -> Result<Option<Vec<u8>>, RepositoryError> {
        Ok(self.stored.lock().unwrap().get(&sha256).cloned())
    }

    fn host(&self) -> &HostSettings {
        &self.host
    }

    fn now(&self) -> i64 {
        1_900_000_000
    }

    fn progress(&self) -> &dyn Progress {
        Monitor::none().progress
    }
}
