//! The first step: every partition gets its number and range, and the data partitions their plans.

use amiforge_formats::guid::Guid;

use super::compose::{ImageParts, PlannedContent, SizedPartition, compose, requested_len};
use super::ranges::{DiskLayout, numbers, ranges};
use super::verity::{self, Covered, VerityLayout};
use super::{DiskError, DiskSize, DiskSpec};

/// A disk whose partitions have their numbers and ranges, and whose data partitions have their plans.
#[derive(Debug)]
pub struct DataPlans<'a> {
    pub(super) spec: &'a DiskSpec,
    pub(super) layout: DiskLayout,
    pub(super) numbers: Vec<u32>,
    /// One for each partition; none for those that are sealed later.
    pub(super) composed: Vec<Option<PlannedContent>>,
    /// For each partition the one that its hash tree covers.
    pub(super) covered: Covered,
    /// GUIDs that follow from root hashes.
    pub(super) guids: Vec<Option<Guid>>,
    pub(super) verity: Vec<VerityLayout>,
}

/// Numbers and places the partitions, and plans what is in them, but for those at the indices `sealed`, of which only
/// the length is taken from the specification's content, and for hash trees.
///
/// # Errors
/// [`DiskError`] names the partition that does not fit and the missing bytes.
pub fn plan_data<'a>(spec: &'a DiskSpec, sealed: &[usize]) -> Result<DataPlans<'a>, DiskError> {
    let image = ImageParts { name: &spec.name, time: spec.time };
    let numbers = numbers(&spec.partitions)?;
    let covered = verity::covered(&spec.partitions)?;
    let exact = matches!(spec.size, DiskSize::Exact(_));
    let sized = spec.partitions.iter().map(|partition| {
        let sizing = |source| DiskError::Sizing { id: partition.id.clone(), source };
        requested_len(image, partition, exact).map_err(sizing)
    });
    let sized = sized.collect::<Result<Vec<SizedPartition>, _>>()?;
    let lens: Vec<u64> = sized.iter().map(|sized| sized.len).collect();
    let layout = ranges(&spec.partitions, &covered, &lens, spec.size)?;
    let mut composed = Vec::with_capacity(sized.len());
    for (index, (partition, sized)) in spec.partitions.iter().zip(sized).enumerate() {
        let plan = || compose(image, partition, sized.draft, layout.ranges[index]);
        let later = sealed.contains(&index) || covered[index].is_some();
        composed.push(if later { None } else { Some(plan()?) });
    }
    let guids = vec![None; composed.len()];
    Ok(DataPlans { spec, layout, numbers, composed, covered, guids, verity: Vec::new() })
}
