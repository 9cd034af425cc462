//! Two superblocks, or copies of them, features by name.

use amiforge_formats::ext4::fields;
use amiforge_formats::ext4::read::Features;

use crate::diff::DiffError;
use crate::diff::fields::{Explained, compare as compare_fields};
use crate::diff::images::RangePair;
use crate::diff::report::{DiffChange, DiffCollector, DifferenceWeight};

/// Offset and length of the superblock.
pub(super) const SUPERBLOCK: (u64, usize) = (1024, 1024);

/// Compares the primary superblocks.
pub(super) fn superblocks(
    pair: &RangePair<'_>,
    explained: Explained,
    location: &[String],
    collector: &mut DiffCollector,
) -> Result<(), DiffError> {
    let (a, b) = pair.both(SUPERBLOCK.0, SUPERBLOCK.1 as u64).map_err(DiffError::Partition)?;
    superblock((&a, &b), explained, location, collector);
    Ok(())
}

/// Compares two copies of a superblock, features by name.
pub(super) fn superblock(
    (a, b): (&[u8], &[u8]),
    explained: Explained,
    location: &[String],
    collector: &mut DiffCollector,
) {
    let (in_a, in_b) = (features(a), features(b));
    let differ = in_a != in_b;
    if differ {
        let (in_a, in_b) = (in_a.names(), in_b.names());
        let lost = in_a.iter().filter(|name| !in_b.contains(name)).map(|name| format!("-{name}"));
        let gained = in_b.iter().filter(|name| !in_a.contains(name)).map(|name| format!("+{name}"));
        let text = lost.chain(gained).collect::<Vec<_>>().join(" ");
        collector.add(DifferenceWeight::Own, location, "features", DiffChange::Note(text));
    }
    let explained = Explained { checksums: explained.checksums || differ, ..explained };
    compare_fields((a, b), fields::SUPERBLOCK, explained, location, collector);
}

/// The feature bits of a superblock.
fn features(raw: &[u8]) -> Features {
    let field = |at: usize| {
        let bytes = raw.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_le_bytes)
    };
    Features { compat: field(0x5c), incompat: field(0x60), ro_compat: field(0x64) }
}
