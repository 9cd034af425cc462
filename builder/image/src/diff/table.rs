//! The partition table: the MBR, both headers and the entries, field by field.

use amiforge_formats::gpt::fields::{HEADER, MBR, MBR_RECORD, MBR_RECORD_LEN, MBR_RECORDS_AT};
use amiforge_formats::gpt::{self, attributes, types};
use amiforge_formats::guid::Guid;
use amiforge_formats::read_at::ReadAt as _;

use super::DiffError;
use super::byte_diff::ByteDiff;
use super::fields::{Explained, compare};
use super::report::{DiffChange, DiffCollector, DifferenceWeight};
use crate::inspect::{DiskView, Medium, PartitionSlot, escape};

/// Bytes of entries that are looked at in each copy: 128 entries, as every table has at least.
const ENTRIES: u64 = 128 * 128;

/// The slots of two disks that belong together.
pub(crate) type Matched<'a> = Vec<(Option<&'a PartitionSlot>, Option<&'a PartitionSlot>)>;

/// Compares the tables of two disks; `readable` is true when the partitions of both are compared by their values.
///
/// # Errors
/// [`DiffError::Medium`].
pub(crate) fn tables(
    (a, b): (&Medium, &Medium),
    readable: bool,
    collector: &mut DiffCollector,
) -> Result<(), DiffError> {
    let grown = a.size() != b.size();
    let mbr = (sector(a, 0)?, sector(b, 0)?);
    let explained = Explained { counts: grown, checksums: false };
    compare((&mbr.0, &mbr.1), MBR, explained, &["MBR".to_owned()], collector);
    for index in 0..4 {
        let at = MBR_RECORDS_AT + index * MBR_RECORD_LEN;
        let records = (&mbr.0[at..at + MBR_RECORD_LEN], &mbr.1[at..at + MBR_RECORD_LEN]);
        compare(
            records,
            MBR_RECORD,
            explained,
            &["MBR".to_owned(), format!("record {}", index + 1)],
            collector,
        );
    }
    let primary = copies((a, gpt::SECTOR), (b, gpt::SECTOR), "GPT", (grown, readable))?;
    let last = |medium: &Medium| medium.size().saturating_sub(gpt::SECTOR);
    let backup = copies((a, last(a)), (b, last(b)), "backup GPT", (grown, readable))?;
    // The backup has its own locations; its other fields repeat the primary.
    let originals = [primary.differences.clone(), primary.follows.clone()].concat();
    collector.append(primary);
    collector.mirror(&originals, backup);
    Ok(())
}

/// Compares one copy of the header and its entries.
fn copies(
    (a, in_a): (&Medium, u64),
    (b, in_b): (&Medium, u64),
    name: &str,
    (grown, readable): (bool, bool),
) -> Result<DiffCollector, DiffError> {
    let mut collector = DiffCollector::default();
    let headers = (sector(a, in_a)?, sector(b, in_b)?);
    let entries = (entries(a, &headers.0)?, entries(b, &headers.1)?);
    let explained = Explained { counts: grown, checksums: entries.0 != entries.1 };
    compare((&headers.0, &headers.1), HEADER, explained, &[format!("{name} header")], &mut collector);
    for (number, (a, b)) in (1..).zip(entries.0.chunks(128).zip(entries.1.chunks(128))) {
        let mut diff = ByteDiff::default();
        diff.compare(0, a, b);
        let Some(change) = diff.finish() else { continue };
        let location = [format!("{name} entries"), format!("entry {number}")];
        // The fields that readers use are compared with the partition.
        let what = if used_part(a) == used_part(b) { "bytes behind the name" } else { "entry" };
        let covered = readable && what == "entry" && name == "GPT";
        let weight = if covered { DifferenceWeight::Follows } else { DifferenceWeight::Own };
        collector.add(weight, &location, what, DiffChange::Bytes(change));
    }
    Ok(collector)
}

/// The part of an entry that readers use: the fields and the name up to its NUL.
fn used_part(entry: &[u8]) -> &[u8] {
    let name = entry.get(56..).unwrap_or(&[]);
    let units = name.chunks_exact(2).position(|unit| unit == [0, 0]).map_or(name.len(), |end| end * 2);
    &entry[..entry.len().min(56 + units)]
}

/// Reads the sector at a byte; one of zeros where the disk has none.
fn sector(medium: &Medium, at: u64) -> Result<Vec<u8>, DiffError> {
    let mut sector = vec![0; gpt::SECTOR as usize];
    if at.checked_add(gpt::SECTOR).is_some_and(|end| end <= medium.size()) {
        medium.read_exact_at(at, &mut sector).map_err(|error| DiffError::medium(medium, error))?;
    }
    Ok(sector)
}

/// Reads the entries that a header names; none where they would not be on the disk.
fn entries(medium: &Medium, header: &[u8]) -> Result<Vec<u8>, DiffError> {
    let lba = header[72..80].iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    let at = lba.saturating_mul(gpt::SECTOR);
    if !header.starts_with(b"EFI PART") || at.saturating_add(ENTRIES) > medium.size() {
        return Ok(Vec::new());
    }
    let mut entries = vec![0; ENTRIES as usize];
    medium.read_exact_at(at, &mut entries).map_err(|error| DiffError::medium(medium, error))?;
    Ok(entries)
}

/// Pairs the partitions of two disks: by GUID, then by number.
pub(crate) fn matched<'a>(a: &'a DiskView, b: &'a DiskView) -> Matched<'a> {
    let mut left: Vec<_> = b.slots.iter().collect();
    let mut pairs: Matched<'a> = a.slots.iter().map(|slot| (Some(slot), None)).collect();
    let criteria: [fn(&PartitionSlot, &PartitionSlot) -> bool; 3] = [
        |a, b| guid(a) == guid(b) && a.number() == b.number(),
        |a, b| guid(a).is_some() && guid(a) == guid(b),
        |a, b| a.number() == b.number(),
    ];
    for criterion in criteria {
        for (a, b) in pairs.iter_mut().filter(|(_, b)| b.is_none()) {
            let at = a.and_then(|a| left.iter().position(|b| criterion(a, b)));
            *b = at.map(|at| left.remove(at));
        }
    }
    pairs.extend(left.into_iter().map(|slot| (None, Some(slot))));
    pairs
}

/// The GUID of a slot's partition.
fn guid(slot: &PartitionSlot) -> Option<Guid> {
    slot.partition.as_ref().map(|partition| partition.guid)
}

/// Compares the entries of a partition.
pub(crate) fn partitions(
    a: &gpt::Partition,
    b: &gpt::Partition,
    location: &[String],
    collector: &mut DiffCollector,
) {
    let named = |guid| types::name(guid).map_or_else(|| format!("{guid}"), str::to_owned);
    let flags = |bits| {
        let names = attributes::names(bits);
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    collector.value(DifferenceWeight::Own, location, "number", a.number, b.number);
    collector.value(DifferenceWeight::Own, location, "type", named(a.type_guid), named(b.type_guid));
    collector.value(DifferenceWeight::Own, location, "guid", a.guid, b.guid);
    collector.value(
        DifferenceWeight::Own,
        location,
        "name",
        format!("`{}`", escape(&a.name)),
        format!("`{}`", escape(&b.name)),
    );
    collector.value(DifferenceWeight::Own, location, "attributes", flags(a.attributes), flags(b.attributes));
    collector.value(DifferenceWeight::Own, location, "start", a.first.offset(), b.first.offset());
    collector.value(DifferenceWeight::Own, location, "size", a.len(), b.len());
}
