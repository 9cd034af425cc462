//! Hash trees on a disk: how long their partitions are, and what follows from a tree for the partition that it covers.
//!
//! dm-verity reads no block whose digest is that of zeros when it has the option `ignore_zero_blocks`, which everything that
//! sets a verified root up is given. So whole blocks of zeros under a tree are space that nobody reads, also where the file
//! system needs zeros there: they are not sent, and an encrypted volume may hold anything in their place.

use amiforge_formats::digest::Digest;
use amiforge_formats::guid::Guid;
use amiforge_formats::plan::{Claims, Data, Plan, PlanError, Sources};
use amiforge_formats::verity::write::{VerityIds, VerityWriteError};
use amiforge_formats::verity::{self, BLOCK};
use amiforge_progress::Monitor;

use super::compose::PlannedContent;
use super::data_plans::DataPlans;
use super::ranges::MIB;
use super::{DiskError, PartitionContent, PartitionSpec};
use crate::image::{EmitError, EmitOptions, hash_tree};

/// Why a partition could not be hashed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashTreeError {
    /// Its data cannot be read, or the caller requested to stop.
    #[error("hashing partition `{id}`")]
    Read {
        /// The partition.
        id: String,
        /// Why.
        source: EmitError,
    },
    /// Its tree does not fit behind it, which is a bug of this program.
    #[error("planning the hash tree of partition `{id}`")]
    Tree {
        /// The partition.
        id: String,
        /// Why.
        source: VerityWriteError,
    },
    /// Its blocks of zeros cannot be left out, which is a bug of this program.
    #[error("composing partition `{id}`")]
    Plan {
        /// The partition.
        id: String,
        /// Why.
        source: PlanError,
    },
    /// Its content is not planned yet.
    #[error("partition `{id}` is sealed later, so no hash tree can cover it")]
    Sealed {
        /// The partition.
        id: String,
    },
}

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

impl DataPlans<'_> {
    /// Makes the trees over the partitions that have one. These partitions then have their GUIDs, and their blocks of zeros
    /// are free.
    ///
    /// # Errors
    /// [`HashTreeError`].
    pub fn hash(
        &mut self,
        sources: &dyn Sources,
        options: &EmitOptions,
        monitor: Monitor<'_>,
    ) -> Result<(), HashTreeError> {
        for (index, data) in self.covered.clone().into_iter().enumerate() {
            let Some(data) = data else { continue };
            self.hash_partition(index, data, sources, options, monitor)?;
        }
        Ok(())
    }

    /// The verified partitions.
    pub fn verity(&self) -> &[VerityLayout] {
        &self.verity
    }

    /// Makes the tree of the partition at `index` over the one at `data`.
    fn hash_partition(
        &mut self,
        index: usize,
        data: usize,
        sources: &dyn Sources,
        options: &EmitOptions,
        monitor: Monitor<'_>,
    ) -> Result<(), HashTreeError> {
        let (tree_id, id) = (self.spec.partitions[index].id.clone(), self.spec.partitions[data].id.clone());
        let ids = VerityIds::derive(&self.spec.name, &tree_id);
        let start = self.layout.ranges[data].start;
        let Some(composed) = &mut self.composed[data] else { return Err(HashTreeError::Sealed { id }) };
        let tree = hash_tree(&composed.plan, start, ids, sources, options, monitor)
            .map_err(|source| HashTreeError::Read { id: id.clone(), source })?;
        composed.plan =
            zeros_freed(&composed.plan).map_err(|source| HashTreeError::Plan { id: id.clone(), source })?;
        let plan = tree.plan(self.layout.ranges[index].len);
        let plan = plan.map_err(|source| HashTreeError::Tree { id: id.clone(), source })?;
        self.composed[index] = Some(PlannedContent::hash_tree(plan, ids.uuid));
        [self.guids[data], self.guids[index]] = verity_guids(&tree.root).map(Some);
        self.verity.push(VerityLayout {
            data: id,
            hash: tree_id,
            root_hash: tree.root,
            salt: ids.salt,
            data_blocks: tree.data_blocks,
        });
        Ok(())
    }
}

/// The plan with every whole block of zeros free. A block that holds anything else is read, and has its zeros.
pub(super) fn zeros_freed(plan: &Plan) -> Result<Plan, PlanError> {
    let mut claims = Claims::new(plan.len());
    let is_zero = |data: &Data| matches!(data, Data::Zero | Data::Free);
    for run in plan.extents().chunk_by(|a, b| is_zero(&a.data) && is_zero(&b.data)) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let (start, end) = (first.offset, last.end());
        if !is_zero(&first.data) {
            claims.claim(start, end - start, first.data.clone());
            continue;
        }
        let blocks_start = start.next_multiple_of(BLOCK).min(end);
        let blocks_end = (end / BLOCK * BLOCK).max(blocks_start);
        claims.claim(start, blocks_start - start, Data::Zero);
        claims.claim(blocks_start, blocks_end - blocks_start, Data::Free);
        claims.claim(blocks_end, end - blocks_end, Data::Zero);
    }
    claims.finish(&Data::Free)
}
