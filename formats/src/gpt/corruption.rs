//! What can be wrong with a GPT, and where. Knows the specification's rules, not how they are looked at.

use std::fmt;

use super::{Copy, Lba};
use crate::finding::{self, Severity};
use crate::guid::Guid;

/// A finding of the GPT checker.
pub type GptFinding = finding::Finding<TableLocation, TableCorruption>;

/// A structure of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableLocation {
    /// The disk as a whole.
    Disk,
    /// The protective MBR in sector 0.
    Mbr,
    /// A header.
    Header(Copy),
    /// An array of entries.
    Entries(Copy),
    /// An entry.
    Entry {
        /// Which array holds it.
        copy: Copy,
        /// Its number, counted from 1.
        number: u32,
    },
}

impl fmt::Display for TableLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk => f.write_str("disk"),
            Self::Mbr => f.write_str("protective MBR"),
            Self::Header(copy) => write!(f, "{copy} header"),
            Self::Entries(copy) => write!(f, "{copy} entries"),
            Self::Entry { copy, number } => write!(f, "partition {number} in the {copy} entries"),
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableCorruption {
    /// The disk ends before a table could.
    #[error("{len} bytes are too few for a partition table")]
    DiskTooShort {
        /// Length of the disk in bytes.
        len: u64,
    },
    /// The disk's length is not a multiple of the sector's.
    #[error("the length of {len} bytes is not a whole number of 512-byte sectors")]
    PartSector {
        /// Length of the disk in bytes.
        len: u64,
    },
    /// The MBR does not end in its signature.
    #[error("signature 0x{found:04x} is not 0xaa55")]
    MbrSignature {
        /// The stored value.
        found: u16,
    },
    /// The MBR has no partition of type 0xee.
    #[error("no partition of type 0xee protects the table")]
    NotProtective,
    /// The protective partition does not start at sector 1.
    #[error("the protective partition starts at sector {found}, not 1")]
    ProtectiveStart {
        /// Where it starts.
        found: u32,
    },
    /// The protective partition does not end with the disk.
    #[error("the protective partition has {found} sectors, not {expected}")]
    ProtectiveLen {
        /// Its length.
        found: u32,
        /// The length of the disk less the MBR, or the largest value of the field.
        expected: u32,
    },
    /// The MBR has partitions of its own beside the protective one.
    #[error("a further partition of type 0x{kind:02x} makes it a hybrid MBR")]
    Hybrid {
        /// Its type.
        kind: u8,
    },
    /// There is no header.
    #[error("signature {:?} is not \"EFI PART\"", String::from_utf8_lossy(found))]
    Signature {
        /// The stored value.
        found: [u8; 8],
    },
    /// The revision is not 1.0.
    #[error("revision 0x{found:08x} is not 0x00010000")]
    Revision {
        /// The stored value.
        found: u32,
    },
    /// The header's length is impossible.
    #[error("header length {found} is not within 92..=512")]
    HeaderLen {
        /// The stored value.
        found: u32,
    },
    /// A checksum does not match.
    #[error("checksum 0x{stored:08x} is stored, 0x{computed:08x} computed")]
    Crc {
        /// The value in the header.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// Bytes that must be zero are not.
    #[error("reserved byte {at} is 0x{found:02x}, not zero")]
    Reserved {
        /// Offset in the header of the first of them.
        at: usize,
        /// The stored value.
        found: u8,
    },
    /// The header gives another sector as its own.
    #[error("it is in sector {actual} and gives {stored} as its own")]
    MyLba {
        /// Its value.
        stored: Lba,
        /// Where it was read.
        actual: Lba,
    },
    /// The header gives an impossible sector for the other one.
    #[error("the other header cannot be in sector {stored}: the disk has {sectors}")]
    AlternateLba {
        /// Its value.
        stored: Lba,
        /// Sectors of the disk.
        sectors: u64,
    },
    /// The backup header is before the end of the disk.
    #[error(
        "it is in sector {stored}, not in the last one {last}: the disk grew after the table was written"
    )]
    NotAtEnd {
        /// Its sector.
        stored: Lba,
        /// The disk's last sector.
        last: Lba,
    },
    /// The length of an entry is not 128 times a power of two, or absurd.
    #[error("entry length {found} is not 128, 256, 512, 1024, 2048 or 4096")]
    EntryLen {
        /// The stored value.
        found: u32,
    },
    /// There are no entries or absurdly many.
    #[error("{found} entries are not within 1..={most}")]
    EntryCount {
        /// The stored value.
        found: u32,
        /// The most that is believed.
        most: u32,
    },
    /// There is less room for entries than the specification demands.
    #[error("{found} bytes of entries are fewer than 16384")]
    FewEntries {
        /// Bytes of entries.
        found: u64,
    },
    /// The entries are where no entries can be.
    #[error("entries at sectors {first}..={last} are outside the disk or on a header")]
    EntriesPlace {
        /// First sector.
        first: Lba,
        /// Last sector.
        last: Lba,
    },
    /// The usable sectors are none, outside the disk, or hold a copy of the table.
    #[error("usable sectors {first}..={last} run backwards, outside the disk or over the table")]
    Usable {
        /// First sector.
        first: Lba,
        /// Last sector.
        last: Lba,
    },
    /// A partition ends before it starts.
    #[error("it starts at sector {first} and ends at {last}")]
    Backwards {
        /// First sector.
        first: Lba,
        /// Last sector.
        last: Lba,
    },
    /// A partition reaches outside the usable sectors.
    #[error("sectors {first}..={last} are not within the usable ones {usable_first}..={usable_last}")]
    OutsideUsable {
        /// First sector.
        first: Lba,
        /// Last sector.
        last: Lba,
        /// First sector that a partition may use.
        usable_first: Lba,
        /// Last sector that a partition may use.
        usable_last: Lba,
    },
    /// Two partitions share sectors.
    #[error("it shares sector {sector} with partition {with}")]
    Overlap {
        /// Number of the partition that starts before it.
        with: u32,
        /// First sector of both.
        sector: Lba,
    },
    /// Two partitions have one GUID.
    #[error("it has the GUID {guid} of partition {with}")]
    SameGuid {
        /// Number of the other partition.
        with: u32,
        /// The GUID.
        guid: Guid,
    },
    /// A partition in use has a GUID of zero.
    #[error("its GUID is zero")]
    NoGuid,
    /// A name is not UTF-16.
    #[error("its name is not UTF-16")]
    Name,
    /// Attribute bits that are reserved are set.
    #[error("reserved attribute bits 0x{bits:016x} are set")]
    Attributes {
        /// The bits.
        bits: u64,
    },
    /// A partition does not start at a multiple of 1 MiB.
    #[error("it starts at sector {first}, not at a multiple of 1 MiB")]
    Unaligned {
        /// Its first sector.
        first: Lba,
    },
    /// The two headers differ.
    #[error("{field} is {primary} in the primary and {backup} in the backup")]
    HeadersDisagree {
        /// The field.
        field: &'static str,
        /// The value in the primary.
        primary: String,
        /// The value in the backup.
        backup: String,
    },
    /// An entry differs between the two copies.
    #[error("it is not the same in both copies")]
    EntriesDisagree,
}

impl TableCorruption {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::PartSector { .. }
            | Self::ProtectiveLen { .. }
            | Self::Hybrid { .. }
            | Self::Reserved { .. }
            | Self::NotAtEnd { .. }
            | Self::FewEntries { .. }
            | Self::Attributes { .. }
            | Self::Name
            | Self::Unaligned { .. } => Severity::Oddity,
            _ => Severity::Damage,
        }
    }

    /// The finding of this corruption at a location.
    pub(super) fn at(self, location: TableLocation) -> GptFinding {
        GptFinding { severity: self.severity(), location, corruption: self }
    }
}
