//! Two FAT file systems: boot sector, FSInfo, files, directory entries, tables, and the bytes of clusters that no file
//! explains.

mod owners;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use amiforge_formats::fat::fields::{BOOT, BOOT_16, BOOT_32, DIRECTORY_ENTRY, FS_INFO};

use self::owners::{ClusterOwner, FatSide};
use super::DiffError;
use super::byte_diff::ByteDiff;
use super::bytes;
use super::fields::{self, Explained};
use super::files::Trees;
use super::images::RangePair;
use super::report::{DiffChange, DiffCollector, DifferenceWeight, below};
use super::volume::unreadable;

/// Longest allocation table that is compared entry by entry.
const TABLE_MAX: u64 = 1 << 30;

/// Compares two FAT file systems.
///
/// # Errors
/// [`DiffError`] when the media cannot be read.
pub(super) fn compare(
    pair: &RangePair<'_>,
    location: &[String],
    collector: &mut DiffCollector,
) -> Result<(), DiffError> {
    let short = |side: &FatSide| side.volume.shape.table_len <= TABLE_MAX;
    let (a, b) = match (FatSide::read(&pair.a), FatSide::read(&pair.b)) {
        (Ok(a), Ok(b)) if short(&a) && short(&b) => (a, b),
        (a, b) => {
            let (a, b) = (a.err(), b.err());
            let errors = [&a, &b].map(|error| error.as_ref().map(|error| error as &dyn Error));
            unreadable(errors, location, collector);
            boot(pair, 0, "boot sector", location, collector)?;
            return bytes::compare(pair, &[(0, 512)], location, collector);
        }
    };
    let mut files = DiffCollector::default();
    let outcome = Trees { a: &a.volume.tree, b: &b.volume.tree, pair }.compare(location, &mut files)?;
    boot(pair, 0, "boot sector", location, collector)?;
    collector.value(DifferenceWeight::Own, location, "label", label(&a.volume.label), label(&b.volume.label));
    let relabelled = a.volume.label != b.volume.label;
    collector.append(files);
    if a.layout() != b.layout() {
        let text = "laid out differently; the clusters are not compared one by one".to_owned();
        collector.add(DifferenceWeight::Follows, location, "layout", DiffChange::Note(text));
        return Ok(());
    }
    let structural = outcome.structural;
    Clusters { pair, location, sides: (&a, &b), structural, relabelled }.compare(collector)
}

/// A label, quoted and escaped.
fn label(label: &str) -> String {
    format!("`{}`", crate::inspect::escape(label))
}

/// Compares the boot sectors at a byte.
fn boot(
    pair: &RangePair<'_>,
    at: u64,
    name: &str,
    location: &[String],
    collector: &mut DiffCollector,
) -> Result<(), DiffError> {
    let (a, b) = pair.both(at, 512).map_err(DiffError::Partition)?;
    let wide = a.get(22..24) == Some(&[0, 0]);
    let table: Vec<_> = BOOT.iter().chain(if wide { BOOT_32 } else { BOOT_16 }).copied().collect();
    fields::compare((&a, &b), &table, Explained::default(), &below(location, name), collector);
    Ok(())
}

/// The comparison of the tables and clusters of two file systems of one layout.
struct Clusters<'a> {
    pair: &'a RangePair<'a>,
    location: &'a [String],
    sides: (&'a FatSide, &'a FatSide),
    /// Whether names, lengths or contents differ, which moves clusters.
    structural: bool,
    /// Whether the labels differ.
    relabelled: bool,
}

impl Clusters<'_> {
    fn placement(&self) -> DifferenceWeight {
        if self.structural { DifferenceWeight::Follows } else { DifferenceWeight::Own }
    }

    /// Compares the reserved sectors, every table, the directory entries and the clusters.
    fn compare(&self, collector: &mut DiffCollector) -> Result<(), DiffError> {
        self.reserved(collector)?;
        let mut copies: Vec<DiffCollector> = Vec::new();
        for copy in 0..self.sides.0.volume.shape.tables {
            let mut these = DiffCollector::default();
            self.table(copy, &mut these)?;
            copies.push(these);
        }
        let mut copies = copies.into_iter();
        if let Some(first) = copies.next() {
            let originals = [first.differences.clone(), first.follows.clone()].concat();
            collector.append(first);
            for copy in copies {
                let known = originals.iter().map(|one| (&one.what, &one.change)).collect::<Vec<_>>();
                let all = copy.differences.into_iter().chain(copy.follows);
                for one in all {
                    let weight = known.contains(&(&one.what, &one.change));
                    if weight { collector.follows.push(one) } else { collector.differences.push(one) }
                }
            }
        }
        self.entries(collector)?;
        self.data(collector)
    }

    /// The reserved sectors but for the boot sector: FSInfo, the copies of both, and the other bytes.
    fn reserved(&self, collector: &mut DiffCollector) -> Result<(), DiffError> {
        let side = self.sides.0;
        let mut covered = vec![(0, 512)];
        let explained = Explained { counts: self.structural, checksums: false };
        if let Some(at) = side.fs_info() {
            let (a, b) = self.pair.both(at, 512).map_err(DiffError::Partition)?;
            fields::compare((&a, &b), FS_INFO, explained, &below(self.location, "FSInfo"), collector);
            covered.push((at, at + 512));
        }
        if let Some(at) = side.backup_boot() {
            let mut copy = DiffCollector::default();
            boot(self.pair, at, "backup boot sector", self.location, &mut copy)?;
            let info = at + side.volume.shape.sector;
            let (a, b) = self.pair.both(info, 512).map_err(DiffError::Partition)?;
            fields::compare((&a, &b), FS_INFO, explained, &below(self.location, "backup FSInfo"), &mut copy);
            covered.extend([(at, at + 512), (info, info + 512)]);
            let originals: Vec<_> = collector.differences.clone();
            collector.mirror(&originals, copy);
        }
        covered.sort_unstable();
        self.bytes(
            DifferenceWeight::Own,
            "reserved sectors",
            &gaps(&covered, side.volume.shape.tables_at),
            collector,
        )
    }

    /// One copy of the table, entry by entry.
    fn table(&self, copy: u8, collector: &mut DiffCollector) -> Result<(), DiffError> {
        let shape = &self.sides.0.volume.shape;
        let at = shape.table(copy);
        if self.pair.known_equal(at, at, shape.table_len) {
            return Ok(());
        }
        let (a, b) = self.pair.both(at, shape.table_len).map_err(DiffError::Partition)?;
        let location = below(self.location, format!("allocation table {}", u16::from(copy) + 1));
        let width = shape.width;
        let differing: Vec<u32> =
            (0..=shape.last()).filter(|entry| width.entry(&a, *entry) != width.entry(&b, *entry)).collect();
        let owners = (&self.sides.0.owners, &self.sides.1.owners);
        let of = |entry: u32| {
            owners.0.get(&entry).or_else(|| owners.1.get(&entry)).map_or("free", |one| &one.path)
        };
        let mut by_owner: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for entry in &differing {
            by_owner.entry(of(*entry)).or_default().push(*entry);
        }
        for (owner, entries) in by_owner {
            let Some(first) = entries.first() else { continue };
            let value = |table: &[u8]| format!("{:#x}", width.entry(table, *first).unwrap_or_default());
            let what = match entries.len() {
                1 => format!("entry {first} ({owner})"),
                len => format!("{len} entries of {owner}, the first {first}"),
            };
            let change = DiffChange::Value { a: value(&a), b: value(&b) };
            collector.add(self.placement(), &location, what, change);
        }
        if differing.is_empty() {
            let mut diff = ByteDiff::default();
            diff.compare(at, &a, &b);
            if let Some(change) = diff.finish() {
                collector.add(
                    DifferenceWeight::Own,
                    &location,
                    "bytes behind the last entry",
                    DiffChange::Bytes(change),
                );
            }
        }
        Ok(())
    }

    /// The directory entries of files and directories that both have.
    fn entries(&self, collector: &mut DiffCollector) -> Result<(), DiffError> {
        let explained = Explained { counts: self.structural, checksums: false };
        let (a, b) = (&self.sides.0.entries, &self.sides.1.entries);
        for (path, at_a) in a {
            let Some(at_b) = b.get(path).filter(|at_b| !self.pair.known_equal(*at_a, **at_b, 32)) else {
                continue;
            };
            let read = |bytes: &super::images::RangeBytes<'_>, at: u64| {
                use amiforge_formats::read_at::ReadAt as _;
                let mut record = [0; 32];
                bytes.read_exact_at(at, &mut record).map(|()| record).map_err(DiffError::Partition)
            };
            let (in_a, in_b) = (read(&self.pair.a, *at_a)?, read(&self.pair.b, *at_b)?);
            fields::compare(
                (&in_a, &in_b),
                DIRECTORY_ENTRY,
                explained,
                &below(self.location, path.as_str()),
                collector,
            );
        }
        Ok(())
    }

    /// The clusters but for contents of files: other bytes of directories, slack after the end of files, free space.
    fn data(&self, collector: &mut DiffCollector) -> Result<(), DiffError> {
        let (a, b) = self.sides;
        let shape = &a.volume.shape;
        let entries: BTreeSet<u64> = a.entries.values().chain(b.entries.values()).copied().collect();
        let mut parts: BTreeMap<(DifferenceWeight, String), Vec<(u64, u64)>> = BTreeMap::new();
        for (from, to) in self.pair.runs() {
            let first = shape.cluster_at(from.max(shape.data_at)).unwrap_or(2);
            for cluster in (first..=shape.last()).take_while(|cluster| shape.offset(*cluster) < to) {
                let at = shape.offset(cluster);
                let whole = (at, at + shape.cluster);
                match (a.owners.get(&cluster), b.owners.get(&cluster)) {
                    (None, None) => {
                        parts.entry((self.placement(), "free space".to_owned())).or_default().push(whole);
                    }
                    (Some(in_a), Some(in_b)) if in_a.path == in_b.path => {
                        self.owned((in_a, in_b), whole, &entries, &mut parts);
                    }
                    _ => {
                        let key = (DifferenceWeight::Follows, "clusters of another use".to_owned());
                        parts.entry(key).or_default().push(whole);
                    }
                }
            }
        }
        if shape.root_len > 0 {
            self.directory("/", (shape.root_at, shape.data_at), &entries, &mut parts);
        }
        for ((weight, name), parts) in parts {
            self.bytes(weight, &name, &parts, collector)?;
        }
        Ok(())
    }

    /// The bytes of a cluster of a file or directory that no other comparison covers.
    fn owned(
        &self,
        (a, b): (&ClusterOwner, &ClusterOwner),
        (from, to): (u64, u64),
        entries: &BTreeSet<u64>,
        parts: &mut BTreeMap<(DifferenceWeight, String), Vec<(u64, u64)>>,
    ) {
        if a.directory {
            return self.directory(&a.path, (from, to), entries, parts);
        }
        if a.left != b.left {
            return;
        }
        let name = format!("{} (behind the end)", a.path);
        parts.entry((DifferenceWeight::Own, name)).or_default().push((from + a.left.min(to - from), to));
    }

    /// The bytes of a directory that are no short entry of a file: long names, the label, deleted entries.
    fn directory(
        &self,
        path: &str,
        (from, to): (u64, u64),
        entries: &BTreeSet<u64>,
        parts: &mut BTreeMap<(DifferenceWeight, String), Vec<(u64, u64)>>,
    ) {
        let covered: Vec<_> = entries.range(from..to).map(|at| (*at, at + 32)).collect();
        let labelled = self.relabelled && path == "/";
        let weight = if labelled { DifferenceWeight::Follows } else { self.placement() };
        let name = format!("{path} (other records of the folder)");
        let rest =
            gaps(&covered, to).into_iter().map(|(start, end)| (start.max(from), end)).filter(|(a, b)| a < b);
        parts.entry((weight, name)).or_default().extend(rest);
    }

    /// Adds the bytes that differ in some ranges as one difference.
    fn bytes(
        &self,
        weight: DifferenceWeight,
        name: &str,
        parts: &[(u64, u64)],
        collector: &mut DiffCollector,
    ) -> Result<(), DiffError> {
        let mut diff = ByteDiff::default();
        for (from, to) in parts {
            self.pair.compare(*from, *to, &mut diff).map_err(DiffError::Partition)?;
        }
        if let Some(change) = diff.finish() {
            collector.add(weight, &below(self.location, name), "bytes", DiffChange::Bytes(change));
        }
        Ok(())
    }
}

/// The ranges of `0..end` that `covered` (sorted) leaves out.
fn gaps(covered: &[(u64, u64)], end: u64) -> Vec<(u64, u64)> {
    let mut gaps = Vec::new();
    let mut at = 0;
    for (from, to) in covered {
        if at < *from {
            gaps.push((at, *from));
        }
        at = at.max(*to);
    }
    if at < end {
        gaps.push((at, end));
    }
    gaps
}
