//! Tar archives, indexed in place: names, metadata and where the contents lie, without reading a content.
//! POSIX.1-2017 *pax* (ustar and extended headers), the formats of GNU tar, and version 7.
//!
//! Where readers disagree about an archive it is refused, so that nobody else sees another tree in it: a size on an
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
use super::fault::EntryFault;
use super::indexed::{Again, Indexed, Inserter, PlantError};
use super::same::{InArchive, same_bytes};
use amiforge_store::watch::Watch;

/// Where in which source an archive lies, for the slices that point into it.
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
    /// It may just stop between entries: its digest vouches for it.
    Vouched,
}

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TarError {
    /// It cannot be read.
    #[error("reading the archive at byte {at}")]
    Read {
        /// Where.
        at: u64,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// An entry is at fault.
    #[error("reading the entry `{}` at byte {at}", Printable(path))]
    Entry {
        /// Its name as the archive gives it.
        path: Vec<u8>,
        /// Byte of the archive at which it begins.
        at: u64,
        /// What is wrong.
        #[source]
        fault: Box<EntryFault>,
    },
    /// Something without a name is at fault.
    #[error("reading the header at byte {at}")]
    Header {
        /// Byte of the archive.
        at: u64,
        /// What is wrong.
        #[source]
        fault: Box<EntryFault>,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl TarError {
    fn unnamed(at: u64, fault: EntryFault) -> Self {
        Self::Header { at, fault: Box::new(fault) }
    }

    /// Puts the entry's name where only the byte was known.
    fn named(self, raw: &[u8], start: u64) -> Self {
        match self {
            Self::Header { fault, .. } => Self::Entry { path: raw.to_vec(), at: start, fault },
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
pub fn index(archive: &dyn ReadAt, place: ArchiveLocation, watch: &dyn Watch) -> Result<Indexed, TarError> {
    let mut planting = Inserter::new(Again::Refuse);
    let mut entries = Entries::new(archive, place, End::Marked);
    while let Some(item) = entries.next(watch)? {
        plant(&mut planting, &entries, item)?;
    }
    planting.finish_links().map_err(|(path, at, fault)| TarError::Entry {
        path,
        at,
        fault: Box::new(fault),
    })?;
    Ok(Indexed { warnings: entries.take_tally().warnings(), ..planting.finish() })
}

/// What an entry of an archive is, for those who plant it themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TarEntry {
    /// A node.
    Node(Node),
    /// One more name of the node at this path of the archive.
    Link(Vec<u8>),
}

/// Goes through an archive in its own order; `take` is told of each entry's clean path.
pub fn visit(
    archive: &dyn ReadAt,
    place: ArchiveLocation,
    watch: &dyn Watch,
    take: &mut dyn FnMut(&[u8], TarEntry),
) -> Result<(), TarError> {
    let mut entries = Entries::new(archive, place, End::Marked);
    while let Some(item) = entries.next(watch)? {
        let entry = match item {
            EntryAction::Node(node) => TarEntry::Node(node),
            EntryAction::Link(target) => TarEntry::Link(target),
        };
        take(entries.path(), entry);
    }
    Ok(())
}

/// Plants one entry of a plain archive.
fn plant(planting: &mut Inserter, entries: &Entries<'_>, item: EntryAction) -> Result<(), TarError> {
    let at = entries.start();
    let (archive, place) = (entries.archive(), entries.place());
    let planted = match item {
        EntryAction::Node(node) => {
            planting.plant(entries.path(), node, at, &|a, b| same_bytes(a, b, &InArchive { archive, place }))
        }
        EntryAction::Link(target) => planting.link(entries.path(), &target, at).map_err(PlantError::Fault),
    };
    planted.map_err(|error| match error {
        PlantError::Fault(fault) => {
            TarError::Entry { path: entries.raw().to_vec(), at, fault: Box::new(fault) }
        }
        PlantError::Compare(source) => TarError::Read { at, source },
    })
}
