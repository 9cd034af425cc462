//! FAT32 writer: from a tree to a plan.
//!
//! Directories and files only; owners, modes and attributes cannot be stored on FAT and are left out. File contents stay
//! references. Unallocated clusters are free; the tables, the reserved sectors and what follows a file in its last
//! cluster read back as zero. `room` chooses the clusters.

mod draft;
mod encode;
mod geometry;
mod names;
mod room;

use std::fmt;
use std::sync::Arc;

pub use names::NameFault;

use self::draft::{DraftFile, FatDraft};
use self::geometry::{CLASSES, FatGeometry, least_sectors};
use self::room::{ClusterRun, Placement, ROOMY, allocate, reach};
use super::spec::{FAT32_CLUSTERS, SECTOR};
use crate::plan::{Claims, Data, Plan, PlanError};
use crate::time::Time;
use crate::tree::{Origin, Printable, Tree};

/// What a minimal length is a multiple of.
const LEN_UNIT: u64 = 512 << 10;

/// What a FAT32 volume should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FatOptions {
    /// Volume id.
    pub volume_id: u32,
    /// Volume label: at most 11 characters of upper-case ASCII, or empty for none.
    pub label: String,
    /// Time of the volume label; every other time is that of a node.
    pub time: Time,
    /// Sectors before the volume: where its partition starts.
    pub hidden_sectors: u32,
}

/// A path of the tree, shown for people with a leading `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownPath(pub Vec<u8>);

impl fmt::Display for ShownPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", Printable(&self.0))
    }
}

/// Why a tree cannot be a FAT32 volume.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FatWriteError {
    /// Neither a file nor a directory.
    #[error("`{path}` is a {kind}, and FAT holds files and directories only")]
    Kind {
        /// Its path.
        path: ShownPath,
        /// What it is.
        kind: &'static str,
    },
    /// A name that FAT cannot hold.
    #[error("FAT cannot hold the name of `{path}`")]
    Name {
        /// Its path.
        path: ShownPath,
        /// Why not.
        source: NameFault,
    },
    /// Two names that differ in case only.
    #[error("`{a}` and `{b}` are one name on FAT, which ignores case")]
    SameName {
        /// The one.
        a: ShownPath,
        /// The other.
        b: ShownPath,
    },
    /// A file longer than FAT can count.
    #[error("`{path}` has {len} bytes, and a file on FAT at most {}", u32::MAX)]
    FileTooLong {
        /// Its path.
        path: ShownPath,
        /// Its length.
        len: u64,
    },
    /// A directory with more entries than FAT can count; a long name takes several.
    #[error(
        "directory `{path}` takes {entries} entries, and on FAT one has at most {}",
        super::spec::ENTRIES_MAX
    )]
    DirTooLong {
        /// Its path.
        path: ShownPath,
        /// Entries that it takes.
        entries: usize,
    },
    /// A directory deeper than we read.
    #[error("directory `{path}` is more than {} directories deep", super::spec::DEPTH_MAX)]
    TooDeep {
        /// Its path.
        path: ShownPath,
    },
    /// A label that FAT cannot hold.
    #[error(
        "`{label}` cannot be a FAT label: at most 11 characters of A-Z, 0-9, space and $%'-_@~`!(){{}}^#&, no space at an end"
    )]
    Label {
        /// The label.
        label: String,
    },
    /// Too short to be FAT32.
    #[error("{len} bytes are too few for a FAT32 volume, which has at least {least}")]
    TooSmall {
        /// Bytes there are.
        len: u64,
        /// Bytes that the smallest volume has.
        least: u64,
    },
    /// Longer than FAT32 can count.
    #[error("{len} bytes are too many for a FAT32 volume, which has less than 2 TiB")]
    TooLarge {
        /// Bytes there are.
        len: u64,
    },
    /// The tree needs more space than there is.
    #[error("the tree needs {needed} bytes and the volume has {available}: {} too few", needed - available)]
    NoSpace {
        /// Bytes needed, in whole clusters.
        needed: u64,
        /// Bytes of clusters there are.
        available: u64,
    },
    /// The parts overlap: segments of a file do, or this program has a bug.
    #[error("composing the volume")]
    Plan(#[from] PlanError),
}

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
