//! Tar archives, indexed in place: names, metadata and the locations of contents, without reading a content.
//! POSIX.1-2017 *pax* (ustar and extended headers), the formats of GNU tar, and version 7.
//!
//! An archive that readers interpret differently is refused, so that every reader sees the same tree in it: a size on an
//! entry without content, bytes after the end, a name given twice with different meaning (`tar -r` writes those;
//! directories may come again, and the later one counts), names that hold `..`, names through symlinks. A hard link
//! may come before the file that it names. A leading `/` is stripped from names and targets of hard links, as every
//! reader does.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod acl;
mod entries;
mod error;
mod header;
mod layer;
mod location;
mod number;
mod pax;
mod sparse;
mod window;

use amiforge_formats::read_at::ReadAt;
use amiforge_formats::tree::Node;

pub(super) use self::acl::mode_without;
use self::entries::{Entries, EntryAction};
pub use self::error::TarError;
use self::header::TarHeader;
pub(super) use self::layer::layer;
pub use self::location::ArchiveLocation;
use self::location::{End, InArchive};
use self::window::BLOCK;
use super::indexed::{Indexed, InsertError, Inserter, OnDuplicate};
use super::same::same_bytes;
use amiforge_progress::Monitor;

/// Whether a first block is that of a tar archive.
pub fn is_tar(block: &[u8; BLOCK]) -> bool {
    block.iter().all(|byte| *byte == 0) || TarHeader::new(block).is_ok()
}

/// Indexes an archive.
///
/// # Errors
/// The entry and byte at which it breaks a rule.
pub fn index(
    archive: &dyn ReadAt,
    location: ArchiveLocation,
    monitor: Monitor<'_>,
) -> Result<Indexed, TarError> {
    let mut inserter = Inserter::new(OnDuplicate::Refuse);
    let mut entries = Entries::new(archive, location, End::Marked);
    while let Some(item) = entries.next(monitor)? {
        insert(&mut inserter, &entries, item)?;
    }
    inserter.finish_links().map_err(|(path, at, error)| TarError::Entry {
        path,
        at,
        error: Box::new(error),
    })?;
    Ok(Indexed { warnings: entries.take_tally().warnings(), ..inserter.finish() })
}

/// An entry of an archive, for callers that build their own tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TarEntry {
    /// A node.
    Node(Node),
    /// One more name of the node at this path of the archive.
    Link(Vec<u8>),
}

/// Visits the entries of an archive in its order; `take` gets each entry with its clean path.
pub fn visit(
    archive: &dyn ReadAt,
    location: ArchiveLocation,
    monitor: Monitor<'_>,
    take: &mut dyn FnMut(&[u8], TarEntry),
) -> Result<(), TarError> {
    let mut entries = Entries::new(archive, location, End::Marked);
    while let Some(item) = entries.next(monitor)? {
        let entry = match item {
            EntryAction::Node(node) => TarEntry::Node(node),
            EntryAction::Link(target) => TarEntry::Link(target),
        };
        take(entries.path(), entry);
    }
    Ok(())
}

/// Inserts one entry of a plain archive.
fn insert(inserter: &mut Inserter, entries: &Entries<'_>, item: EntryAction) -> Result<(), TarError> {
    let at = entries.start();
    let (archive, location) = (entries.archive(), entries.location());
    let inserted = match item {
        EntryAction::Node(node) => inserter
            .insert(entries.path(), node, at, &|a, b| same_bytes(a, b, &InArchive { archive, location })),
        EntryAction::Link(target) => inserter.link(entries.path(), &target, at).map_err(InsertError::Entry),
    };
    inserted.map_err(|error| match error {
        InsertError::Entry(error) => {
            TarError::Entry { path: entries.raw().to_vec(), at, error: Box::new(error) }
        }
        InsertError::Compare(source) => TarError::Read { at, source },
    })
}
