//! Where things stand in a FAT file system: tables, clusters, whose they are, and the records of directories.
//!
//! Read apart from the reader of `formats`, which gives contents and no places of metadata. It bounds every loop by the
//! number of clusters and gives up rather than guess.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_formats::read_at::ReadAt;
use amiforge_formats::tree::Printable;

use crate::diff::pair::Bytes;

/// Longest table that is read.
const TABLE_MAX: u64 = 1 << 30;

/// Places and owners.
#[derive(Debug)]
pub(super) struct FatLayout {
    pub(super) sector: u64,
    /// Bytes in a cluster.
    pub(super) cluster: u64,
    /// First byte of the first table.
    pub(super) tables_at: u64,
    pub(super) tables: u64,
    /// Bytes of a table.
    pub(super) table_len: u64,
    /// The root directory of FAT12 and FAT16; no bytes with FAT32.
    pub(super) root_at: u64,
    pub(super) root_len: u64,
    /// First byte of cluster 2.
    pub(super) data_at: u64,
    /// Number of clusters.
    pub(super) clusters: u32,
    pub(super) fs_info: Option<u64>,
    pub(super) backup_boot: Option<u64>,
    bits: u32,
    /// The first byte of the record of every path.
    pub(super) records: BTreeMap<String, u64>,
    owners: BTreeMap<u32, ClusterOwner>,
}

/// Whose a cluster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClusterOwner {
    pub(super) path: String,
    pub(super) folder: bool,
    /// Bytes of the file from the start of this cluster on.
    pub(super) left: u64,
}

/// A directory still to be read.
struct UnreadDir {
    path: String,
    /// First cluster; 0 is the root directory of FAT12 and FAT16.
    cluster: u32,
}

impl FatLayout {
    /// Reads the layout; `None` when it makes no sense.
    pub(super) fn read(bytes: &Bytes<'_>) -> Option<Self> {
        let mut boot = [0; 512];
        bytes.read_exact_at(0, &mut boot).ok()?;
        let mut layout = Self::geometry(&boot)?;
        if layout.table_len > TABLE_MAX || layout.data_at > bytes.size() {
            return None;
        }
        let mut table = vec![0; usize::try_from(layout.table_len).ok()?];
        bytes.read_exact_at(layout.tables_at, &mut table).ok()?;
        let root = if layout.bits == 32 { word32(&boot, 44) } else { 0 };
        let mut pending = vec![UnreadDir { path: String::new(), cluster: root }];
        let mut met = BTreeSet::new();
        while let Some(folder) = pending.pop() {
            if met.insert(folder.cluster) {
                layout.folder(bytes, &table, &folder, &mut pending)?;
            }
        }
        Some(layout)
    }

    /// The places that follow from the boot sector.
    fn geometry(boot: &[u8; 512]) -> Option<Self> {
        let sector = u64::from(word16(boot, 11));
        let cluster = sector * u64::from(boot[13]);
        if !sector.is_power_of_two() || sector < 512 || cluster == 0 {
            return None;
        }
        let reserved = u64::from(word16(boot, 14));
        let sixteen = u64::from(word16(boot, 22));
        let table_len = sector * if sixteen > 0 { sixteen } else { word32(boot, 36).into() };
        let tables = u64::from(boot[16]);
        let total = match word16(boot, 19) {
            0 => u64::from(word32(boot, 32)),
            few => u64::from(few),
        };
        let tables_at = reserved * sector;
        let root_at = tables_at + tables * table_len;
        let root_len = (u64::from(word16(boot, 17)) * 32).next_multiple_of(sector);
        let data_at = root_at + root_len;
        let clusters = u32::try_from((total * sector).checked_sub(data_at)? / cluster).ok()?;
        let bits = match clusters {
            _ if sixteen == 0 => 32,
            0..4085 => 12,
            _ => 16,
        };
        let place = |at: usize| (bits == 32).then(|| u64::from(word16(boot, at)) * sector);
        let within = |place: Option<u64>| place.filter(|at| *at > 0 && at + 2 * sector <= tables_at);
        Some(Self {
            sector,
            cluster,
            tables_at,
            tables,
            table_len,
            root_at,
            root_len,
            data_at,
            clusters,
            fs_info: within(place(48)),
            backup_boot: within(place(50)),
            bits,
            records: BTreeMap::new(),
            owners: BTreeMap::new(),
        })
    }

    /// Whether two file systems can be compared cluster by cluster.
    pub(super) fn shape(&self) -> [u64; 5] {
        [self.cluster, self.tables_at, self.table_len, self.data_at, u64::from(self.clusters)]
    }

    /// Whose the clusters are.
    pub(super) fn owners(&self) -> &BTreeMap<u32, ClusterOwner> {
        &self.owners
    }

    /// First byte of a cluster.
    pub(super) fn offset(&self, cluster: u32) -> u64 {
        self.data_at + u64::from(cluster.saturating_sub(2)) * self.cluster
    }

    /// The cluster of a byte.
    pub(super) fn cluster_at(&self, at: u64) -> Option<u32> {
        u32::try_from(at.checked_sub(self.data_at)? / self.cluster).ok()?.checked_add(2)
    }

    /// An entry of a table.
    pub(super) fn entry(&self, table: &[u8], cluster: u32) -> Option<u32> {
        let index = cluster as usize;
        Some(match self.bits {
            12 => {
                let at = index + index / 2;
                let pair = u16::from_le_bytes(table.get(at..at + 2)?.try_into().ok()?);
                u32::from(if index % 2 == 1 { pair >> 4 } else { pair & 0xfff })
            }
            16 => u16::from_le_bytes(table.get(index * 2..index * 2 + 2)?.try_into().ok()?).into(),
            _ => u32::from_le_bytes(table.get(index * 4..index * 4 + 4)?.try_into().ok()?) & 0x0fff_ffff,
        })
    }

    /// The clusters of a chain.
    fn chain(&self, table: &[u8], first: u32) -> Vec<u32> {
        let valid = |cluster: u32| (2..self.clusters.saturating_add(2)).contains(&cluster);
        let mut chain = Vec::new();
        let mut next = first;
        while valid(next) && chain.len() <= self.clusters as usize {
            chain.push(next);
            next = self.entry(table, next).unwrap_or(0);
        }
        chain
    }

    /// Reads a directory: its records, and whose the clusters of its files are.
    fn folder(
        &mut self,
        bytes: &Bytes<'_>,
        table: &[u8],
        folder: &UnreadDir,
        pending: &mut Vec<UnreadDir>,
    ) -> Option<()> {
        let path = if folder.path.is_empty() { "/".to_owned() } else { folder.path.clone() };
        let clusters = self.chain(table, folder.cluster);
        let parts: Vec<(u64, u64)> = match folder.cluster {
            0 => vec![(self.root_at, self.root_len)],
            _ => clusters.iter().map(|cluster| (self.offset(*cluster), self.cluster)).collect(),
        };
        for cluster in clusters {
            self.owners.insert(cluster, ClusterOwner { path: path.clone(), folder: true, left: 0 });
        }
        let mut long = LongName::default();
        for (at, len) in parts {
            let mut raw = vec![0; usize::try_from(len).ok()?];
            bytes.read_exact_at(at, &mut raw).ok()?;
            for (index, record) in raw.chunks_exact(32).enumerate() {
                match record[0] {
                    0 => return Some(()),
                    0xe5 => long = LongName::default(),
                    _ if record[11] & 0x3f == 0x0f => long.push(record),
                    // The volume's label and the links to itself and above.
                    b'.' => {}
                    _ if record[11] & 0x08 != 0 => long = LongName::default(),
                    _ => {
                        let name = std::mem::take(&mut long).name(record);
                        let path = format!("{}/{name}", folder.path);
                        self.record(table, (record, at + index as u64 * 32), path, pending);
                    }
                }
            }
        }
        Some(())
    }

    /// Takes a record of a file or folder in.
    fn record(
        &mut self,
        table: &[u8],
        (record, at): (&[u8], u64),
        path: String,
        pending: &mut Vec<UnreadDir>,
    ) {
        let first = u32::from(word16(record, 20)) << 16 | u32::from(word16(record, 26));
        self.records.insert(path.clone(), at);
        if record[11] & 0x10 != 0 {
            if first > 0 {
                pending.push(UnreadDir { path, cluster: first });
            }
            return;
        }
        let mut left = u64::from(word32(record, 28));
        for cluster in self.chain(table, first) {
            self.owners.insert(cluster, ClusterOwner { path: path.clone(), folder: false, left });
            left = left.saturating_sub(self.cluster);
        }
    }
}

/// The long name that the records before a file's own give it.
#[derive(Debug, Default)]
struct LongName {
    /// Units of the pieces in the order of the disk, which is backwards.
    pieces: Vec<Vec<u16>>,
}

impl LongName {
    fn push(&mut self, record: &[u8]) {
        let at = (1..11).step_by(2).chain((14..26).step_by(2)).chain((28..32).step_by(2));
        self.pieces.push(at.map(|at| word16(record, at)).collect());
    }

    /// The name of the file: the long one, or the short one as it is shown.
    fn name(self, record: &[u8]) -> String {
        if self.pieces.is_empty() {
            return short_name(record);
        }
        let units = self.pieces.iter().rev().flatten().copied();
        let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
        Printable(String::from_utf16_lossy(&units).as_bytes()).to_string()
    }
}

/// A short name with its dot; the flags of NT make a part small.
fn short_name(record: &[u8]) -> String {
    let part = |bytes: &[u8], small: bool| {
        let end = bytes.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
        let text = Printable(&bytes[..end]).to_string();
        if small { text.to_ascii_lowercase() } else { text }
    };
    let base = part(&record[..8], record[12] & 0x08 != 0);
    let extension = part(&record[8..11], record[12] & 0x10 != 0);
    if extension.is_empty() { base } else { format!("{base}.{extension}") }
}

fn word16(raw: &[u8], at: usize) -> u16 {
    raw.get(at..at + 2).and_then(|field| field.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn word32(raw: &[u8], at: usize) -> u32 {
    raw.get(at..at + 4).and_then(|field| field.try_into().ok()).map_or(0, u32::from_le_bytes)
}
