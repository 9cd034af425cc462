//! Two volumes of one format: its structures at fixed offsets, its files, and the other bytes.
//!
//! This is enough for any format of the registry. Formats whose every byte can be explained have a comparison of their own.

use std::error::Error;

use amiforge_formats::tree::Tree;
use amiforge_formats::volume::format::VolumeFormat;

use super::DiffError;
use super::bytes;
use super::fields::{self, Explained};
use super::files::Trees;
use super::images::RangePair;
use super::report::{DiffChange, DiffCollector, DifferenceWeight, below};
use crate::inspect::{SOURCE, chain};

/// Compares two volumes of a format.
///
/// # Errors
/// [`DiffError`] when the media cannot be read.
pub(super) fn compare(
    format: &dyn VolumeFormat,
    pair: &RangePair<'_>,
    location: &[String],
    collector: &mut DiffCollector,
) -> Result<(), DiffError> {
    let structures = format.structures();
    for structure in structures {
        let (a, b) = pair.both(structure.at, structure.len).map_err(DiffError::Partition)?;
        let location = below(location, structure.name);
        fields::compare((&a, &b), structure.fields, Explained::default(), &location, collector);
    }
    let covered: Vec<_> = structures.iter().map(|one| (one.at, one.at.saturating_add(one.len))).collect();
    let body = below(location, format.body_name());
    if format.files().is_none() {
        let mut rest = DiffCollector::default();
        bytes::compare(pair, &covered, &body, &mut rest)?;
        if format.follows_another() {
            rest.follow_from(0);
        }
        collector.append(rest);
        return Ok(());
    }
    let read = |side| format.read(side, SOURCE);
    match (read(&pair.a), read(&pair.b)) {
        (Ok(a), Ok(b)) => {
            let (Some(a), Some(b)): (Option<Tree>, Option<Tree>) = (a.tree, b.tree) else { return Ok(()) };
            Trees { a: &a, b: &b, pair }.compare(location, collector)?;
        }
        (a, b) => {
            let (a, b) = (a.err(), b.err());
            let errors = [&a, &b].map(|error| error.as_ref().map(|error| &**error as &dyn Error));
            unreadable(errors, location, collector);
        }
    }
    let explained = !collector.is_empty();
    let mut rest = DiffCollector::default();
    bytes::compare(pair, &covered, &body, &mut rest)?;
    if explained {
        // Other files or fields have other bytes elsewhere.
        rest.follow_from(0);
    }
    collector.append(rest);
    Ok(())
}

/// Adds a note for each side that cannot be read.
pub(super) fn unreadable(
    errors: [Option<&dyn Error>; 2],
    location: &[String],
    collector: &mut DiffCollector,
) {
    for (side, error) in ["the first", "the second"].into_iter().zip(errors) {
        if let Some(error) = error {
            let text = format!("cannot be read: {}", chain(error));
            collector.add(DifferenceWeight::Own, location, side, DiffChange::Note(text));
        }
    }
}
