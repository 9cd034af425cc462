//! FAT32 writer: from a tree to a plan.
//!
//! Directories and files only; owners, modes and attributes cannot be stored on FAT and are left out. File contents stay
//! references. Unallocated clusters are free; the tables, the reserved sectors and what follows a file in its last
//! cluster read back as zero. `room` chooses the clusters.

mod draft;
mod encode;
mod error;
mod geometry;
mod names;
mod options;
mod room;

use std::sync::Arc;

pub use error::{FatWriteError, ShownPath};
pub use names::FatNameError;
pub use options::FatOptions;

use self::draft::{DraftFile, FatDraft};
use self::geometry::{CLASSES, FatGeometry, least_sectors};
use self::room::{ClusterRun, Placement, ROOMY, allocate, reach};
use super::spec::{FAT32_CLUSTERS, SECTOR};
use crate::plan::{Claims, Data, Plan, PlanError};
use crate::tree::{Origin, Tree};

/// What a minimal length is a multiple of.
const LEN_UNIT: u64 = 512 << 10;

/// Plans a volume of exactly `len` bytes, in whole sectors; the rest stays free.
///
/// # Errors
/// [`FatWriteError`] names what FAT cannot hold, or by how much the tree does not fit.
pub fn plan(tree: &Tree, options: &FatOptions, len: u64) -> Result<Plan, FatWriteError> {
    check_label(&options.label)?;
    let draft = FatDraft::new(tree, !options.label.is_empty())?;
    let geometry = FatGeometry::of(len)?;
    let cluster = geometry.cluster();
    let placement = allocate(&draft, &geometry).map_err(|clusters| FatWriteError::NoSpace {
        needed: clusters * cluster,
        available: geometry.clusters * cluster,
    })?;
    let mut claims = Claims::new(len);
    claim_reserved(options, &geometry, &placement, &mut claims);
    claim_tables(&geometry, &placement, &mut claims);
    for (index, run) in placement.dirs.iter().enumerate() {
        let bytes = encode::directory(&draft, index, &placement, options, cluster);
        claims.bytes(geometry.offset(run.first), bytes);
    }
    for (file, run) in draft.files.iter().zip(&placement.files) {
        if run.count > 0 {
            claims.plan(geometry.offset(run.first), file_plan(file, *run, cluster)?);
        }
    }
    Ok(claims.finish(&Data::Free)?)
}

/// The least length in bytes, a multiple of 512 KiB, at which [`plan`] of this tree succeeds with at least `slack` bytes
/// of clusters free and with the room between files that a stable layout wants.
///
/// # Errors
/// As [`plan`]; [`FatWriteError::TooLarge`] when no volume holds the tree.
pub fn minimal_len(tree: &Tree, options: &FatOptions, slack: u64) -> Result<u64, FatWriteError> {
    check_label(&options.label)?;
    let draft = FatDraft::new(tree, !options.label.is_empty())?;
    let mut shortest = 0;
    let mut needed = 0;
    for (most, cluster_sectors) in CLASSES {
        let cluster = cluster_sectors * SECTOR;
        let clusters = reach(&draft, cluster, ROOMY).saturating_add(slack.div_ceil(cluster));
        needed = clusters.saturating_mul(cluster);
        // More than any volume has would take the search for the least length beyond its numbers.
        if clusters > most {
            continue;
        }
        let sectors = least_sectors(clusters.max(FAT32_CLUSTERS), cluster_sectors).max(shortest);
        let len = (sectors * SECTOR).next_multiple_of(LEN_UNIT);
        if len <= most * SECTOR {
            return Ok(len);
        }
        shortest = most + 1;
    }
    Err(FatWriteError::TooLarge { len: needed })
}

/// Refuses a label that FAT cannot hold, or that its readers would change.
fn check_label(label: &str) -> Result<(), FatWriteError> {
    let sayable =
        |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b" $%'-_@~`!(){}^#&".contains(&byte);
    let fits = label.len() <= 11 && label.bytes().all(sayable) && label.trim() == label;
    if fits { Ok(()) } else { Err(FatWriteError::Label { label: label.to_owned() }) }
}

/// Claims the reserved sectors: boot sector and FSInfo, both twice.
fn claim_reserved(options: &FatOptions, geometry: &FatGeometry, placement: &Placement, claims: &mut Claims) {
    let mut sectors = vec![0; (geometry.reserved * SECTOR) as usize];
    let pair = [encode::boot_sector(options, geometry), encode::fsinfo(geometry, placement)].concat();
    for at in [0, usize::from(encode::BACKUP) * SECTOR as usize] {
        sectors[at..at + pair.len()].copy_from_slice(&pair);
    }
    claims.bytes(0, sectors);
}

/// Claims both tables, which share their bytes.
fn claim_tables(geometry: &FatGeometry, placement: &Placement, claims: &mut Claims) {
    let table: Arc<[u8]> = encode::table(placement).into();
    let rest = geometry.table_sectors * SECTOR - table.len() as u64;
    for index in 0..2 {
        let at = geometry.table(index);
        claims.bytes(at, Arc::clone(&table));
        claims.claim(at + table.len() as u64, rest, Data::Zero);
    }
}

/// A file's clusters: its bytes, zeros for its holes and after its end.
fn file_plan(file: &DraftFile, run: ClusterRun, cluster: u64) -> Result<Plan, PlanError> {
    let mut claims = Claims::new(u64::from(run.count) * cluster);
    for segment in file.content.segments() {
        let data = match segment.origin {
            Origin::Inline { bytes, at } => Data::Bytes { bytes, at },
            Origin::Slice { source, at } => Data::Slice { source, at },
        };
        claims.claim(segment.offset, segment.len, data);
    }
    claims.finish(&Data::Zero)
}
