//! A bundle as a folder on disk: holes of sparse files are not read, links are not followed.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, SeekFrom};

use crate::bytes::word;
use crate::files::{BundleFile, BundleFiles};
use crate::source::{outside, ByteSource, ReadFailure};

/// Folders in folders that are listed, and files that a bundle may have at all.
const DEPTH: usize = 2;
const MOST: usize = 10_000;

/// A folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at a path; nothing is read yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

impl BundleFiles for Folder {
    fn list(&self) -> Result<Vec<BundleFile>, String> {
        let mut all = Vec::new();
        list(&self.path, "", 0, &mut all).map_err(|error| error.to_string())?;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn open(&self, name: &str) -> Result<Box<dyn ByteSource + '_>, ReadFailure> {
        Ok(Box::new(OpenFile::open(&self.path.join(name))?))
    }
}

fn list(folder: &Path, prefix: &str, depth: usize, all: &mut Vec<BundleFile>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", word(entry.file_name().as_bytes()));
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < DEPTH {
            list(&entry.path(), &format!("{name}/"), depth + 1, all)?;
        } else if all.len() < MOST {
            all.push(BundleFile { name, regular: kind.is_file() });
        }
    }
    Ok(())
}

/// An open regular file.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    len: u64,
}

impl OpenFile {
    /// Opens a regular file for reading; a link, a pipe or a device is refused without waiting for it.
    ///
    /// # Errors
    /// The reason of the system.
    pub fn open(path: &Path) -> Result<Self, ReadFailure> {
        let failed = |reason: String| ReadFailure { offset: 0, reason };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(error.to_string()))?;
        let file = File::from(file);
        let metadata = file.metadata().map_err(|error| failed(error.to_string()))?;
        if !metadata.is_file() {
            return Err(failed("it is no regular file".to_string()));
        }
        Ok(Self { file, len: metadata.len() })
    }
}

impl ByteSource for OpenFile {
    fn size(&self) -> u64 {
        self.len
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadFailure> {
        if offset.checked_add(out.len() as u64).map_or(true, |end| end > self.len) {
            return Err(outside(offset));
        }
        self.file
            .read_exact_at(out, offset)
            .map_err(|error| ReadFailure { offset, reason: error.to_string() })
    }

    fn hole_end(&self, offset: u64) -> Option<u64> {
        // File systems that know no holes answer with the offset itself.
        match rustix::fs::seek(&self.file, SeekFrom::Data(offset)) {
            Ok(data) if data > offset => Some(data.min(self.len)),
            Err(rustix::io::Errno::NXIO) if offset < self.len => Some(self.len),
            _ => None,
        }
    }
}
