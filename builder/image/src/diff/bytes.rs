//! Bytes that no structure explains.

use super::DiffError;
use super::byte_diff::ByteDiff;
use super::images::RangePair;
use super::report::{DiffChange, DiffCollector, DifferenceWeight};

/// Adds the bytes that differ as one difference, but for those in `covered` (sorted ranges), which other comparisons cover.
///
/// # Errors
/// [`DiffError::Partition`].
pub(super) fn compare(
    pair: &RangePair<'_>,
    covered: &[(u64, u64)],
    location: &[String],
    collector: &mut DiffCollector,
) -> Result<(), DiffError> {
    let mut diff = ByteDiff::default();
    for (from, to) in pair.runs() {
        let mut at = from;
        for (start, end) in covered.iter().filter(|(start, end)| *start < to && *end > from) {
            pair.compare(at, (*start).max(at), &mut diff).map_err(DiffError::Partition)?;
            at = at.max(*end);
        }
        if at < to {
            pair.compare(at, to, &mut diff).map_err(DiffError::Partition)?;
        }
    }
    if let Some(change) = diff.finish() {
        collector.add(DifferenceWeight::Own, location, "bytes", DiffChange::Bytes(change));
    }
    Ok(())
}
