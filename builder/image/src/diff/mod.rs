//! The difference between two images, explained from the partition table down to the field and the byte.
//!
//! Decides which differences are differences of their own and which are consequences of another one. Reads through the readers of
//! `formats`; a range that is known to be equal is read at most once.

mod blocks;
mod byte_diff;
mod bytes;
mod equal_ranges;
mod erofs;
mod error;
mod ext4;
mod fat;
mod fields;
mod files;
mod images;
mod manifests;
mod packages;
mod paths;
mod report;
mod table;
mod volume;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use amiforge_formats::gpt;
use amiforge_formats::read_at::{ReadAt as _, Window};
use amiforge_formats::volume::{FsKind, VolumeContent};
use amiforge_progress::Monitor;

use crate::inspect::{DiskView, InspectError, Medium, PartitionSlot, chain};
pub use blocks::{BlockCause, BlockReport, CauseCount, blocks};
use equal_ranges::{Comparison, PairedRange};
pub use error::DiffError;
use images::RangePair;
use manifests::Manifests;
pub use paths::PathCounts;
pub use report::{ByteChange, DiffChange, DiffReport, Difference, Range};
use report::{DiffCollector, DifferenceWeight};

/// How to compare.
#[derive(Clone, Copy)]
pub struct DiffOptions<'a> {
    /// Threads that read and compare.
    pub threads: usize,
    /// Receives progress and cancels the comparison.
    pub monitor: Monitor<'a>,
}

/// Compares two images or bundles.
///
/// # Errors
/// [`DiffError`] when one of them cannot be read; a damaged file system is no error but a difference, and its bytes
/// are compared.
pub fn diff(a: &Path, b: &Path, options: DiffOptions<'_>) -> Result<DiffReport, DiffError> {
    let mut collector = DiffCollector::default();
    let (name_a, name_b) = (name(a), name(b));
    if let Some(manifests) = manifests::alone(a, b)? {
        manifests::compare(&manifests, &mut collector);
        manifests::blocks(&manifests, &mut collector);
        return Ok(collector.report(name_a, name_b, 0));
    }
    let (a, b) = (open(a)?, open(b)?);
    let manifests = manifests::of_bundles(&a, &b)?;
    if let Some(manifests) = &manifests {
        manifests::compare(manifests, &mut collector);
        packages::compare(&a, &b, &mut collector);
    }
    let read = compared((&a, &b), manifests.as_ref(), options, |comparison| {
        disks(comparison, &mut collector)?;
        Ok(comparison.read.load(Ordering::Relaxed))
    })?;
    Ok(collector.report(name_a, name_b, read))
}

/// Opens an image or bundle.
fn open(path: &Path) -> Result<Medium, DiffError> {
    Medium::open(path).map_err(|source| DiffError::Inspect { path: path.to_owned(), source })
}

/// Compares two images by `compare`, which need not read what their manifests say is equal.
fn compared<T>(
    (a, b): (&Medium, &Medium),
    manifests: Option<&Manifests>,
    options: DiffOptions<'_>,
    compare: impl FnOnce(&Comparison<'_>) -> Result<T, DiffError>,
) -> Result<T, DiffError> {
    let known_equal = manifests::equal_blocks(manifests);
    let comparison = Comparison {
        a,
        b,
        threads: options.threads,
        known_equal: &|block| {
            usize::try_from(block).ok().and_then(|block| known_equal.get(block)) == Some(&true)
        },
        monitor: options.monitor,
        read: AtomicU64::new(0),
    };
    options.monitor.progress.begin("comparing", Some(a.size().min(b.size())));
    let outcome = compare(&comparison);
    options.monitor.progress.end();
    outcome
}

/// How the user named an image, safe to print.
fn name(path: &Path) -> String {
    crate::inspect::escape(&path.to_string_lossy())
}

/// Compares two disks.
fn disks(comparison: &Comparison<'_>, collector: &mut DiffCollector) -> Result<(), DiffError> {
    let (a, b) = (comparison.a, comparison.b);
    let disk = ["disk".to_owned()];
    collector.value(DifferenceWeight::Own, &disk, "size", a.size(), b.size());
    let mut view = |medium: &Medium, which: &str| match DiskView::read(medium) {
        Ok(view) => Ok(view),
        Err(InspectError::Table(error)) => {
            let text = format!("cannot be read: {}", chain(&error));
            collector.add(
                DifferenceWeight::Own,
                &disk,
                format!("partition table of the {which}"),
                DiffChange::Note(text),
            );
            Ok(DiskView::without_table(medium.size()))
        }
        Err(source) => Err(DiffError::Inspect { path: medium.path().to_owned(), source }),
    };
    let (view_a, view_b) = (view(a, "first")?, view(b, "second")?);
    if let (None, None) = (&view_a.table, &view_b.table) {
        let slots = (&view_a.slots[0], &view_b.slots[0]);
        return slot(comparison, slots, &[], collector);
    }
    let readable = view_a.table.is_some() && view_b.table.is_some();
    table::tables((a, b), readable, collector)?;
    for (in_a, in_b) in table::matched(&view_a, &view_b) {
        let Some(known) = in_a.or(in_b) else { continue };
        let location = [format!("partition {}", known.title())];
        match (in_a, in_b) {
            (Some(in_a), Some(in_b)) => {
                if let (Some(a), Some(b)) = (&in_a.partition, &in_b.partition) {
                    table::partitions(a, b, &location, collector);
                }
                slot(comparison, (in_a, in_b), &location, collector)?;
            }
            (Some(_), None) => {
                collector.add(
                    DifferenceWeight::Own,
                    &location,
                    "partition",
                    DiffChange::OnlyA(summary(known)),
                );
            }
            _ => collector.add(
                DifferenceWeight::Own,
                &location,
                "partition",
                DiffChange::OnlyB(summary(known)),
            ),
        }
    }
    outside(comparison, (&view_a, &view_b), collector)
}

/// A short description of a partition.
fn summary(slot: &PartitionSlot) -> String {
    format!("{} of {} bytes at {}, holds {}", slot.type_name(), slot.len, slot.start, slot.content.name())
}

/// Compares the contents of two slots.
fn slot(
    comparison: &Comparison<'_>,
    (a, b): (&PartitionSlot, &PartitionSlot),
    location: &[String],
    collector: &mut DiffCollector,
) -> Result<(), DiffError> {
    let window = |slot: &PartitionSlot, medium| {
        Window::new(medium, slot.start, slot.len)
            .ok_or(DiffError::Partition(std::io::ErrorKind::UnexpectedEof.into()))
    };
    let (in_a, in_b) = (window(a, comparison.a)?, window(b, comparison.b)?);
    let pages = comparison.pages(PairedRange { a: a.start, b: b.start, len: a.len.min(b.len) })?;
    let pair = RangePair { a: in_a, b: in_b, pages };
    if pair.runs().is_empty() && a.len == b.len {
        return Ok(());
    }
    if a.content != b.content {
        let before = collector.differences.len();
        collector.value(DifferenceWeight::Own, location, "holds", a.content.name(), b.content.name());
        bytes::compare(&pair, &[], location, collector)?;
        collector.follow_from(before + 1);
        return Ok(());
    }
    let within = report::below(location, a.content.name());
    let mut here = DiffCollector::default();
    match a.content {
        // Every byte of these two can be explained.
        VolumeContent::Known(FsKind::Ext4) => ext4::compare(&pair, &within, &mut here)?,
        VolumeContent::Known(FsKind::Fat) => fat::compare(&pair, &within, &mut here)?,
        VolumeContent::Known(kind) => volume::compare(kind.format(), &pair, &within, &mut here)?,
        _ => {}
    }
    if here.is_empty() {
        // The structures explain none of them, but bytes that differ are never left out.
        bytes::compare(&pair, &[], location, &mut here)?;
    }
    collector.append(here);
    Ok(())
}

/// Compares the bytes that are in no partition of either disk and not in the partition table.
fn outside(
    comparison: &Comparison<'_>,
    (a, b): (&DiskView, &DiskView),
    collector: &mut DiffCollector,
) -> Result<(), DiffError> {
    let len = comparison.a.size().min(comparison.b.size());
    let tail = gpt::TAIL_SECTORS * gpt::SECTOR;
    let mut taken: Vec<(u64, u64)> = vec![(0, gpt::HEAD_SECTORS * gpt::SECTOR)];
    for view in [a, b] {
        taken.extend(view.slots.iter().map(|slot| (slot.start, slot.start.saturating_add(slot.len))));
        taken.push((view.len.saturating_sub(tail), view.len));
    }
    taken.sort_unstable();
    taken.push((len, len));
    let mut at = 0;
    for (start, end) in taken {
        if at < start.min(len) {
            let len = start.min(len) - at;
            let window = |medium| Window::new(medium, at, len);
            let pages = comparison.pages(PairedRange { a: at, b: at, len })?;
            if let (Some(a), Some(b)) = (window(comparison.a), window(comparison.b)) {
                let location = ["disk".to_owned(), format!("bytes {at} to {} in no partition", at + len - 1)];
                bytes::compare(&RangePair { a, b, pages }, &[], &location, collector)?;
            }
        }
        at = at.max(end);
    }
    Ok(())
}
