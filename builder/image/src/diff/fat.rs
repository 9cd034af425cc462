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

/// The boot sector of FAT32 (Microsoft, "FAT: General Overview of On-Disk Format", 1.03).
const BOOT: &[StructField] = &[
    StructField::own("BS_jmpBoot", 0, 3, FieldDisplay::Bytes),
    StructField::own("BS_OEMName", 3, 8, FieldDisplay::Text),
    StructField::number("BPB_BytsPerSec", 11, 2),
    StructField::number("BPB_SecPerClus", 13, 1),
    StructField::number("BPB_RsvdSecCnt", 14, 2),
    StructField::number("BPB_NumFATs", 16, 1),
    StructField::number("BPB_RootEntCnt", 17, 2),
    StructField::number("BPB_TotSec16", 19, 2),
    StructField::own("BPB_Media", 21, 1, FieldDisplay::Hex),
    StructField::number("BPB_FATSz16", 22, 2),
    StructField::number("BPB_SecPerTrk", 24, 2),
    StructField::number("BPB_NumHeads", 26, 2),
    StructField::number("BPB_HiddSec", 28, 4),
    StructField::number("BPB_TotSec32", 32, 4),
];

/// What follows in the boot sector of FAT32.
const BOOT_32: &[StructField] = &[
    StructField::number("BPB_FATSz32", 36, 4),
    StructField::own("BPB_ExtFlags", 40, 2, FieldDisplay::Hex),
    StructField::own("BPB_FSVer", 42, 2, FieldDisplay::Hex),
    StructField::number("BPB_RootClus", 44, 4),
    StructField::number("BPB_FSInfo", 48, 2),
    StructField::number("BPB_BkBootSec", 50, 2),
    StructField::own("BPB_Reserved", 52, 12, FieldDisplay::Bytes),
    StructField::number("BS_DrvNum", 64, 1),
    StructField::own("BS_Reserved1", 65, 1, FieldDisplay::Hex),
    StructField::own("BS_BootSig", 66, 1, FieldDisplay::Hex),
    StructField::own("BS_VolID", 67, 4, FieldDisplay::Hex),
    StructField::own("BS_VolLab", 71, 11, FieldDisplay::Text),
    StructField::own("BS_FilSysType", 82, 8, FieldDisplay::Text),
    StructField::own("boot code", 90, 420, FieldDisplay::Bytes),
    StructField::own("signature", 510, 2, FieldDisplay::Hex),
];

/// What follows in the boot sector of FAT12 and FAT16.
const BOOT_16: &[StructField] = &[
    StructField::number("BS_DrvNum", 36, 1),
    StructField::own("BS_Reserved1", 37, 1, FieldDisplay::Hex),
    StructField::own("BS_BootSig", 38, 1, FieldDisplay::Hex),
    StructField::own("BS_VolID", 39, 4, FieldDisplay::Hex),
    StructField::own("BS_VolLab", 43, 11, FieldDisplay::Text),
    StructField::own("BS_FilSysType", 54, 8, FieldDisplay::Text),
    StructField::own("boot code", 62, 448, FieldDisplay::Bytes),
    StructField::own("signature", 510, 2, FieldDisplay::Hex),
];

/// The FSInfo sector.
const FS_INFO: &[StructField] = &[
    StructField::own("FSI_LeadSig", 0, 4, FieldDisplay::Hex),
    StructField::own("FSI_Reserved1", 4, 480, FieldDisplay::Bytes),
    StructField::own("FSI_StrucSig", 484, 4, FieldDisplay::Hex),
    StructField::number("FSI_Free_Count", 488, 4).part(FieldRole::Count),
    StructField::number("FSI_Nxt_Free", 492, 4).part(FieldRole::Count),
    StructField::own("FSI_Reserved2", 496, 12, FieldDisplay::Bytes),
    StructField::own("FSI_TrailSig", 508, 4, FieldDisplay::Hex),
];

/// A record of a directory. Name, attribute bits and the time of writing are told with the file.
const RECORD: &[StructField] = &[
    StructField::own("DIR_Name", 0, 11, FieldDisplay::Text),
    StructField::own("DIR_Attr", 11, 1, FieldDisplay::Hex),
    StructField::own("DIR_NTRes", 12, 1, FieldDisplay::Hex),
    StructField::number("DIR_CrtTimeTenth", 13, 1),
    StructField::own("DIR_CrtTime", 14, 2, FieldDisplay::Hex),
    StructField::own("DIR_CrtDate", 16, 2, FieldDisplay::Hex),
    StructField::own("DIR_LstAccDate", 18, 2, FieldDisplay::Hex),
    StructField::own("DIR_FstClusHI", 20, 2, FieldDisplay::Number).part(FieldRole::Count),
    StructField::own("DIR_WrtTime", 22, 2, FieldDisplay::Hex).part(FieldRole::Skip),
    StructField::own("DIR_WrtDate", 24, 2, FieldDisplay::Hex).part(FieldRole::Skip),
    StructField::own("DIR_FstClusLO", 26, 2, FieldDisplay::Number).part(FieldRole::Count),
    StructField::own("DIR_FileSize", 28, 4, FieldDisplay::Number).part(FieldRole::Skip),
];

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
