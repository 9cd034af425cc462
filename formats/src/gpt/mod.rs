//! GPT: the partition table of a disk (UEFI 2.10, chapter 5), 512-byte sectors.
//!
//! Owns the types of a table, its writer, its reader and its checker. Does not know the contents of partitions.
//! The reader and the checker share no planning code with the writer, only the types on this page.

pub mod attributes;
pub mod check;
pub mod corruption;
pub mod fields;
pub mod map;
pub mod read;
pub(crate) mod residue;
pub mod types;
pub mod write;

use crate::guid::Guid;

/// Bytes in a sector; no other size is written or read.
pub const SECTOR: u64 = 512;

/// Entries that the writer makes room for, the least that the specification allows.
pub const ENTRIES: u32 = 128;

/// UTF-16 code units in the name of a partition.
pub const NAME_UNITS: usize = 36;

/// Sectors before the first one that a partition may use: protective MBR, header, entries.
pub const HEAD_SECTORS: u64 = 34;

/// Sectors after the last one that a partition may use: entries, header.
pub const TAIL_SECTORS: u64 = 33;

/// The number of a sector on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lba(pub u64);

impl Lba {
    /// The sector's first byte on the disk.
    pub const fn offset(self) -> u64 {
        self.0.saturating_mul(SECTOR)
    }
}

impl std::fmt::Display for Lba {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The partition table of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionTable {
    /// GUID of the disk.
    pub guid: Guid,
    /// Length of the disk in sectors.
    pub sectors: u64,
    /// The partitions; the reader gives them by ascending number.
    pub partitions: Vec<Partition>,
}

/// A partition of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number: the position of its entry, counted from 1.
    pub number: u32,
    /// What it is for; see [`types`].
    pub type_guid: Guid,
    /// Its own GUID, the `PARTUUID` of Linux.
    pub guid: Guid,
    /// First sector.
    pub first: Lba,
    /// Last sector, which belongs to it.
    pub last: Lba,
    /// Attribute bits; see [`attributes`].
    pub attributes: u64,
    /// Name: at most 36 UTF-16 code units, no NUL.
    pub name: String,
}

impl Partition {
    /// Length in bytes; 0 when the sectors run backwards.
    pub fn len(&self) -> u64 {
        (self.last.0.saturating_add(1)).saturating_sub(self.first.0).saturating_mul(SECTOR)
    }

    /// Whether the partition has no sector at all, which no valid table has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One of the two copies of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copy {
    /// At the start of the disk.
    Primary,
    /// At its end.
    Backup,
}

impl Copy {
    /// Its name in errors.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Backup => "backup",
        }
    }
}

impl std::fmt::Display for Copy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}
