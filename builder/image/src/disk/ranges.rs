//! Numbers, starts and lengths of partitions. Knows the lengths of contents, not the contents.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_formats::gpt::{ENTRIES, HEAD_SECTORS, SECTOR, TAIL_SECTORS, types};

use super::verity::{Covered, growth, partition_len};
use super::{DiskError, DiskSize, MIB, PartitionSize, PartitionSpec};

/// The largest disk: the limit of EBS, and far below where arithmetic on bytes could overflow.
const DISK_MAX: u64 = 64 << 40;

/// First byte of a BIOS-boot partition before the first MiB.
const EARLY_START: u64 = HEAD_SECTORS * SECTOR;

/// A range of the disk in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DiskRange {
    pub(super) start: u64,
    pub(super) len: u64,
}

/// The length of the disk, and the range of each partition in the order given.
#[derive(Debug)]
pub(super) struct DiskLayout {
    pub(super) size: u64,
    pub(super) ranges: Vec<DiskRange>,
}

/// The numbers of the partitions: the requested ones, and for the others the least that are free, in order.
pub(super) fn numbers(partitions: &[PartitionSpec]) -> Result<Vec<u32>, DiskError> {
    if partitions.len() > ENTRIES as usize {
        return Err(DiskError::TooManyPartitions { count: partitions.len() });
    }
    let mut ids = BTreeSet::new();
    let mut taken: BTreeMap<u32, &str> = BTreeMap::new();
    for partition in partitions {
        let id = partition.id.as_str();
        if !ids.insert(id) {
            return Err(DiskError::SameId { id: id.to_owned() });
        }
        let Some(number) = partition.number else { continue };
        if number == 0 || number > ENTRIES {
            return Err(DiskError::Number { id: id.to_owned(), number });
        }
        if let Some(a) = taken.insert(number, id) {
            return Err(DiskError::SameNumber { a: a.to_owned(), b: id.to_owned(), number });
        }
    }
    let mut free = (1..=ENTRIES).filter(|number| !taken.contains_key(number));
    let number = |partition: &PartitionSpec| partition.number.or_else(|| free.next());
    // No more partitions than numbers, so none is left without.
    Ok(partitions.iter().filter_map(number).collect())
}

/// The ranges of partitions whose requested lengths in bytes are known (for a fill, the least length of its content). That of
/// a hash tree follows from the length of the partition that it covers.
pub(super) fn ranges(
    partitions: &[PartitionSpec],
    covered: &Covered,
    requested: &[u64],
    size: DiskSize,
) -> Result<DiskLayout, DiskError> {
    let fill = fill(partitions)?;
    let early = partitions.iter().position(fits_early);
    let mut lens = Vec::with_capacity(partitions.len());
    let mut end = MIB;
    for (index, partition) in partitions.iter().enumerate() {
        let id = || partition.id.clone();
        let requested = match covered[index] {
            Some(data) => partition_len(requested[data].min(DISK_MAX).next_multiple_of(MIB)),
            None => requested[index],
        };
        if requested == 0 {
            return Err(DiskError::NoLength { id: id() });
        }
        let unit = if early == Some(index) { SECTOR } else { MIB };
        let len = requested.checked_next_multiple_of(unit).filter(|len| *len <= DISK_MAX);
        let len = len.ok_or_else(|| DiskError::TooLarge { id: id(), most: DISK_MAX })?;
        if early != Some(index) {
            end += len;
        }
        if end > DISK_MAX - MIB {
            return Err(DiskError::TooLarge { id: id(), most: DISK_MAX });
        }
        lens.push(len);
    }
    let size = match size {
        DiskSize::Minimal => end + MIB,
        DiskSize::Exact(size) => {
            let room = room(size)?;
            if room < end {
                return Err(DiskError::DiskTooSmall { needed: end + MIB, size });
            }
            if let Some(fill) = fill {
                let tree = covered.iter().position(|data| *data == Some(fill));
                match tree {
                    None => lens[fill] += room - end,
                    Some(tree) => {
                        lens[fill] += growth(lens[fill], room - end);
                        lens[tree] = partition_len(lens[fill]);
                    }
                }
            }
            size
        }
    };
    Ok(DiskLayout { size, ranges: consecutive(&lens, early) })
}

/// Ranges of the given lengths, one after the other; the early one before the first MiB.
fn consecutive(lens: &[u64], early: Option<usize>) -> Vec<DiskRange> {
    let mut next = MIB;
    let range = |(index, len): (usize, &u64)| {
        if early == Some(index) {
            return DiskRange { start: EARLY_START, len: *len };
        }
        let start = next;
        next += len;
        DiskRange { start, len: *len }
    };
    lens.iter().enumerate().map(range).collect()
}

/// The last byte at which a partition may end on a disk of that size: at a whole MiB, before the backup table.
fn room(size: u64) -> Result<u64, DiskError> {
    if !size.is_multiple_of(SECTOR) {
        return Err(DiskError::PartSector { size });
    }
    Ok(size.saturating_sub(TAIL_SECTORS * SECTOR) / MIB * MIB)
}

/// The partition that takes the space that the others leave.
fn fill(partitions: &[PartitionSpec]) -> Result<Option<usize>, DiskError> {
    let fills = |partition: &PartitionSpec| partition.size == PartitionSize::Fill;
    let mut found = partitions.iter().enumerate().filter(|(_, partition)| fills(partition));
    let first = found.next();
    if let (Some((_, a)), Some((_, b))) = (first, found.next()) {
        return Err(DiskError::TwoFills { a: a.id.clone(), b: b.id.clone() });
    }
    Ok(first.map(|(index, _)| index))
}

/// Whether a partition goes before the first MiB: a BIOS-boot one that fits there. Nothing depends on its alignment; a
/// loader that needs more space has a size with which the partition is aligned like any other.
fn fits_early(partition: &PartitionSpec) -> bool {
    let fits = |len: u64| len > 0 && len <= MIB - EARLY_START;
    partition.type_guid == types::BIOS_BOOT
        && matches!(partition.size, PartitionSize::Exact(len) if fits(len))
}
