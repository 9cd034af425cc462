//! Stretches without a structure that is known, and swap areas.

use super::DiffError;
use super::bytes::ByteDiff;
use super::fields::{self, Explained, FieldDisplay, StructField};
use super::pair::Pair;
use super::report::{DiffChange, DiffCollector, DifferenceWeight, below};

/// The header of a swap area (`union swap_header` of Linux, `include/linux/swap.h`).
const SWAP: &[StructField] = &[
    StructField::own("bootbits", 0, 1024, FieldDisplay::Bytes),
    StructField::number("version", 1024, 4),
    StructField::number("last_page", 1028, 4),
    StructField::number("nr_badpages", 1032, 4),
    StructField::own("uuid", 1036, 16, FieldDisplay::Uuid),
    StructField::own("label", 1052, 16, FieldDisplay::Text),
    StructField::own("signature", 4086, 10, FieldDisplay::Text),
];

/// Bytes of the header of a swap area.
const SWAP_HEADER: u64 = 4096;

/// Tells of the bytes that differ, but for those in `told` (sorted).
///
/// # Errors
/// [`DiffError::Partition`].
pub(super) fn compare(
    pair: &Pair<'_>,
    told: &[(u64, u64)],
    place: &[String],
    found: &mut DiffCollector,
) -> Result<(), DiffError> {
    let mut diff = ByteDiff::default();
    for (from, to) in pair.runs() {
        let mut at = from;
        for (start, end) in told.iter().filter(|(start, end)| *start < to && *end > from) {
            pair.compare(at, (*start).max(at), &mut diff).map_err(DiffError::Partition)?;
            at = at.max(*end);
        }
        if at < to {
            pair.compare(at, to, &mut diff).map_err(DiffError::Partition)?;
        }
    }
    if let Some(change) = diff.finish() {
        found.add(DifferenceWeight::Own, place, "bytes", DiffChange::Bytes(change));
    }
    Ok(())
}

/// Compares two swap areas.
///
/// # Errors
/// [`DiffError::Partition`].
pub(super) fn swap(pair: &Pair<'_>, place: &[String], found: &mut DiffCollector) -> Result<(), DiffError> {
    let (a, b) = pair.both(0, SWAP_HEADER).map_err(DiffError::Partition)?;
    fields::compare((&a, &b), SWAP, Explained::default(), &below(place, "header"), found);
    compare(pair, &[(0, SWAP_HEADER)], &below(place, "pages"), found)
}
