//! Why a disk cannot be laid out.

use amiforge_formats::plan::PlanError;
use amiforge_formats::volume::VolumeWriteError;
use amiforge_formats::{bios, gpt};

/// Why a disk cannot be laid out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// More partitions than entries.
    #[error("{count} partitions are more than the {} that a partition table holds", gpt::ENTRIES)]
    TooManyPartitions {
        /// How many there are.
        count: usize,
    },
    /// A number that no entry has.
    #[error("partition `{id}` has the number {number}: numbers are 1 to {}", gpt::ENTRIES)]
    Number {
        /// The partition.
        id: String,
        /// Its number.
        number: u32,
    },
    /// Two partitions request one number.
    #[error("partitions `{a}` and `{b}` both have the number {number}")]
    SameNumber {
        /// The one.
        a: String,
        /// The other.
        b: String,
        /// Their number.
        number: u32,
    },
    /// Two partitions have one id, from which their GUIDs are derived.
    #[error("two partitions are called `{id}`")]
    SameId {
        /// The id.
        id: String,
    },
    /// Two partitions fill the disk.
    #[error("partitions `{a}` and `{b}` both fill the disk; one at most can")]
    TwoFills {
        /// The one.
        a: String,
        /// The other.
        b: String,
    },
    /// A partition of no bytes.
    #[error("partition `{id}` has a size of 0 bytes")]
    NoLength {
        /// The partition.
        id: String,
    },
    /// The length of the disk is not whole sectors.
    #[error("a disk of {size} bytes does not end with a 512-byte sector")]
    PartSector {
        /// The requested length.
        size: u64,
    },
    /// The partitions do not fit the disk.
    #[error("the partitions need a disk of {needed} bytes and it has {size}: {} too few", needed - size)]
    DiskTooSmall {
        /// Bytes that the smallest disk would have, rounded up to whole MiB.
        needed: u64,
        /// Bytes that the disk has.
        size: u64,
    },
    /// The lengths add up to more than a disk can have.
    #[error("partition `{id}` would end past the largest disk, {most} bytes")]
    TooLarge {
        /// The partition.
        id: String,
        /// The largest disk.
        most: u64,
    },
    /// A hash tree over no partition.
    #[error("partition `{id}` holds the hash tree of `{of}`, and no partition with data has that name")]
    NoData {
        /// The partition with the tree.
        id: String,
        /// The missing one.
        of: String,
    },
    /// The content of a partition does not fit into it.
    #[error("laying out partition `{id}` of {len} bytes")]
    Partition {
        /// The partition.
        id: String,
        /// Its length.
        len: u64,
        /// Why not.
        source: ContentError,
    },
    /// The least length of a partition could not be computed.
    #[error("sizing partition `{id}`")]
    Sizing {
        /// The partition.
        id: String,
        /// Why not.
        source: ContentError,
    },
    /// The partitions do not make a table.
    #[error("writing the partition table")]
    Table(#[from] gpt::write::GptWriteError),
    /// The parts of the disk overlap, which is a bug of this program.
    #[error("composing the disk")]
    Plan(#[from] PlanError),
}

/// Why a content cannot be planned in a partition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// Raw bytes that are too long.
    #[error("the content has {needed} bytes and the partition {available}: {} too few", needed - available)]
    NoSpace {
        /// Length of the content.
        needed: u64,
        /// Length of the partition.
        available: u64,
    },
    /// A file system or swap space cannot be planned.
    #[error(transparent)]
    Volume(#[from] VolumeWriteError),
    /// The loader for a legacy BIOS cannot start that kernel.
    #[error("preparing the loader for a legacy BIOS")]
    Bios(#[from] bios::BiosError),
    /// A hash tree is planned when the data that it covers has been hashed.
    #[error("the data under the hash tree is not hashed yet")]
    NotHashed,
    /// The segments of the content overlap, which is a bug of the program that made them.
    #[error("composing the bytes")]
    Plan(#[from] PlanError),
}
