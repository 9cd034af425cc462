//! The open files behind the slices of trees and plans.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use amiforge_formats::plan::{SourceId, Sources};

/// Every file that content is read from, by [`SourceId`]. Files are added while sources are read and only read later.
#[derive(Debug, Default)]
pub struct Blobs {
    files: Vec<(File, PathBuf)>,
}

impl Blobs {
    /// No files yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an open file; `path` is how errors name it.
    pub fn add(&mut self, file: File, path: &Path) -> SourceId {
        self.files.push((file, path.to_owned()));
        SourceId(u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX))
    }

    /// How errors name a source.
    pub fn path(&self, source: SourceId) -> Option<&Path> {
        self.files.get(source.0 as usize).map(|(_, path)| path.as_path())
    }
}

impl Sources for Blobs {
    fn read_exact_at(&self, source: SourceId, at: u64, buf: &mut [u8]) -> io::Result<()> {
        let (file, path) = self.files.get(source.0 as usize).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("source {} is not open", source.0))
        })?;
        file.read_exact_at(buf, at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(
                error.kind(),
                format!(
                    "`{}` is shorter than when it was indexed: no byte {}",
                    path.display(),
                    at + buf.len() as u64
                ),
            ),
            kind => io::Error::new(kind, format!("reading `{}` at byte {at}: {error}", path.display())),
        })
    }
}
