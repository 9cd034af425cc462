//! Where the bytes of a disk are in its container: what each format answers, and all that the reader asks.

use std::fmt;
use std::io;

use super::tables::TableReader;
use super::unpack::Codec;

/// A range of the disk that is stored in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRun {
    /// First byte on the disk.
    pub start: u64,
    /// Length in bytes, not zero.
    pub len: u64,
    /// How it is stored.
    pub stored: StoredAs,
}

impl StoredRun {
    /// First byte after the run.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }
}

/// How a range is stored in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredAs {
    /// It is not: it reads as zeros.
    Zeros,
    /// As it is, from this byte of the file on.
    Plain {
        /// First byte in the file.
        at: u64,
    },
    /// Compressed, the whole range as one unit.
    Packed(PackedUnit),
}

/// A compressed unit of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedUnit {
    /// First compressed byte in the file.
    pub at: u64,
    /// Number of compressed bytes; what is behind the stream in them is padding.
    pub len: u32,
    /// Number of bytes that it unpacks to, at most [`super::unpack::UNIT_MAX`].
    pub unpacked: u32,
    /// How it is compressed.
    pub codec: Codec,
}

/// The map of a container from its disk to its file.
pub(super) trait ContainerMap: fmt::Debug + Send + Sync {
    /// Length of the disk in bytes.
    fn size(&self) -> u64;

    /// The run that holds the byte `offset`, which is on the disk. It begins at or before `offset`; ranges of the file
    /// that it names are within the file.
    fn run(&self, tables: &TableReader<'_>, offset: u64) -> io::Result<StoredRun>;
}
