//! The files of a package by its header in the database.

use super::error::RpmDatabaseError;
use crate::rpm::header::{RpmHeader, tag};
use crate::rpm::package::file_flag;

/// Longest path that counts, in bytes (Linux `PATH_MAX`).
const PATH_MAX: usize = 4096;
/// Most bytes of paths of all packages: folders are listed once, so paths can be far longer than their header.
const PATHS_MAX: usize = 512 << 20;

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredFile<'a> {
    /// Its path, absolute, as the package writes it.
    pub(crate) path: Vec<u8>,
    /// Digest of its content in hexadecimal, empty where there is none.
    pub(crate) digest: &'a [u8],
    /// Whether the package brought it: it is no ghost, and was not left out.
    pub(crate) is_brought: bool,
}

/// The room for the paths of a database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathRoom(usize);

impl PathRoom {
    /// That of a database.
    pub(crate) fn of_database() -> Self {
        Self(PATHS_MAX)
    }

    /// The files of a header. Those that it lists wrongly are left out.
    ///
    /// # Errors
    /// Paths that take more room than those of any system.
    pub(crate) fn files<'a>(
        &mut self,
        header: &'a RpmHeader,
    ) -> Result<Vec<StoredFile<'a>>, RpmDatabaseError> {
        let folders: Vec<&[u8]> = header.texts(tag::DIRNAMES).collect();
        let mut flags = header.numbers(tag::FILEFLAGS);
        let mut states = header.numbers(tag::FILESTATES);
        let mut digests = header.texts(tag::FILEDIGESTS);
        let mut files = Vec::new();
        for (name, folder) in header.texts(tag::BASENAMES).zip(header.numbers(tag::DIRINDEXES)) {
            let (flags, state) = (flags.next().unwrap_or(0), states.next().unwrap_or(0));
            let digest = digests.next().unwrap_or_default();
            let folder = usize::try_from(folder).ok().and_then(|folder| folders.get(folder));
            let Some(folder) = folder.filter(|folder| folder.starts_with(b"/")) else { continue };
            if folder.len() + name.len() > PATH_MAX {
                continue;
            }
            self.0 = self.0.checked_sub(folder.len() + name.len()).ok_or(RpmDatabaseError::Paths)?;
            let is_brought = state == 0 && flags & u64::from(file_flag::GHOST) == 0;
            files.push(StoredFile { path: [*folder, name].concat(), digest, is_brought });
        }
        Ok(files)
    }
}
