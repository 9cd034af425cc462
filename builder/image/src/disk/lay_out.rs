//! The second step: the partitions whose content follows from the plans of the others, and the partition table around all.

use amiforge_formats::gpt::{self, Lba, PartitionTable, SECTOR, TAIL_SECTORS};
use amiforge_formats::plan::{Claims, Data};

use super::MIB;
use super::compose::{ImageParts, PlannedContent, compose};
use super::data_plans::{DataPlans, plan_data};
use super::ranges::{DiskLayout, DiskRange};
use super::{Disk, DiskError, DiskSpec, PartitionContent, PartitionLayout, PartitionSpec, ids};

/// Lays out a disk whose content is known at once. The same specification gives the same plan.
///
/// # Errors
/// [`DiskError`] names the partition that does not fit and the missing bytes.
pub fn lay_out(spec: &DiskSpec) -> Result<Disk, DiskError> {
    plan_data(spec, &[])?.lay_out(Vec::new())
}

impl DataPlans<'_> {
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
            self.composed[index] = Some(compose(image, &partition, None, self.layout.ranges[index])?);
        }
        let mut claims = Claims::new(self.layout.size);
        let mut placed = Vec::with_capacity(spec.partitions.len());
        let mut code = [0; gpt::write::BOOT_CODE];
        for (index, composed) in self.composed.into_iter().enumerate() {
            let (partition, range) = (&spec.partitions[index], self.layout.ranges[index]);
            let composed = match composed {
                Some(composed) => composed,
                None => compose(image, partition, None, range)?,
            };
            let mut layout = partition_layout(image, partition, self.numbers[index], range, &composed);
            layout.guid = self.guids[index].unwrap_or(layout.guid);
            placed.push(layout);
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
        let plan = claims.finish(&Data::Free)?;
        Ok(Disk { plan, guid, partitions: placed, verity: self.verity })
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
