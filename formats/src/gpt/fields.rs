//! The MBR and the GPT header as tables of named fields, for tools that show or compare them.

use crate::structure::{FieldDisplay, FieldRole, StructField};

/// First byte of the partition records in the MBR.
pub const MBR_RECORDS_AT: usize = 446;

/// Bytes of a partition record in the MBR.
pub const MBR_RECORD_LEN: usize = 16;

/// A protective MBR (UEFI 2.10, table 5.1). Its four partition records are compared one by one as [`MBR_RECORD`].
pub const MBR: &[StructField] = &[
    StructField::own("boot code", 0, 440, FieldDisplay::Bytes),
    StructField::own("disk signature", 440, 4, FieldDisplay::Hex),
    StructField::own("unknown", 444, 2, FieldDisplay::Hex),
    StructField::own("records", MBR_RECORDS_AT, 64, FieldDisplay::Bytes).role(FieldRole::Skip),
    StructField::own("signature", 510, 2, FieldDisplay::Hex),
];

/// A record of the MBR (UEFI 2.10, table 5.2).
pub const MBR_RECORD: &[StructField] = &[
    StructField::own("boot indicator", 0, 1, FieldDisplay::Hex),
    StructField::own("first CHS", 1, 3, FieldDisplay::Bytes),
    StructField::own("type", 4, 1, FieldDisplay::Hex),
    StructField::own("last CHS", 5, 3, FieldDisplay::Bytes),
    StructField::number("first sector", 8, 4),
    StructField::number("sectors", 12, 4).role(FieldRole::Count),
];

/// A GPT header (UEFI 2.10, table 5.5).
pub const HEADER: &[StructField] = &[
    StructField::own("Signature", 0, 8, FieldDisplay::Text),
    StructField::own("Revision", 8, 4, FieldDisplay::Hex),
    StructField::number("HeaderSize", 12, 4),
    StructField::own("HeaderCRC32", 16, 4, FieldDisplay::Hex).role(FieldRole::Checksum),
    StructField::number("Reserved", 20, 4),
    StructField::number("MyLBA", 24, 8).role(FieldRole::Count),
    StructField::number("AlternateLBA", 32, 8).role(FieldRole::Count),
    StructField::number("FirstUsableLBA", 40, 8),
    StructField::number("LastUsableLBA", 48, 8).role(FieldRole::Count),
    StructField::own("DiskGUID", 56, 16, FieldDisplay::GuidLe),
    StructField::number("PartitionEntryLBA", 72, 8).role(FieldRole::Count),
    StructField::number("NumberOfPartitionEntries", 80, 4),
    StructField::number("SizeOfPartitionEntry", 84, 4),
    StructField::own("PartitionEntryArrayCRC32", 88, 4, FieldDisplay::Hex).role(FieldRole::Checksum),
];
