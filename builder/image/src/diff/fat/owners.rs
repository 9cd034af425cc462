//! One side of a comparison of FAT file systems: which file or directory owns a cluster, and where its entry is.

use std::collections::BTreeMap;

use amiforge_formats::fat::read::{FatReadError, FatVolume, read};

use crate::diff::files::shown;
use crate::diff::images::RangeBytes;
use crate::inspect::SOURCE;

/// A FAT file system with its clusters by owner.
pub(super) struct FatSide {
    pub(super) volume: FatVolume,
    /// The first byte of the directory entry of every path.
    pub(super) entries: BTreeMap<String, u64>,
    /// The owner of every cluster that is in use.
    pub(super) owners: BTreeMap<u32, ClusterOwner>,
}

/// The owner of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClusterOwner {
    pub(super) path: String,
    /// Whether it is a directory.
    pub(super) directory: bool,
    /// Bytes of the file from the start of this cluster on.
    pub(super) left: u64,
}

impl FatSide {
    /// Reads a file system.
    pub(super) fn read(bytes: &RangeBytes<'_>) -> Result<Self, FatReadError> {
        let volume = read(bytes, SOURCE, 0)?;
        let (mut entries, mut owners) = (BTreeMap::new(), BTreeMap::new());
        for allocation in &volume.allocations {
            let path = shown(&allocation.path);
            if let Some(at) = allocation.entry_at {
                entries.insert(path.clone(), at);
            }
            let mut left = allocation.len.unwrap_or(0);
            let ranges = allocation.clusters.iter();
            for cluster in ranges.flat_map(|range| range.first..range.first + range.count) {
                let directory = allocation.len.is_none();
                owners.insert(cluster, ClusterOwner { path: path.clone(), directory, left });
                left = left.saturating_sub(volume.shape.cluster);
            }
        }
        Ok(Self { volume, entries, owners })
    }

    /// The values that two file systems share if they can be compared cluster by cluster.
    pub(super) fn layout(&self) -> [u64; 5] {
        let shape = &self.volume.shape;
        [shape.cluster, shape.tables_at, shape.table_len, shape.data_at, u64::from(shape.clusters)]
    }

    /// First byte of FSInfo, where FAT32 has one before its tables with a sector after it.
    pub(super) fn fs_info(&self) -> Option<u64> {
        self.reserved_pair(self.volume.shape.fsinfo_sector)
    }

    /// First byte of the copies of the boot sector and of FSInfo, where FAT32 has both before its tables.
    pub(super) fn backup_boot(&self) -> Option<u64> {
        self.reserved_pair(self.volume.shape.backup_sector)
    }

    fn reserved_pair(&self, sector: u16) -> Option<u64> {
        let shape = &self.volume.shape;
        let at = u64::from(sector) * shape.sector;
        (at > 0 && at + 2 * shape.sector <= shape.tables_at).then_some(at)
    }
}
