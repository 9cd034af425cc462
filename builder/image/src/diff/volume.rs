//! Two volumes of one format: its structures at fixed places, its files, and the other bytes.
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
    place: &[String],
    found: &mut DiffCollector,
) -> Result<(), DiffError> {
    let structures = format.structures();
    for structure in structures {
        let (a, b) = pair.both(structure.at, structure.len).map_err(DiffError::Partition)?;
        let place = below(place, structure.name);
        fields::compare((&a, &b), structure.fields, Explained::default(), &place, found);
    }
    let covered: Vec<_> = structures.iter().map(|one| (one.at, one.at.saturating_add(one.len))).collect();
    let body = below(place, format.body_name());
    if format.files().is_none() {
        return bytes::compare(pair, &covered, &body, found);
    }
    let read = |side| format.read(side, SOURCE);
    match (read(&pair.a), read(&pair.b)) {
        (Ok(a), Ok(b)) => {
            let (Some(a), Some(b)): (Option<Tree>, Option<Tree>) = (a.tree, b.tree) else { return Ok(()) };
            Trees { a: &a, b: &b, pair }.compare(place, found)?;
        }
        (a, b) => {
            let (a, b) = (a.err(), b.err());
            let errors = [&a, &b].map(|error| error.as_ref().map(|error| &**error as &dyn Error));
            unreadable(errors, place, found);
        }
    }
    let explained = !found.is_empty();
    let mut rest = DiffCollector::default();
    bytes::compare(pair, &covered, &body, &mut rest)?;
    if explained {
        // Other files or fields have other bytes, and other places.
        rest.follow_from(0);
    }
    found.append(rest);
    Ok(())
}

/// Adds a note for each side that cannot be read.
pub(super) fn unreadable(errors: [Option<&dyn Error>; 2], place: &[String], found: &mut DiffCollector) {
    for (side, error) in ["the first", "the second"].into_iter().zip(errors) {
        if let Some(error) = error {
            let text = format!("cannot be read: {}", chain(error));
            found.add(DifferenceWeight::Own, place, side, DiffChange::Note(text));
        }
    }
}
