//! The shape of a FAT32 volume of a given length: cluster size, tables, data.
//!
//! Clusters are as large as mkfs.fat makes them by the length of the volume, but the volume is FAT32 at any length. The
//! reserved sectors are as many more as let the data start at a multiple of a cluster and of 4 KiB.

use super::super::spec::{FAT32_CLUSTERS, SECTOR};
use super::error::FatWriteError;

/// Sectors before the tables, at least.
const RESERVED_MIN: u64 = 32;

/// Sectors in 4 KiB, the unit in which media are written.
const PAGE_SECTORS: u64 = 8;

/// Table entries in a sector.
const ENTRIES_PER_SECTOR: u64 = 128;

/// Largest volume of a cluster size in sectors, and the sectors of a cluster.
pub(super) const CLASSES: [(u64, u64); 5] = [
    (260 << 11, 1),
    (8 << 21, 8),
    (16 << 21, 16),
    (32 << 21, 32),
    // The boot sector counts sectors in 32 bits.
    (u32::MAX as u64, 64),
];

/// The shape of a volume; lengths in sectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FatGeometry {
    pub(super) sectors: u64,
    pub(super) cluster_sectors: u64,
    pub(super) reserved: u64,
    pub(super) table_sectors: u64,
    pub(super) clusters: u64,
}

impl FatGeometry {
    /// The shape of a volume of `len` bytes.
    pub(super) fn of(len: u64) -> Result<Self, FatWriteError> {
        let sectors = len / SECTOR;
        let class = CLASSES.iter().find(|(most, _)| sectors <= *most);
        let (_, cluster_sectors) = *class.ok_or(FatWriteError::TooLarge { len })?;
        let shape = Self::shape(sectors, cluster_sectors).filter(|shape| shape.clusters >= FAT32_CLUSTERS);
        shape.ok_or_else(|| FatWriteError::TooSmall { len, least: least_sectors(FAT32_CLUSTERS, 1) * SECTOR })
    }

    /// The shape of a volume with clusters of that size; `None` when there is no room for data.
    fn shape(sectors: u64, cluster_sectors: u64) -> Option<Self> {
        // From: clusters * size + 2 * tables + reserved <= sectors, and clusters + 2 <= 128 * tables.
        let per_table_sector = ENTRIES_PER_SECTOR * cluster_sectors + 2;
        let after_reserved = sectors.checked_sub(RESERVED_MIN)?;
        let table_sectors = (after_reserved + 2 * cluster_sectors).div_ceil(per_table_sector);
        let data = data_start(table_sectors, cluster_sectors);
        let clusters = sectors.checked_sub(data)? / cluster_sectors;
        Some(Self { sectors, cluster_sectors, reserved: data - 2 * table_sectors, table_sectors, clusters })
    }

    /// Bytes of a cluster.
    pub(super) fn cluster(&self) -> u64 {
        self.cluster_sectors * SECTOR
    }

    /// First byte of a table, counted from 0.
    pub(super) fn table(&self, index: u64) -> u64 {
        (self.reserved + index * self.table_sectors) * SECTOR
    }

    /// First byte of a cluster, of which 2 is the first.
    pub(super) fn offset(&self, cluster: u32) -> u64 {
        self.table(2) + (u64::from(cluster) - 2) * self.cluster()
    }
}

/// The sector at which data starts.
fn data_start(table_sectors: u64, cluster_sectors: u64) -> u64 {
    (RESERVED_MIN + 2 * table_sectors).next_multiple_of(cluster_sectors.max(PAGE_SECTORS))
}

/// The least number of sectors of a volume with this number of clusters of that size.
pub(super) fn least_sectors(clusters: u64, cluster_sectors: u64) -> u64 {
    let tables = (clusters + 2).div_ceil(ENTRIES_PER_SECTOR);
    let mut sectors = data_start(tables, cluster_sectors) + clusters * cluster_sectors;
    // Alignment may have moved the tables' length up by a sector; a few sectors more make up for it.
    while FatGeometry::shape(sectors, cluster_sectors).is_none_or(|shape| shape.clusters < clusters) {
        sectors += 1;
    }
    sectors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_hold_every_cluster_and_data_is_aligned() {
        let mib = |n: u64| n << 20;
        let lens =
            [mib(33), mib(34) + 512, mib(64), mib(260), mib(260) + 512, mib(8192), mib(16385), mib(1 << 20)];
        for len in lens {
            let shape = FatGeometry::of(len).unwrap();
            assert!(shape.table_sectors * ENTRIES_PER_SECTOR >= shape.clusters + 2, "{shape:?}");
            assert_eq!(shape.table(2) % shape.cluster().max(4096), 0);
            let end = shape.table(2) + shape.clusters * shape.cluster();
            assert!(end <= len && end + shape.cluster() > len);
        }
    }

    #[test]
    fn the_least_volume_is_the_least() {
        let least = least_sectors(FAT32_CLUSTERS, 1) * SECTOR;
        assert!(FatGeometry::of(least).is_ok());
        let len = least - 1;
        assert_eq!(FatGeometry::of(len), Err(FatWriteError::TooSmall { len, least }));
        assert!(matches!(FatGeometry::of(2 << 40), Err(FatWriteError::TooLarge { .. })));
    }
}
