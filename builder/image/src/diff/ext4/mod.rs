//! Two ext4 file systems: superblock, files, inodes, and the blocks that these do not explain.
//!
//! Knows the structures by their fields; reads them with the reader of `formats`.

mod inodes;
mod leftovers;
mod roles;

use std::error::Error;

use amiforge_formats::ext4::fields;
use amiforge_formats::ext4::read::{self, Features, FileSystem, NumberedTree};

pub(super) use roles::{Role, Roles};

use super::DiffError;
use super::bytes;
use super::fields::{Explained, compare as compare_fields};
use super::files::{TreeComparison, Trees};
use super::images::{RangeBytes, RangePair};
use super::report::{DiffChange, DiffCollector, DifferenceWeight, below};
use super::volume::unreadable;
use crate::inspect::{SOURCE, chain};

/// Offset and length of the superblock.
const SUPERBLOCK: (u64, usize) = (1024, 1024);

/// One side: the file system, its tree, and the inodes of its nodes.
pub(super) struct Ext4Side<'a> {
    pub(super) system: FileSystem<'a, RangeBytes<'a>>,
    pub(super) files: NumberedTree,
}

impl<'a> Ext4Side<'a> {
    pub(super) fn read(bytes: &'a RangeBytes<'a>) -> Result<Self, read::Ext4ReadError> {
        let system = read::open(bytes)?;
        let files = system.numbered_tree(SOURCE)?;
        Ok(Self { system, files })
    }
}

/// Both sides, and the results of the first steps, which decide the weights of later differences.
pub(super) struct Sides<'a> {
    pub(super) a: Ext4Side<'a>,
    pub(super) b: Ext4Side<'a>,
    pub(super) outcome: TreeComparison,
    /// The seed of every checksum differs, so all of them do.
    pub(super) reseeded: bool,
}

impl Sides<'_> {
    /// The weight of a difference of locations: its own only while the files are equal.
    pub(super) fn placement(&self) -> DifferenceWeight {
        if self.outcome.structural { DifferenceWeight::Follows } else { DifferenceWeight::Own }
    }

    pub(super) fn explained(&self) -> Explained {
        Explained { counts: self.outcome.structural, checksums: self.reseeded }
    }
}

/// Compares two ext4 file systems.
///
/// # Errors
/// [`DiffError`] when the media cannot be read.
pub(super) fn compare(
    pair: &RangePair<'_>,
    location: &[String],
    collector: &mut DiffCollector,
) -> Result<(), DiffError> {
    let mut here = DiffCollector::default();
    match explained(pair, location, &mut here) {
        // Corruption below the tree: the differences so far stay, and the bytes are compared.
        Err(DiffError::Ext4(error)) => {
            let text = format!("cannot be read to its end: {}", chain(&error));
            here.add(DifferenceWeight::Own, location, "one of both", DiffChange::Note(text));
            bytes::compare(pair, &[], location, &mut here)?;
        }
        other => other?,
    }
    collector.append(here);
    Ok(())
}

/// Compares from the superblock down to the blocks.
fn explained(
    pair: &RangePair<'_>,
    location: &[String],
    collector: &mut DiffCollector,
) -> Result<(), DiffError> {
    let sides = match (Ext4Side::read(&pair.a), Ext4Side::read(&pair.b)) {
        (Ok(a), Ok(b)) => (a, b),
        (a, b) => {
            let (a, b) = (a.err(), b.err());
            let errors = [&a, &b].map(|error| error.as_ref().map(|error| error as &dyn Error));
            unreadable(errors, location, collector);
            superblocks(pair, Explained::default(), &below(location, "superblock"), collector)?;
            return bytes::compare(
                pair,
                &[(SUPERBLOCK.0, SUPERBLOCK.0 + SUPERBLOCK.1 as u64)],
                location,
                collector,
            );
        }
    };
    let mut below_superblock = DiffCollector::default();
    let trees = Trees { a: &sides.0.files.tree, b: &sides.1.files.tree, pair };
    let outcome = trees.compare(location, &mut below_superblock)?;
    let seeds = (sides.0.system.superblock().checksum_seed, sides.1.system.superblock().checksum_seed);
    let sides = Sides { a: sides.0, b: sides.1, outcome, reseeded: seeds.0 != seeds.1 };
    superblocks(pair, sides.explained(), &below(location, "superblock"), collector)?;
    collector.append(below_superblock);
    inodes::compare(&sides, pair, location, collector)?;
    leftovers::compare(&sides, pair, location, collector)
}

/// Compares the primary superblocks.
fn superblocks(
    pair: &RangePair<'_>,
    explained: Explained,
    location: &[String],
    collector: &mut DiffCollector,
) -> Result<(), DiffError> {
    let (a, b) = pair.both(SUPERBLOCK.0, SUPERBLOCK.1 as u64).map_err(DiffError::Partition)?;
    superblock((&a, &b), explained, location, collector);
    Ok(())
}

/// Compares two copies of a superblock, features by name.
pub(super) fn superblock(
    (a, b): (&[u8], &[u8]),
    explained: Explained,
    location: &[String],
    collector: &mut DiffCollector,
) {
    let (in_a, in_b) = (features(a), features(b));
    let differ = in_a != in_b;
    if differ {
        let (in_a, in_b) = (in_a.names(), in_b.names());
        let lost = in_a.iter().filter(|name| !in_b.contains(name)).map(|name| format!("-{name}"));
        let gained = in_b.iter().filter(|name| !in_a.contains(name)).map(|name| format!("+{name}"));
        let text = lost.chain(gained).collect::<Vec<_>>().join(" ");
        collector.add(DifferenceWeight::Own, location, "features", DiffChange::Note(text));
    }
    let explained = Explained { checksums: explained.checksums || differ, ..explained };
    compare_fields((a, b), fields::SUPERBLOCK, explained, location, collector);
}

/// The feature bits of a superblock.
fn features(raw: &[u8]) -> Features {
    let field = |at: usize| {
        let bytes = raw.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_le_bytes)
    };
    Features { compat: field(0x5c), incompat: field(0x60), ro_compat: field(0x64) }
}
