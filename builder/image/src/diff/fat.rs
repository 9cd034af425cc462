//! Two FAT file systems: boot sector, FSInfo, files, directory records, tables, and what is left of the clusters.

mod layout;

use std::collections::{BTreeMap, BTreeSet};

use amiforge_formats::fat::read;

use self::layout::{ClusterOwner, FatLayout};
use super::DiffError;
use super::bytes::ByteDiff;
use super::fields::{self, Explained, FieldDisplay, FieldRole, StructField};
use super::files::Trees;
use super::pair::Pair;
use super::raw;
use super::report::{DiffChange, DiffCollector, DifferenceWeight, below};
use crate::inspect::{SOURCE, chain};

/// Compares two FAT file systems.
///
/// # Errors
/// [`DiffError`] when the media cannot be read.
pub(super) fn compare_fat(
    pair: &Pair<'_>,
    place: &[String],
    found: &mut DiffCollector,
) -> Result<(), DiffError> {
    let trees = (read::read(&pair.a, SOURCE, 0), read::read(&pair.b, SOURCE, 0));
    let layouts = (FatLayout::read(&pair.a), FatLayout::read(&pair.b));
    let (trees, layouts) = match (trees, layouts) {
        ((Ok(a), Ok(b)), (Some(in_a), Some(in_b))) => ((a, b), (in_a, in_b)),
        ((a, b), _) => {
            for (side, error) in [("the first", a.err()), ("the second", b.err())] {
                if let Some(error) = error {
                    found.add(
                        DifferenceWeight::Own,
                        place,
                        side,
                        DiffChange::Note(format!("cannot be read: {}", chain(&error))),
                    );
                }
            }
            boot(pair, 0, "boot sector", place, found)?;
            return raw::compare(pair, &[(0, 512)], place, found);
        }
    };
    let mut files = DiffCollector::default();
    let outcome = Trees { a: &trees.0.tree, b: &trees.1.tree, pair }.compare(place, &mut files)?;
    boot(pair, 0, "boot sector", place, found)?;
    found.value(DifferenceWeight::Own, place, "label", label(&trees.0.label), label(&trees.1.label));
    let relabelled = trees.0.label != trees.1.label;
    found.append(files);
    if layouts.0.shape() != layouts.1.shape() {
        let words = "laid out differently; the clusters are not compared one by one".to_owned();
        found.add(DifferenceWeight::Follows, place, "layout", DiffChange::Note(words));
        return Ok(());
    }
    let structural = outcome.structural;
    Clusters { pair, place, layouts: (&layouts.0, &layouts.1), structural, relabelled }.compare(found)
}

/// A label in words.
fn label(label: &str) -> String {
    format!("`{}`", crate::inspect::escape(label))
}

/// Compares the boot sectors at a byte.
fn boot(
    pair: &Pair<'_>,
    at: u64,
    name: &str,
    place: &[String],
    found: &mut DiffCollector,
) -> Result<(), DiffError> {
    let (a, b) = pair.both(at, 512).map_err(DiffError::Partition)?;
    let wide = a.get(22..24) == Some(&[0, 0]);
    let table: Vec<_> = BOOT.iter().chain(if wide { BOOT_32 } else { BOOT_16 }).copied().collect();
    fields::compare((&a, &b), &table, Explained::default(), &below(place, name), found);
    Ok(())
}

/// What lies below the files.
struct Clusters<'a> {
    pair: &'a Pair<'a>,
    place: &'a [String],
    layouts: (&'a FatLayout, &'a FatLayout),
    structural: bool,
    relabelled: bool,
}

impl Clusters<'_> {
    fn placement(&self) -> DifferenceWeight {
        if self.structural { DifferenceWeight::Follows } else { DifferenceWeight::Own }
    }

    /// Tells of everything that differs below the files.
    fn compare(&self, found: &mut DiffCollector) -> Result<(), DiffError> {
        let layout = self.layouts.0;
        self.reserved(found)?;
        let mut copies: Vec<DiffCollector> = Vec::new();
        for copy in 0..layout.tables {
            let mut these = DiffCollector::default();
            self.table(copy, &mut these)?;
            copies.push(these);
        }
        let mut copies = copies.into_iter();
        if let Some(first) = copies.next() {
            let originals = [first.differences.clone(), first.follows.clone()].concat();
            found.append(first);
            for copy in copies {
                let told = originals.iter().map(|one| (&one.what, &one.change)).collect::<Vec<_>>();
                let all = copy.differences.into_iter().chain(copy.follows);
                for one in all {
                    let weight = told.contains(&(&one.what, &one.change));
                    if weight { found.follows.push(one) } else { found.differences.push(one) }
                }
            }
        }
        self.records(found)?;
        self.data(found)
    }

    /// The reserved sectors: the boot sector has been told of; FSInfo, their copies, and the rest.
    fn reserved(&self, found: &mut DiffCollector) -> Result<(), DiffError> {
        let layout = self.layouts.0;
        let mut told = vec![(0, 512)];
        let explained = Explained { counts: self.structural, checksums: false };
        if let Some(at) = layout.fs_info {
            let (a, b) = self.pair.both(at, 512).map_err(DiffError::Partition)?;
            fields::compare((&a, &b), FS_INFO, explained, &below(self.place, "FSInfo"), found);
            told.push((at, at + 512));
        }
        if let Some(at) = layout.backup_boot {
            let mut copy = DiffCollector::default();
            boot(self.pair, at, "backup boot sector", self.place, &mut copy)?;
            let info = at + layout.sector;
            let (a, b) = self.pair.both(info, 512).map_err(DiffError::Partition)?;
            fields::compare((&a, &b), FS_INFO, explained, &below(self.place, "backup FSInfo"), &mut copy);
            told.extend([(at, at + 512), (info, info + 512)]);
            let originals: Vec<_> = found.differences.clone();
            found.mirror(&originals, copy);
        }
        told.sort_unstable();
        self.bytes(DifferenceWeight::Own, "reserved sectors", &gaps(&told, layout.tables_at), found)
    }

    /// One copy of the table, entry by entry.
    fn table(&self, copy: u64, found: &mut DiffCollector) -> Result<(), DiffError> {
        let layout = self.layouts.0;
        let at = layout.tables_at + copy * layout.table_len;
        if self.pair.known_equal(at, at, layout.table_len) {
            return Ok(());
        }
        let (a, b) = self.pair.both(at, layout.table_len).map_err(DiffError::Partition)?;
        let place = below(self.place, format!("allocation table {}", copy + 1));
        let last = layout.clusters.saturating_add(2);
        let differing: Vec<u32> =
            (0..last).filter(|entry| layout.entry(&a, *entry) != layout.entry(&b, *entry)).collect();
        let owners = (self.layouts.0.owners(), self.layouts.1.owners());
        let of = |entry: u32| {
            owners.0.get(&entry).or_else(|| owners.1.get(&entry)).map_or("free", |one| &one.path)
        };
        let mut by_owner: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for entry in &differing {
            by_owner.entry(of(*entry)).or_default().push(*entry);
        }
        for (owner, entries) in by_owner {
            let Some(first) = entries.first() else { continue };
            let value = |table: &[u8]| format!("{:#x}", layout.entry(table, *first).unwrap_or_default());
            let what = match entries.len() {
                1 => format!("entry {first} ({owner})"),
                len => format!("{len} entries of {owner}, the first {first}"),
            };
            let change = DiffChange::Value { a: value(&a), b: value(&b) };
            found.add(self.placement(), &place, what, change);
        }
        if differing.is_empty() {
            let mut diff = ByteDiff::default();
            diff.compare(at, &a, &b);
            if let Some(change) = diff.finish() {
                found.add(
                    DifferenceWeight::Own,
                    &place,
                    "bytes behind the last entry",
                    DiffChange::Bytes(change),
                );
            }
        }
        Ok(())
    }

    /// The records of files and folders that both have.
    fn records(&self, found: &mut DiffCollector) -> Result<(), DiffError> {
        let explained = Explained { counts: self.structural, checksums: false };
        let (a, b) = (&self.layouts.0.records, &self.layouts.1.records);
        for (path, at_a) in a {
            let Some(at_b) = b.get(path).filter(|at_b| !self.pair.known_equal(*at_a, **at_b, 32)) else {
                continue;
            };
            let read = |bytes: &super::pair::Bytes<'_>, at: u64| {
                use amiforge_formats::read_at::ReadAt as _;
                let mut record = [0; 32];
                bytes.read_exact_at(at, &mut record).map(|()| record).map_err(DiffError::Partition)
            };
            let (in_a, in_b) = (read(&self.pair.a, *at_a)?, read(&self.pair.b, *at_b)?);
            fields::compare((&in_a, &in_b), RECORD, explained, &below(self.place, path.as_str()), found);
        }
        Ok(())
    }

    /// The clusters: content has been told of; directories' other bytes, slack and free space.
    fn data(&self, found: &mut DiffCollector) -> Result<(), DiffError> {
        let (a, b) = self.layouts;
        let records: BTreeSet<u64> = a.records.values().chain(b.records.values()).copied().collect();
        let owners = (a.owners(), b.owners());
        let mut parts: BTreeMap<(DifferenceWeight, String), Vec<(u64, u64)>> = BTreeMap::new();
        for (from, to) in self.pair.runs() {
            let first = a.cluster_at(from.max(a.data_at)).unwrap_or(2);
            for cluster in (first..a.clusters.saturating_add(2)).take_while(|cluster| a.offset(*cluster) < to)
            {
                let at = a.offset(cluster);
                let whole = (at, at + a.cluster);
                match (owners.0.get(&cluster), owners.1.get(&cluster)) {
                    (None, None) => {
                        parts.entry((self.placement(), "free space".to_owned())).or_default().push(whole);
                    }
                    (Some(in_a), Some(in_b)) if in_a.path == in_b.path => {
                        self.owned((in_a, in_b), whole, &records, &mut parts);
                    }
                    _ => {
                        let key = (DifferenceWeight::Follows, "clusters of another use".to_owned());
                        parts.entry(key).or_default().push(whole);
                    }
                }
            }
        }
        if a.root_len > 0 {
            let root = (a.root_at, a.root_at + a.root_len);
            self.directory("/", root, &records, &mut parts);
        }
        for ((weight, name), parts) in parts {
            self.bytes(weight, &name, &parts, found)?;
        }
        Ok(())
    }

    /// What of a cluster of a file or folder has not been told of.
    fn owned(
        &self,
        (a, b): (&ClusterOwner, &ClusterOwner),
        (from, to): (u64, u64),
        records: &BTreeSet<u64>,
        parts: &mut BTreeMap<(DifferenceWeight, String), Vec<(u64, u64)>>,
    ) {
        if a.folder {
            return self.directory(&a.path, (from, to), records, parts);
        }
        if a.left != b.left {
            return;
        }
        let name = format!("{} (behind the end)", a.path);
        parts.entry((DifferenceWeight::Own, name)).or_default().push((from + a.left.min(to - from), to));
    }

    /// The bytes of a folder that are no record of a file's: long names, the label, remains.
    fn directory(
        &self,
        path: &str,
        (from, to): (u64, u64),
        records: &BTreeSet<u64>,
        parts: &mut BTreeMap<(DifferenceWeight, String), Vec<(u64, u64)>>,
    ) {
        let told: Vec<_> = records.range(from..to).map(|at| (*at, at + 32)).collect();
        let labelled = self.relabelled && path == "/";
        let weight = if labelled { DifferenceWeight::Follows } else { self.placement() };
        let name = format!("{path} (other records of the folder)");
        let rest =
            gaps(&told, to).into_iter().map(|(start, end)| (start.max(from), end)).filter(|(a, b)| a < b);
        parts.entry((weight, name)).or_default().extend(rest);
    }

    /// Tells of the bytes that differ in some stretches.
    fn bytes(
        &self,
        weight: DifferenceWeight,
        name: &str,
        parts: &[(u64, u64)],
        found: &mut DiffCollector,
    ) -> Result<(), DiffError> {
        let mut diff = ByteDiff::default();
        for (from, to) in parts {
            self.pair.compare(*from, *to, &mut diff).map_err(DiffError::Partition)?;
        }
        if let Some(change) = diff.finish() {
            found.add(weight, &below(self.place, name), "bytes", DiffChange::Bytes(change));
        }
        Ok(())
    }
}

/// What of `0..end` the stretches (sorted) leave out.
fn gaps(told: &[(u64, u64)], end: u64) -> Vec<(u64, u64)> {
    let mut gaps = Vec::new();
    let mut at = 0;
    for (from, to) in told {
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
