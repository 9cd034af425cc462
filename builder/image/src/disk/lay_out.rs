//! From what a disk should be to where every byte of it comes from, in two steps: the data partitions first, then those
//! whose content follows from the plans of the others.

use amiforge_formats::gpt::{self, Lba, PartitionTable, SECTOR, TAIL_SECTORS};
use amiforge_formats::plan::{Claims, Data, Plan};
use amiforge_formats::volume::VolumeDraft;

use super::compose::{ImageParts, PlannedContent, SizedPartition, compose, requested_len};
use super::ranges::{DiskLayout, DiskRange, MIB, numbers, ranges};
use super::{Disk, DiskError, DiskSize, DiskSpec, PartitionContent, PartitionLayout, PartitionSpec, ids};

/// A disk whose partitions have their numbers and ranges, and whose data partitions have their plans.
#[derive(Debug)]
pub struct DataPlans<'a> {
    spec: &'a DiskSpec,
    layout: DiskLayout,
    numbers: Vec<u32>,
    /// One for each partition; none for those that are sealed later.
    composed: Vec<Option<PlannedContent>>,
}

/// Lays out a disk whose content is known at once. The same specification gives the same plan.
///
/// # Errors
/// [`DiskError`] names the partition that does not fit and the missing bytes.
pub fn lay_out(spec: &DiskSpec) -> Result<Disk, DiskError> {
    plan_data(spec, &[])?.lay_out(Vec::new())
}

/// Numbers and places the partitions, and plans what is in them, but for those at the indices `sealed`: of these only
/// the length is taken from the specification's content.
///
/// # Errors
/// [`DiskError`] names the partition that does not fit and the missing bytes.
pub fn plan_data<'a>(spec: &'a DiskSpec, sealed: &[usize]) -> Result<DataPlans<'a>, DiskError> {
    let image = ImageParts { name: &spec.name, time: spec.time };
    let numbers = numbers(&spec.partitions)?;
    let exact = matches!(spec.size, DiskSize::Exact(_));
    let sized = spec.partitions.iter().map(|partition| {
        let sizing = |source| DiskError::Sizing { id: partition.id.clone(), source };
        requested_len(image, partition, exact).map_err(sizing)
    });
    let sized = sized.collect::<Result<Vec<SizedPartition>, _>>()?;
    let lens: Vec<u64> = sized.iter().map(|sized| sized.len).collect();
    let layout = ranges(&spec.partitions, &lens, spec.size)?;
    let mut composed = Vec::with_capacity(sized.len());
    for (index, (partition, sized)) in spec.partitions.iter().zip(sized).enumerate() {
        let plan = || compose_at(image, partition, sized.draft, layout.ranges[index]);
        composed.push(if sealed.contains(&index) { None } else { Some(plan()?) });
    }
    Ok(DataPlans { spec, layout, numbers, composed })
}

fn compose_at(
    image: ImageParts,
    partition: &PartitionSpec,
    draft: Option<VolumeDraft<'_>>,
    range: DiskRange,
) -> Result<PlannedContent, DiskError> {
    let failed = |source| DiskError::Partition { id: partition.id.clone(), len: range.len, source };
    compose(image, partition, draft, range).map_err(failed)
}

impl DataPlans<'_> {
    /// The plan of the partition at an index of the specification; none for one that is sealed later.
    pub fn plan(&self, index: usize) -> Option<&Plan> {
        self.composed.get(index)?.as_ref().map(|composed| &composed.plan)
    }

    /// Plans what was sealed, each by its index in the specification, and puts a partition table around all. What is
    /// not given although it was to be sealed has the content of the specification.
    ///
    /// # Errors
    /// [`DiskError`] names the partition that does not fit and the missing bytes.
    pub fn lay_out(mut self, sealed: Vec<(usize, PartitionContent)>) -> Result<Disk, DiskError> {
        let spec = self.spec;
        let image = ImageParts { name: &spec.name, time: spec.time };
        for (index, content) in sealed {
            let Some(partition) = spec.partitions.get(index) else { continue };
            let partition = PartitionSpec { content, ..partition.clone() };
            self.composed[index] = Some(compose_at(image, &partition, None, self.layout.ranges[index])?);
        }
        let mut claims = Claims::new(self.layout.size);
        let mut placed = Vec::with_capacity(spec.partitions.len());
        let mut code = [0; gpt::write::BOOT_CODE];
        for (index, composed) in self.composed.into_iter().enumerate() {
            let (partition, range) = (&spec.partitions[index], self.layout.ranges[index]);
            let composed = match composed {
                Some(composed) => composed,
                None => compose_at(image, partition, None, range)?,
            };
            placed.push(partition_layout(image, partition, self.numbers[index], range, &composed));
            code = composed.boot_code.unwrap_or(code);
            claims.plan(range.start, composed.plan);
        }
        let guid = spec.guid.unwrap_or_else(|| ids::disk_guid(&spec.name));
        let table = PartitionTable {
            guid,
            sectors: self.layout.size / SECTOR,
            partitions: placed.iter().map(entry).collect(),
        };
        gpt::write::claim_bootable(&table, &code, &mut claims)?;
        claim_margins(&self.layout, &mut claims);
        Ok(Disk { plan: claims.finish(&Data::Free)?, guid, partitions: placed })
    }
}

/// Claims zeros for the bytes before the first MiB that no partition has: firmware and loaders look there.
fn claim_margins(layout: &DiskLayout, claims: &mut Claims) {
    let head = gpt::HEAD_SECTORS * SECTOR;
    let early = layout.ranges.iter().filter(|range| range.start < MIB).map(|range| range.len).sum::<u64>();
    let margin = MIB.min(layout.size - TAIL_SECTORS * SECTOR).saturating_sub(head + early);
    claims.claim(head + early, margin, Data::Zero);
}

/// A partition with its range and the ids that were derived for it.
fn partition_layout(
    image: ImageParts,
    partition: &PartitionSpec,
    number: u32,
    range: DiskRange,
    content: &PlannedContent,
) -> PartitionLayout {
    PartitionLayout {
        id: partition.id.clone(),
        number,
        start: range.start,
        len: range.len,
        type_guid: partition.type_guid,
        guid: partition.guid.unwrap_or_else(|| ids::partition_guid(image.name, &partition.id)),
        label: partition.label.clone(),
        attributes: partition.attributes,
        file_system: content.file_system,
        uuid: content.uuid.clone(),
    }
}

/// The entry of a partition in the table.
fn entry(partition: &PartitionLayout) -> gpt::Partition {
    gpt::Partition {
        number: partition.number,
        type_guid: partition.type_guid,
        guid: partition.guid,
        first: Lba(partition.start / SECTOR),
        last: Lba((partition.start + partition.len) / SECTOR - 1),
        attributes: partition.attributes,
        name: partition.label.clone(),
    }
}
