//! The boot sector as a geometry that is safe to compute with: every area is within the volume.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::super::corruption::{FatFinding, VolumeCorruption, VolumeLocation};
use super::super::spec::{ENTRY, FAT32_CLUSTERS};
use crate::fields;

/// How wide the entries of the file allocation table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FatWidth {
    /// 12 bits.
    Fat12,
    /// 16 bits.
    Fat16,
    /// 32 bits, of which 28 count.
    Fat32,
}

/// The highest number of clusters in entries of 28 bits, some of which are reserved.
const CLUSTERS_MAX: u64 = 0x0fff_fff4;

/// The geometry of a volume; offsets and lengths in bytes unless named in sectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct VolumeShape {
    /// Width of the entries of its allocation tables.
    pub width: FatWidth,
    /// Bytes in a sector.
    pub sector: u64,
    /// Sectors of the volume.
    pub sectors: u64,
    /// Bytes in a cluster.
    pub cluster: u64,
    /// Sectors before the first table.
    pub reserved_sectors: u16,
    /// Number of allocation tables.
    pub tables: u8,
    /// Length of a table.
    pub table_len: u64,
    /// The table that is in use.
    pub active: u8,
    /// First byte of the first table.
    pub tables_at: u64,
    /// First byte of the root directory of FAT12 and FAT16.
    pub root_at: u64,
    /// Its length; 0 for FAT32.
    pub root_len: u64,
    /// First cluster of the root directory of FAT32; else 0.
    pub root_cluster: u32,
    /// First byte of cluster 2.
    pub data_at: u64,
    /// Number of clusters; the first is cluster 2.
    pub clusters: u32,
    /// The media descriptor.
    pub media: u8,
    /// Sector of FSInfo; 0 or 0xffff for none.
    pub fsinfo_sector: u16,
    /// Sector of the copy of the boot sector; 0 or 0xffff for none.
    pub backup_sector: u16,
    /// Volume id.
    pub volume_id: u32,
    /// Label in the boot sector, padded with spaces.
    pub label: [u8; 11],
    /// Whether tables mirror each other.
    pub mirrored: bool,
}

impl VolumeShape {
    /// The number of the last cluster.
    pub fn last(&self) -> u32 {
        self.clusters.saturating_add(1)
    }

    /// Whether a cluster has that number.
    pub fn has(&self, cluster: u32) -> bool {
        (2..=self.last()).contains(&cluster)
    }

    /// First byte of a cluster that the volume has.
    pub fn offset(&self, cluster: u32) -> u64 {
        let index = u64::from(cluster.saturating_sub(2));
        self.data_at.saturating_add(index.saturating_mul(self.cluster))
    }

    /// The cluster of a byte at or after [`VolumeShape::data_at`].
    pub fn cluster_at(&self, byte: u64) -> Option<u32> {
        let index = byte.checked_sub(self.data_at)?.checked_div(self.cluster)?;
        u32::try_from(index).ok()?.checked_add(2)
    }

    /// First byte of a table, counted from 0.
    pub fn table(&self, index: u8) -> u64 {
        self.tables_at.saturating_add(u64::from(index).saturating_mul(self.table_len))
    }
}

/// Decodes a boot sector of a volume of `len` bytes.
pub(in super::super) fn decode(boot: &[u8; 512], len: u64) -> Result<VolumeShape, FatFinding> {
    decode_fields(boot, len).map_err(|corruption| corruption.at(VolumeLocation::Boot))
}

/// The 16-bit field if it is set, else the 32-bit one.
fn either(boot: &[u8], short: usize, long: usize) -> u64 {
    match fields::u16(boot, short) {
        0 => u64::from(fields::u32(boot, long)),
        set => u64::from(set),
    }
}

fn decode_fields(boot: &[u8; 512], len: u64) -> Result<VolumeShape, VolumeCorruption> {
    let areas = decode_areas(boot, len)?;
    let Areas { sector, sectors, table_sectors, start, clusters, .. } = areas;
    let width = width(boot, clusters);
    let count = u32::try_from(clusters).ok().filter(|_| clusters <= CLUSTERS_MAX);
    let mut shape = VolumeShape {
        width,
        sector,
        sectors,
        cluster: areas.cluster_sectors.saturating_mul(sector),
        reserved_sectors: fields::u16(boot, 14),
        tables: fields::u8(boot, 16),
        table_len: table_sectors.saturating_mul(sector),
        active: 0,
        tables_at: u64::from(fields::u16(boot, 14)).saturating_mul(sector),
        root_at: areas.root_start.saturating_mul(sector),
        root_len: u64::from(fields::u16(boot, 17)).saturating_mul(ENTRY as u64),
        root_cluster: 0,
        data_at: start.saturating_mul(sector),
        clusters: count.ok_or(VolumeCorruption::ManyClusters { clusters })?,
        media: fields::u8(boot, 21),
        fsinfo_sector: 0,
        backup_sector: 0,
        volume_id: fields::u32(boot, 39),
        label: fields::array(boot, 43),
        mirrored: true,
    };
    let entries = width.entries(shape.table_len);
    if entries < clusters.saturating_add(2) {
        return Err(VolumeCorruption::ShortTable { entries, clusters });
    }
    if width == FatWidth::Fat32 {
        decode_fat32(boot, &mut shape)?;
    }
    Ok(shape)
}

/// Where the areas of a volume start and how long they are; in sectors but for the length of one.
struct Areas {
    sector: u64,
    sectors: u64,
    cluster_sectors: u64,
    table_sectors: u64,
    root_start: u64,
    /// Where data starts.
    start: u64,
    clusters: u64,
}

fn decode_areas(boot: &[u8; 512], len: u64) -> Result<Areas, VolumeCorruption> {
    let (sector, cluster_sectors) = decode_units(boot)?;
    let reserved = fields::u16(boot, 14);
    if reserved == 0 {
        return Err(VolumeCorruption::NoReserved);
    }
    let tables = fields::u8(boot, 16);
    if tables == 0 {
        return Err(VolumeCorruption::NoTables);
    }
    let table_sectors = either(boot, 22, 36);
    if table_sectors == 0 {
        return Err(VolumeCorruption::NoTableSectors);
    }
    let sectors = either(boot, 19, 32);
    let available = len.checked_div(sector).unwrap_or(0);
    if sectors == 0 {
        return Err(VolumeCorruption::NoSectors);
    }
    if sectors > available {
        return Err(VolumeCorruption::PastEnd { stored: sectors, available });
    }
    let root_len = u64::from(fields::u16(boot, 17)).saturating_mul(ENTRY as u64);
    let root_start = u64::from(reserved).saturating_add(u64::from(tables).saturating_mul(table_sectors));
    let start = root_start.saturating_add(root_len.div_ceil(sector));
    let clusters = sectors.saturating_sub(start).checked_div(cluster_sectors).unwrap_or(0);
    if start >= sectors || clusters == 0 {
        return Err(VolumeCorruption::NoData { start, sectors });
    }
    Ok(Areas { sector, sectors, cluster_sectors, table_sectors, root_start, start, clusters })
}

/// Bytes of a sector and sectors of a cluster.
fn decode_units(boot: &[u8; 512]) -> Result<(u64, u64), VolumeCorruption> {
    let found = fields::u16(boot, 510);
    if found != 0xaa55 {
        return Err(VolumeCorruption::Signature { found });
    }
    let sector = fields::u16(boot, 11);
    if !matches!(sector, 512 | 1024 | 2048 | 4096) {
        return Err(VolumeCorruption::SectorLen { found: sector });
    }
    let cluster_sectors = fields::u8(boot, 13);
    if !cluster_sectors.is_power_of_two() {
        return Err(VolumeCorruption::ClusterLen { found: cluster_sectors });
    }
    Ok((u64::from(sector), u64::from(cluster_sectors)))
}

/// FAT32 has, as for Linux, a 16-bit table length of zero; the others differ by their clusters.
fn width(boot: &[u8], clusters: u64) -> FatWidth {
    if fields::u16(boot, 22) == 0 {
        FatWidth::Fat32
    } else if clusters < 4085 {
        FatWidth::Fat12
    } else {
        FatWidth::Fat16
    }
}

/// The fields that only FAT32 has.
fn decode_fat32(boot: &[u8], shape: &mut VolumeShape) -> Result<(), VolumeCorruption> {
    let found = fields::u16(boot, 42);
    if found != 0 {
        return Err(VolumeCorruption::Version { found });
    }
    let flags = fields::u8(boot, 40);
    if flags & 0x80 != 0 {
        shape.mirrored = false;
        shape.active = flags & 0x0f;
        if shape.active >= shape.tables {
            return Err(VolumeCorruption::ActiveTable { index: shape.active, tables: shape.tables });
        }
    }
    shape.root_cluster = fields::u32(boot, 44);
    if !shape.has(shape.root_cluster) {
        return Err(VolumeCorruption::NoSuchCluster { cluster: shape.root_cluster, last: shape.last() });
    }
    shape.fsinfo_sector = fields::u16(boot, 48);
    shape.backup_sector = fields::u16(boot, 50);
    shape.volume_id = fields::u32(boot, 67);
    shape.label = fields::array(boot, 71);
    Ok(())
}

/// What is wrong with a boot sector that can be read past.
pub(in super::super) fn oddities(shape: &VolumeShape) -> Vec<FatFinding> {
    let mut corruptions = Vec::new();
    if shape.width == FatWidth::Fat32 {
        let clusters = u64::from(shape.clusters);
        if clusters < FAT32_CLUSTERS {
            corruptions.push(VolumeCorruption::FewClusters { clusters });
        }
        let reserved = shape.reserved_sectors;
        let places = [("FSInfo sector", shape.fsinfo_sector), ("backup boot sector", shape.backup_sector)];
        for (what, sector) in places {
            // 0 and 0xffff mean that there is none.
            if sector >= reserved && sector != 0xffff {
                corruptions.push(VolumeCorruption::OutsideReserved { what, sector, reserved });
            }
        }
    }
    corruptions.into_iter().map(|corruption| corruption.at(VolumeLocation::Boot)).collect()
}
