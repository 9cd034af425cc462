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
mod header;
mod layer;
mod number;
mod pax;
mod sparse;
mod window;

use std::io;

use amiforge_formats::plan::SourceId;
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::tree::{Node, Printable};

pub(super) use self::acl::mode_without;
use self::entries::{Entries, EntryAction};
use self::header::TarHeader;
pub(super) use self::layer::layer;
use self::window::BLOCK;
use super::entry_error::EntryError;
use super::indexed::{Indexed, InsertError, Inserter, OnDuplicate};
use super::same::{InArchive, same_bytes};
use amiforge_progress::Monitor;

/// Location of an archive in a source, for the slices that point into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveLocation {
    /// The source.
    pub source: SourceId,
    /// First byte of the archive in it.
    pub at: u64,
}

/// Whether an archive must show that it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A block of zeros must close it.
    Marked,
    /// It may end between entries without one: its digest proves that it is complete.
    Unmarked,
}

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TarError {
    /// It cannot be read.
    #[error("reading the archive at byte {at}")]
    Read {
        /// Offset in bytes.
        at: u64,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// An error of an entry.
    #[error("reading the entry `{}` at byte {at}", Printable(path))]
    Entry {
        /// Its name as the archive gives it.
        path: Vec<u8>,
        /// Byte of the archive at which it begins.
        at: u64,
        /// The cause.
        #[source]
        error: Box<EntryError>,
    },
    /// An error of a header without a name.
    #[error("reading the header at byte {at}")]
    Header {
        /// Byte of the archive.
        at: u64,
        /// The cause.
        #[source]
        error: Box<EntryError>,
    },
    /// Interrupted by the user.
    #[error("interrupted")]
    Interrupted,
}

impl TarError {
    fn unnamed(at: u64, error: EntryError) -> Self {
        Self::Header { at, error: Box::new(error) }
    }

    /// Puts the entry's name where only the byte was known.
    fn named(self, raw: &[u8], start: u64) -> Self {
        match self {
            Self::Header { error, .. } => Self::Entry { path: raw.to_vec(), at: start, error },
            other => other,
        }
    }
}

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
