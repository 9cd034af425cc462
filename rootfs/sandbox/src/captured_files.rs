//! Captured files: the contents that commands wrote in a sandbox, one after another in an unnamed file. It is removed
//! with its last handle, so a killed build leaves nothing.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use amiforge_formats::plan::SourceId;
use amiforge_store::blobs::Blobs;

/// A file that contents are appended to.
#[derive(Debug)]
pub struct CapturedFiles {
    file: File,
    path: PathBuf,
    len: u64,
}

impl CapturedFiles {
    /// An empty file in a folder, which is created if needed; errors name it `pack` in that folder.
    ///
    /// # Errors
    /// When the folder or the file cannot be created.
    pub fn create(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let file = tempfile::tempfile_in(folder)?;
        Ok(Self { file, path: folder.join("pack"), len: 0 })
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was appended yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends bytes and returns the offset of the first.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let at = self.len;
        self.file.write_all(bytes)?;
        self.len += bytes.len() as u64;
        Ok(at)
    }

    /// Adds the file to the blobs as a source.
    pub fn finish(self, blobs: &mut Blobs) -> SourceId {
        blobs.add(self.file, &self.path)
    }
}
