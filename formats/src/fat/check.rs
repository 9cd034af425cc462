//! FAT checker: everything that is wrong or odd about a volume.
//!
//! Walks through it as the reader does, and looks at what a reader need not care for: the copies of boot sector and
//! table, FSInfo, clusters in use by nothing, labels.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::corruption::{FatFinding, VolumeCorruption, VolumeLocation};
use super::read::boot::{self, VolumeShape};
use super::read::scan::{ScanMode, Scanned, VolumeOrigin, scan};
use super::read::table::{AllocationTable, ClusterLink};
use super::read::{FatReadError, FatWidth, boot_sector};
use crate::fields;
use crate::plan::SourceId;
use crate::read_at::ReadAt;

/// Bytes of the tables that are compared at once.
const CHUNK: u64 = 64 << 10;

/// Checks a volume. No findings mean one that fsck.fat takes; a boot sector that cannot be used is the only finding.
///
/// # Errors
/// [`FatReadError::Io`] when the volume cannot be read.
pub fn check(volume: &dyn ReadAt) -> Result<Vec<FatFinding>, FatReadError> {
    let boot = match boot_sector(volume) {
        Ok(boot) => boot,
        Err(FatReadError::Damaged(finding)) => return Ok(vec![*finding]),
        Err(error) => return Err(error),
    };
    let shape = match boot::decode(&boot, volume.size()) {
        Ok(shape) => shape,
        Err(finding) => return Ok(vec![finding]),
    };
    let mut findings = boot::oddities(&shape);
    let mut table = AllocationTable::new(volume, shape);
    findings.extend(check_backup(volume, &shape, &boot)?);
    findings.extend(check_first_entries(&shape, &mut table)?);
    findings.extend(compare_tables(volume, &shape)?);
    let origin = VolumeOrigin { source: SourceId(0), at: 0 };
    let scanned = scan(volume, shape, origin, ScanMode::Check)?;
    let counted = count(&shape, &mut table, &scanned)?;
    findings.extend(check_label(&shape, &scanned));
    findings.extend(counted.lost());
    findings.extend(check_fsinfo(volume, &shape, counted.free)?);
    findings.extend(scanned.findings);
    Ok(findings)
}

/// The first 512 bytes of a sector.
fn sector(volume: &dyn ReadAt, shape: &VolumeShape, sector: u16) -> Result<[u8; 512], FatReadError> {
    let at = u64::from(sector).saturating_mul(shape.sector);
    let mut bytes = [0; 512];
    volume.read_exact_at(at, &mut bytes).map_err(|source| FatReadError::Io { at, source })?;
    Ok(bytes)
}

/// Whether a sector of FAT32 that the boot sector points to is there.
fn points(shape: &VolumeShape, sector: u16) -> bool {
    shape.width == FatWidth::Fat32 && sector > 0 && sector < shape.reserved_sectors
}

/// The backup of the boot sector is the same.
fn check_backup(
    volume: &dyn ReadAt,
    shape: &VolumeShape,
    boot: &[u8; 512],
) -> Result<Option<FatFinding>, FatReadError> {
    if !points(shape, shape.backup_sector) {
        return Ok(None);
    }
    let backup = sector(volume, shape, shape.backup_sector)?;
    // Byte 65 holds the dirty marks, which Windows sets in the first copy only.
    let differing = boot.iter().zip(&backup).enumerate().find(|(at, (a, b))| a != b && *at != 65);
    Ok(differing.map(|(at, (expected, found))| {
        VolumeCorruption::BackupDiffers { at, found: *found, expected: *expected }
            .at(VolumeLocation::BackupBoot)
    }))
}

/// The two entries of the table that belong to no cluster.
fn check_first_entries(
    shape: &VolumeShape,
    table: &mut AllocationTable,
) -> Result<Vec<FatFinding>, FatReadError> {
    let location = || VolumeLocation::Table { index: shape.active };
    let mask = shape.width.mask();
    let mut findings = Vec::new();
    let found = table.value(0)?;
    if found != mask & !0xff | u32::from(shape.media) {
        findings.push(VolumeCorruption::Media { found, media: shape.media }.at(location()));
    }
    // Two high bits of entry 1 are set while a volume is in order; FAT12 has none.
    let clean = match shape.width {
        FatWidth::Fat12 => 0,
        FatWidth::Fat16 => 0xc000,
        FatWidth::Fat32 => 0x0c00_0000,
    };
    if table.value(1)? & clean != clean {
        findings.push(VolumeCorruption::Dirty.at(location()));
    }
    Ok(findings)
}

/// All tables are the same, unless the volume does not mirror them.
fn compare_tables(volume: &dyn ReadAt, shape: &VolumeShape) -> Result<Vec<FatFinding>, FatReadError> {
    let mut findings = Vec::new();
    let copies = if shape.mirrored { 1..shape.tables } else { 1..1 };
    let (mut first, mut other) = (Vec::new(), Vec::new());
    for index in copies {
        let mut at = 0_u64;
        while at < shape.table_len {
            let len = shape.table_len.saturating_sub(at).min(CHUNK) as usize;
            for (table, chunk) in [(0, &mut first), (index, &mut other)] {
                let from = shape.table(table).saturating_add(at);
                chunk.resize(len, 0);
                volume.read_exact_at(from, chunk).map_err(|source| FatReadError::Io { at: from, source })?;
            }
            if let Some(differs) = first.iter().zip(&other).position(|(a, b)| a != b) {
                let at = at.saturating_add(differs as u64);
                findings.push(VolumeCorruption::TablesDiffer { at }.at(VolumeLocation::Table { index }));
                break;
            }
            at = at.saturating_add(CHUNK);
        }
    }
    Ok(findings)
}

/// Numbers of clusters by their entries in the table.
#[derive(Debug, Default)]
struct Counted {
    free: u32,
    lost: u32,
    first_lost: u32,
    table: u8,
}

impl Counted {
    fn lost(&self) -> Option<FatFinding> {
        let corruption = VolumeCorruption::Lost { count: self.lost, first: self.first_lost };
        (self.lost > 0).then(|| corruption.at(VolumeLocation::Table { index: self.table }))
    }
}

/// Counts free clusters, and those in use by nothing.
fn count(
    shape: &VolumeShape,
    table: &mut AllocationTable,
    scanned: &Scanned,
) -> Result<Counted, FatReadError> {
    let mut counted = Counted { table: shape.active, ..Counted::default() };
    for cluster in 2..=shape.last() {
        match table.link(cluster)? {
            ClusterLink::Free => counted.free = counted.free.saturating_add(1),
            ClusterLink::Bad => {}
            ClusterLink::End | ClusterLink::Next(_) if scanned.used.has(cluster) => {}
            ClusterLink::End | ClusterLink::Next(_) => {
                if counted.lost == 0 {
                    counted.first_lost = cluster;
                }
                counted.lost = counted.lost.saturating_add(1);
            }
        }
    }
    Ok(counted)
}

/// The boot sector has the label of the root directory.
fn check_label(shape: &VolumeShape, scanned: &Scanned) -> Option<FatFinding> {
    let (boot, root) = (shape.label, scanned.label?);
    (boot != root).then(|| VolumeCorruption::Label { boot, root }.at(VolumeLocation::Boot))
}

/// FSInfo has its signatures and counts rightly.
fn check_fsinfo(
    volume: &dyn ReadAt,
    shape: &VolumeShape,
    counted: u32,
) -> Result<Vec<FatFinding>, FatReadError> {
    if !points(shape, shape.fsinfo_sector) {
        return Ok(Vec::new());
    }
    let fsinfo = sector(volume, shape, shape.fsinfo_sector)?;
    let signatures = [(0, 0x4161_5252), (484, 0x6141_7272), (508, 0xaa55_0000)];
    let mut corruptions = Vec::new();
    for (at, expected) in signatures {
        let found = fields::u32(&fsinfo, at);
        if found != expected {
            corruptions.push(VolumeCorruption::FsInfoSignature { found, expected });
        }
    }
    let (stored, hint) = (fields::u32(&fsinfo, 488), fields::u32(&fsinfo, 492));
    // All ones mean unknown.
    if corruptions.is_empty() && stored != u32::MAX && stored != counted {
        corruptions.push(VolumeCorruption::FreeCount { stored, counted });
    }
    if corruptions.is_empty() && hint != u32::MAX && !shape.has(hint) {
        corruptions.push(VolumeCorruption::FreeHint { found: hint });
    }
    Ok(corruptions.into_iter().map(|corruption| corruption.at(VolumeLocation::FsInfo)).collect())
}
