//! The files of a bundle, wherever they are.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use crate::source::{bytes_at, outside, ByteSource, ReadFailure};

/// The longest text that is read: a manifest of the largest volume of EBS without free blocks has about 9 GiB less.
pub const TEXT_MAX: u64 = 1 << 30;

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFile {
    /// Name relative to the bundle; bytes that are no text are escaped.
    pub name: String,
    /// Whether it is a regular file: no link, device or pipe.
    pub regular: bool,
}

/// The files of a bundle.
pub trait BundleFiles: Sync {
    /// All of them, those in folders with the folder's name; folders themselves are left out.
    ///
    /// # Errors
    /// The reason why there is no list.
    fn list(&self) -> Result<Vec<BundleFile>, String>;

    /// Opens a regular file.
    ///
    /// # Errors
    /// The reason why it cannot be read.
    fn open(&self, name: &str) -> Result<Box<dyn ByteSource + '_>, ReadFailure>;
}

/// All bytes of a text.
pub(crate) fn text(files: &dyn BundleFiles, name: &str) -> Result<Vec<u8>, ReadFailure> {
    let file = files.open(name)?;
    let len = file.size();
    if len > TEXT_MAX {
        return Err(ReadFailure { offset: 0, reason: "it is longer than 1 GiB".to_string() });
    }
    bytes_at(&*file, 0, usize::try_from(len).map_err(|_| outside(len))?)
}

/// A bundle in memory.
#[derive(Debug, Default, Clone)]
pub struct MemoryBundle {
    /// The bytes of each file by its name.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl BundleFiles for MemoryBundle {
    fn list(&self) -> Result<Vec<BundleFile>, String> {
        Ok(self.files.keys().map(|name| BundleFile { name: name.clone(), regular: true }).collect())
    }

    fn open(&self, name: &str) -> Result<Box<dyn ByteSource + '_>, ReadFailure> {
        let file =
            self.files.get(name).ok_or(ReadFailure { offset: 0, reason: "it is not there".to_string() })?;
        Ok(Box::new(Borrowed(file)))
    }
}

struct Borrowed<'a>(&'a [u8]);

impl ByteSource for Borrowed<'_> {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadFailure> {
        self.0.read(offset, out)
    }
}
