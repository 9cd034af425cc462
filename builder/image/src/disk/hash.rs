//! Makes the hash trees of a disk over the plans of its data.
//!
//! dm-verity reads no block whose digest is that of zeros when it has the option `ignore_zero_blocks`, which everything that
//! sets a verified root up is given. So whole blocks of zeros under a tree are space that is never read, also where the file
//! system needs zeros there: they are not sent, and an encrypted volume may hold anything in their place.

use amiforge_formats::plan::{Claims, Data, Plan, PlanError, Sources};
use amiforge_formats::verity::BLOCK;
use amiforge_formats::verity::write::{VerityIds, VerityWriteError};
use amiforge_progress::Monitor;

use super::compose::PlannedContent;
use super::data_plans::DataPlans;
use super::verity::{VerityLayout, verity_guids};
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
            self.hash_partition(index, data, sources, *options, monitor)?;
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
        options: EmitOptions,
        monitor: Monitor<'_>,
    ) -> Result<(), HashTreeError> {
        let (tree_id, id) = (self.spec.partitions[index].id.clone(), self.spec.partitions[data].id.clone());
        let ids = VerityIds::derive(&self.spec.name, &tree_id);
        let start = self.layout.ranges[data].start;
        let Some(composed) = &mut self.composed[data] else { return Err(HashTreeError::Sealed { id }) };
        let tree = hash_tree(&composed.plan, start, ids, sources, &options, monitor)
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
