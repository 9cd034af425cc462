//! A pack: the contents that commands wrote in a sandbox, one after the other in a file without a name. It goes
//! with the last handle, so a killed build leaves nothing.

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
    /// An empty pack in a folder, which is made if need be; errors name it after the folder.
    ///
    /// # Errors
    /// What the system says.
    pub fn begin(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let file = tempfile::tempfile_in(folder)?;
        Ok(Self { file, path: folder.join("pack"), len: 0 })
    }

    /// Bytes in it.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was appended yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends bytes; gives where they begin.
    ///
    /// # Errors
    /// What the system says.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let at = self.len;
        self.file.write_all(bytes)?;
        self.len += bytes.len() as u64;
        Ok(at)
    }

    /// Makes it a source of content.
    pub fn finish(self, blobs: &mut Blobs) -> SourceId {
        blobs.add(self.file, &self.path)
    }
}
