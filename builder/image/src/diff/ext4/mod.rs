//! Two ext4 file systems: superblock, files, inodes, and the blocks that these do not explain.
//!
//! Knows the structures by their fields; reads them with the reader of `formats`.

mod inodes;
mod leftovers;
mod roles;
mod sides;
mod superblock;

use std::error::Error;

pub(super) use roles::{Role, Roles};
pub(super) use sides::Ext4Side;

use super::DiffError;
use super::bytes;
use super::fields::Explained;
use super::files::Trees;
use super::images::RangePair;
use super::report::{DiffChange, DiffCollector, DifferenceWeight, below};
use super::volume::unreadable;
use crate::inspect::chain;
use sides::Sides;
use superblock::{SUPERBLOCK, superblocks};

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
