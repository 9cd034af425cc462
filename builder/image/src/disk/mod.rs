//! The disk: partitions laid out, each with its content, as one plan.
//!
//! This file has the specification and the result. [`lay_out`] does all at once; [`plan_data`] plans the data partitions
//! first, for a disk whose other partitions follow from those plans (see [`crate::seal`]). Must not know the recipe, the
//! store or any file: contents are references that the plan carries on.
//!
//! The first MiB is zero but for the partition table, the boot code of a loader, and a small BIOS-boot partition where one
//! is requested. Partitions start at multiples of 1 MiB, in the order of the specification. Bytes of no partition are
//! free. The backup table ends the disk.

mod compose;
mod data_plans;
mod error;
mod hash;
mod ids;
mod lay_out;
mod ranges;
#[cfg(test)]
mod tests;
mod verity;

pub use data_plans::{DataPlans, plan_data};
pub use error::{ContentError, DiskError};
pub use hash::HashTreeError;
pub use ids::{disk_guid, partition_guid};
pub use lay_out::lay_out;
pub use verity::{VerityLayout, verity_guids};

use amiforge_formats::bios;
use amiforge_formats::guid::Guid;
use amiforge_formats::plan::Plan;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{ChangeGroups, Content, Tree};
use amiforge_formats::volume::VolumeOptions;

/// Alignment of partitions, and the unit that lengths are rounded up to.
const MIB: u64 = 1 << 20;

/// Specification of a disk. Partitions are on the disk in this order.
#[derive(Debug, Clone)]
pub struct DiskSpec {
    /// Name of the image: seed of every id that is not given.
    pub name: String,
    /// Length of the disk.
    pub size: DiskSize,
    /// GUID of the disk, else derived.
    pub guid: Option<Guid>,
    /// Time of file systems.
    pub time: Time,
    /// The partitions.
    pub partitions: Vec<PartitionSpec>,
}

/// Length of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskSize {
    /// Bytes.
    Exact(u64),
    /// As small as the partitions allow, rounded up to whole MiB.
    Minimal,
}

/// A partition.
#[derive(Debug, Clone)]
pub struct PartitionSpec {
    /// Number in the GPT, else the next that is free (1-based).
    pub number: Option<u32>,
    /// Name for errors and derived ids, unique, such as `root`.
    pub id: String,
    /// GPT partition name.
    pub label: String,
    /// GPT partition type.
    pub type_guid: Guid,
    /// GPT partition GUID, else derived.
    pub guid: Option<Guid>,
    /// GPT attribute bits.
    pub attributes: u64,
    /// Length.
    pub size: PartitionSize,
    /// Content.
    pub content: PartitionContent,
}

/// Length of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionSize {
    /// Bytes, rounded up to whole MiB. A BIOS-boot partition of at most 1,031,168 bytes (2,014 sectors) starts at sector
    /// 34, before the first MiB, in whole sectors: the range that tools reserve for it, which costs the disk nothing.
    Exact(u64),
    /// The space that the others leave (one partition at most; on a `Minimal` disk the same as `Minimal` without slack).
    Fill,
    /// As small as the content allows, with some free space.
    Minimal {
        /// Free space in bytes.
        slack: u64,
    },
}

/// Content of a partition.
#[derive(Debug, Clone)]
pub enum PartitionContent {
    /// Nothing: every byte free.
    Empty,
    /// Bytes as they are, the rest zero.
    Raw(Content),
    /// The loader for a legacy BIOS, the rest free.
    Loader(Loader),
    /// A file system or swap space.
    Volume(VolumeSpec),
    /// Superblock and hash tree of dm-verity over another partition, as long as they need to be: see [`DataPlans::hash`].
    HashTree {
        /// The `id` of that partition.
        of: String,
    },
}

/// A file system or swap space.
#[derive(Debug, Clone)]
pub struct VolumeSpec {
    /// The format and its options.
    pub options: VolumeOptions,
    /// The files; a format that holds none ignores them.
    pub tree: Tree,
    /// Which of them are likely to change together.
    pub groups: ChangeGroups,
}

/// The kernel that the loader for a legacy BIOS starts, with its initrd and arguments.
#[derive(Debug, Clone)]
pub struct Loader {
    /// The kernel.
    pub kernel: Content,
    /// Its first bytes, with the setup header.
    pub head: Vec<u8>,
    /// The initrd.
    pub initrd: Option<Content>,
    /// Arguments for the kernel.
    pub cmdline: String,
}

impl Loader {
    /// Bytes of the loader, the kernel and the initrd.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty: it has the bytes of the loader")]
    pub fn len(&self) -> u64 {
        bios::len(self.kernel.len(), self.initrd.as_ref().map_or(0, Content::len))
    }
}

/// A disk laid out.
#[derive(Debug, Clone)]
pub struct Disk {
    /// Every byte of it.
    pub plan: Plan,
    /// GUID of the disk.
    pub guid: Guid,
    /// The partitions, in the order of the specification.
    pub partitions: Vec<PartitionLayout>,
    /// Those that hash trees cover.
    pub verity: Vec<VerityLayout>,
}

/// A partition of a disk that is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionLayout {
    /// The `id` of the specification.
    pub id: String,
    /// Number in the GPT.
    pub number: u32,
    /// First byte on the disk.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// GPT partition type.
    pub type_guid: Guid,
    /// GPT partition GUID.
    pub guid: Guid,
    /// GPT partition name.
    pub label: String,
    /// GPT attribute bits.
    pub attributes: u64,
    /// Name of the volume format as `VolumeFormat::written_name` gives it, or none.
    pub file_system: Option<&'static str>,
    /// UUID of the file system or volume id (`XXXX-XXXX`), where it has one.
    pub uuid: Option<String>,
}
