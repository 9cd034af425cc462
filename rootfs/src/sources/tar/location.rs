//! Where an archive is, whether its end is marked, and its slices as a source.

use std::io;

use amiforge_formats::plan::{SourceId, Sources};
use amiforge_formats::read_at::ReadAt;

/// Location of an archive in a source, for the slices that point into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveLocation {
    /// The source.
    pub source: SourceId,
    /// First byte of the archive in it.
    pub at: u64,
}

/// Whether an archive must show that it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A block of zeros must close it.
    Marked,
    /// It may end between entries without one: its digest proves that it is complete.
    Unmarked,
}

/// Reads the slices that point into one archive.
pub(super) struct InArchive<'a> {
    /// The archive.
    pub(super) archive: &'a dyn ReadAt,
    /// The location that its slices are relative to.
    pub(super) location: ArchiveLocation,
}

impl Sources for InArchive<'_> {
    fn read_exact_at(&self, source: SourceId, at: u64, buf: &mut [u8]) -> io::Result<()> {
        let at = at.checked_sub(self.location.at).filter(|_| source == self.location.source);
        self.archive.read_exact_at(at.ok_or(io::ErrorKind::NotFound)?, buf)
    }
}
