//! From what a disk should be to where every byte of it comes from.

use amiforge_formats::gpt::{self, Lba, PartitionTable, SECTOR, TAIL_SECTORS};
use amiforge_formats::plan::{Claims, Data};

use super::compose::{Composed, ContentParts, SizedPartition, compose, wanted};
use super::place::{DiskLayout, DiskRange, MIB, numbers, place};
use super::{Disk, DiskError, DiskSize, DiskSpec, PartitionSpec, Placed, ids};

/// Lays out a disk: numbers and places the partitions, plans what stands in each, and puts a partition table around
/// them. The same specification gives the same plan.
///
/// # Errors
/// [`DiskError`] says which partition does not fit and by how many bytes.
pub fn lay_out(spec: &DiskSpec) -> Result<Disk, DiskError> {
    let image = ContentParts { name: &spec.name, time: spec.time };
    let numbers = numbers(&spec.partitions)?;
    let exact = matches!(spec.size, DiskSize::Exact(_));
    let wanted = spec.partitions.iter().map(|partition| {
        let sizing = |source| DiskError::Sizing { id: partition.id.clone(), source };
        wanted(image, partition, exact).map_err(sizing)
    });
    let wanted = wanted.collect::<Result<Vec<SizedPartition>, _>>()?;
    let lens: Vec<u64> = wanted.iter().map(|wanted| wanted.len).collect();
    let layout = place(&spec.partitions, &lens, spec.size)?;
    let mut claims = Claims::new(layout.size);
    let mut placed = Vec::with_capacity(spec.partitions.len());
    let mut code = [0; gpt::write::BOOT_CODE];
    let partitions = spec.partitions.iter().zip(wanted).zip(numbers).zip(&layout.stretches);
    for (((partition, wanted), number), stretch) in partitions {
        let DiskRange { start, len } = *stretch;
        let composed = compose(image, partition, wanted.draft, *stretch)
            .map_err(|source| DiskError::Partition { id: partition.id.clone(), len, source })?;
        placed.push(describe(image, partition, number, *stretch, &composed));
        claims.plan(start, composed.plan);
        code = composed.code.unwrap_or(code);
    }
    let guid = spec.guid.unwrap_or_else(|| ids::disk_guid(&spec.name));
    let table = PartitionTable {
        guid,
        sectors: layout.size / SECTOR,
        partitions: placed.iter().map(entry).collect(),
    };
    gpt::write::claim_bootable(&table, &code, &mut claims)?;
    claim_margins(&layout, &mut claims);
    Ok(Disk { plan: claims.finish(&Data::Free)?, guid, partitions: placed })
}

/// Claims zeros for what no partition has before the first MiB: firmware and loaders look there.
fn claim_margins(layout: &DiskLayout, claims: &mut Claims) {
    let head = gpt::HEAD_SECTORS * SECTOR;
    let early =
        layout.stretches.iter().filter(|stretch| stretch.start < MIB).map(|stretch| stretch.len).sum::<u64>();
    let margin = MIB.min(layout.size - TAIL_SECTORS * SECTOR).saturating_sub(head + early);
    claims.claim(head + early, margin, Data::Zero);
}

/// What is said of a partition afterwards.
fn describe(
    image: ContentParts,
    partition: &PartitionSpec,
    number: u32,
    stretch: DiskRange,
    composed: &Composed,
) -> Placed {
    Placed {
        id: partition.id.clone(),
        number,
        start: stretch.start,
        len: stretch.len,
        type_guid: partition.type_guid,
        guid: partition.guid.unwrap_or_else(|| ids::partition_guid(image.name, &partition.id)),
        label: partition.label.clone(),
        attributes: partition.attributes,
        file_system: composed.file_system,
        uuid: composed.uuid.clone(),
    }
}

/// The entry of a partition.
fn entry(placed: &Placed) -> gpt::Partition {
    gpt::Partition {
        number: placed.number,
        type_guid: placed.type_guid,
        guid: placed.guid,
        first: Lba(placed.start / SECTOR),
        last: Lba((placed.start + placed.len) / SECTOR - 1),
        attributes: placed.attributes,
        name: placed.label.clone(),
    }
}
