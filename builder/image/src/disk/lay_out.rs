//! From the specification of a disk to its plan.

use amiforge_formats::gpt::{self, Lba, PartitionTable, SECTOR, TAIL_SECTORS};
use amiforge_formats::plan::{Claims, Data};

use super::compose::{ImageParts, PlannedContent, SizedPartition, compose, requested_len};
use super::ranges::{DiskLayout, DiskRange, MIB, numbers, ranges};
use super::{Disk, DiskError, DiskSize, DiskSpec, PartitionLayout, PartitionSpec, ids};

/// Lays out a disk: gives each partition a number and a range, plans its content, and adds the partition table. The same
/// specification gives the same plan.
///
/// # Errors
/// [`DiskError`] names the partition that does not fit and the missing bytes.
pub fn lay_out(spec: &DiskSpec) -> Result<Disk, DiskError> {
    let image = ImageParts { name: &spec.name, time: spec.time };
    let numbers = numbers(&spec.partitions)?;
    let exact = matches!(spec.size, DiskSize::Exact(_));
    let sized = spec.partitions.iter().map(|partition| {
        let failed = |source| DiskError::Sizing { id: partition.id.clone(), source };
        requested_len(image, partition, exact).map_err(failed)
    });
    let sized = sized.collect::<Result<Vec<SizedPartition>, _>>()?;
    let lens: Vec<u64> = sized.iter().map(|sized| sized.len).collect();
    let layout = ranges(&spec.partitions, &lens, spec.size)?;
    let mut claims = Claims::new(layout.size);
    let mut laid_out = Vec::with_capacity(spec.partitions.len());
    let mut boot_code = [0; gpt::write::BOOT_CODE];
    let partitions = spec.partitions.iter().zip(sized).zip(numbers).zip(&layout.ranges);
    for (((partition, sized), number), range) in partitions {
        let DiskRange { start, len } = *range;
        let content = compose(image, partition, sized.draft, *range)
            .map_err(|source| DiskError::Partition { id: partition.id.clone(), len, source })?;
        laid_out.push(partition_layout(image, partition, number, *range, &content));
        claims.plan(start, content.plan);
        boot_code = content.boot_code.unwrap_or(boot_code);
    }
    let guid = spec.guid.unwrap_or_else(|| ids::disk_guid(&spec.name));
    let table = PartitionTable {
        guid,
        sectors: layout.size / SECTOR,
        partitions: laid_out.iter().map(entry).collect(),
    };
    gpt::write::claim_bootable(&table, &boot_code, &mut claims)?;
    claim_margins(&layout, &mut claims);
    Ok(Disk { plan: claims.finish(&Data::Free)?, guid, partitions: laid_out })
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
