//! Hash trees on a disk: what they cover, how long their partitions are, and the GUIDs that follow from them.

use amiforge_formats::digest::Digest;
use amiforge_formats::guid::Guid;
use amiforge_formats::verity;

use super::{DiskError, MIB, PartitionContent, PartitionSpec};

/// A verified partition of a disk that is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerityLayout {
    /// The `id` of the partition with the data.
    pub data: String,
    /// The `id` of the partition with superblock and tree.
    pub hash: String,
    /// The root hash.
    pub root_hash: Digest,
    /// The salt.
    pub salt: [u8; 32],
    /// Blocks of data, of 4096 bytes each.
    pub data_blocks: u64,
}

/// For each partition the index of the one that its tree covers.
pub(super) type Covered = Vec<Option<usize>>;

/// The partitions that trees cover.
pub(super) fn covered(partitions: &[PartitionSpec]) -> Result<Covered, DiskError> {
    let covered = |partition: &PartitionSpec| {
        let PartitionContent::HashTree { of } = &partition.content else { return Ok(None) };
        let data = partitions
            .iter()
            .position(|data| data.id == *of && !matches!(data.content, PartitionContent::HashTree { .. }));
        let missing = || DiskError::NoData { id: partition.id.clone(), of: of.clone() };
        data.map(Some).ok_or_else(missing)
    };
    partitions.iter().map(covered).collect()
}

/// Length of a partition with the tree over one of `len` bytes.
pub(super) fn partition_len(len: u64) -> u64 {
    verity::write::len(len).next_multiple_of(MIB)
}

/// How much a partition of `len` bytes can grow together with its tree, when both may take `free` more bytes.
pub(super) fn growth(len: u64, free: u64) -> u64 {
    let before = partition_len(len);
    let excess = |growth: u64| (growth + partition_len(len + growth) - before).saturating_sub(free);
    let mut growth = free / MIB * MIB;
    // The tree shrinks with the data by a hundredth of it, so this ends after a step or two.
    while growth > 0 && excess(growth) > 0 {
        growth = growth.saturating_sub(excess(growth).next_multiple_of(MIB));
    }
    while excess(growth + MIB) == 0 {
        growth += MIB;
    }
    growth
}

/// The GUIDs of the partitions of data and tree: the first and the last 128 bits of the root hash, in the order of its text
/// (Discoverable Partitions Specification, "Partition Names"; `systemd-veritysetup-generator(8)`).
pub fn verity_guids(root_hash: &Digest) -> [Guid; 2] {
    let (halves, _) = root_hash.0.as_chunks::<16>();
    [halves[0], halves[1]].map(Guid::from_bytes)
}
