//! The disk of a file: the file itself, or what a container holds.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use amiforge_formats::container::{ContainerKind, DiskContainer, StoredAs};
use amiforge_formats::read_at::ReadAt;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::error::DiskSourceError;

/// A file with its length when it was opened.
#[derive(Debug)]
pub(super) struct DiskFile {
    file: File,
    len: u64,
}

impl ReadAt for DiskFile {
    fn size(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).filter(|end| *end <= self.len);
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.file.read_exact_at(buf, offset)
    }

    fn data_from(&self, from: u64, to: u64) -> io::Result<Option<Range<u64>>> {
        data_from(&self.file, from, to.min(self.len))
    }
}

/// The first part of `from..to` of a file that is no hole.
fn data_from(file: &File, from: u64, to: u64) -> io::Result<Option<Range<u64>>> {
    if from >= to {
        return Ok(None);
    }
    let data = match rustix::fs::seek(file, SeekFrom::Data(from)) {
        Ok(data) if data < to => data,
        Ok(_) | Err(Errno::NXIO) => return Ok(None),
        // A file system that knows of no holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some(from..to)),
        Err(errno) => return Err(errno.into()),
    };
    let hole = rustix::fs::seek(file, SeekFrom::Hole(data)).unwrap_or(to).min(to);
    // A file that shrinks meanwhile could answer with no progress.
    Ok(Some(data..hole.max(data + 1)))
}

/// The parts of the first `len` bytes of a file that are no holes, in order.
///
/// # Errors
/// The error of the medium.
pub fn data_ranges(file: &File, len: u64) -> io::Result<Vec<Range<u64>>> {
    let (mut ranges, mut from) = (Vec::new(), 0);
    while let Some(range) = data_from(file, from, len)? {
        from = range.end;
        ranges.push(range);
    }
    Ok(ranges)
}

/// An open disk.
#[derive(Debug)]
pub(super) enum OpenDisk {
    /// The file is the disk.
    Raw(DiskFile),
    /// The disk is in a container.
    Contained(DiskContainer<DiskFile>),
}

/// A range of the disk with one origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DiskRun {
    /// First byte on the disk.
    pub(super) start: u64,
    /// Length in bytes.
    pub(super) len: u64,
    /// Where it is.
    pub(super) place: DiskPlace,
}

/// Where a range of the disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DiskPlace {
    /// In the file, from this byte on.
    File(u64),
    /// In the file, compressed.
    Packed,
    /// Nowhere: it is zeros.
    Zeros,
}

impl OpenDisk {
    /// Opens the disk of a file of `len` bytes.
    ///
    /// # Errors
    /// When its container is damaged, or of a kind that is not read.
    pub(super) fn open(file: File, len: u64) -> Result<Self, DiskSourceError> {
        let file = DiskFile { file, len };
        match ContainerKind::probe(&file).map_err(DiskSourceError::Read)? {
            None => Ok(Self::Raw(file)),
            Some(kind) => Ok(Self::Contained(DiskContainer::open(file, kind)?)),
        }
    }

    /// The bytes of the disk.
    pub(super) fn reader(&self) -> &dyn ReadAt {
        match self {
            Self::Raw(file) => file,
            Self::Contained(disk) => disk,
        }
    }

    /// The format of the file, if it is a container.
    pub(super) fn container(&self) -> Option<ContainerKind> {
        match self {
            Self::Raw(_) => None,
            Self::Contained(disk) => Some(disk.kind()),
        }
    }

    /// Calls `take` with where each part of a range of the disk is, in order.
    ///
    /// # Errors
    /// A range that is not on the disk, or a damaged table of the container.
    pub(super) fn runs(
        &self,
        range: Range<u64>,
        mut take: impl FnMut(DiskRun),
    ) -> Result<(), DiskSourceError> {
        let disk = match self {
            Self::Raw(_) => {
                let place = DiskPlace::File(range.start);
                take(DiskRun { start: range.start, len: range.end - range.start, place });
                return Ok(());
            }
            Self::Contained(disk) => disk,
        };
        let mut at = range.start;
        while at < range.end {
            let run = disk.run(at).map_err(DiskSourceError::Read)?;
            let place = match run.stored {
                StoredAs::Zeros => DiskPlace::Zeros,
                StoredAs::Plain { at: start } => DiskPlace::File(start + (at - run.start)),
                StoredAs::Packed(_) => DiskPlace::Packed,
            };
            let end = run.end().min(range.end);
            take(DiskRun { start: at, len: end - at, place });
            at = end;
        }
        Ok(())
    }
}
