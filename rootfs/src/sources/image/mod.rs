//! Disk images as sources: a raw disk or a container of one, with a GPT, an MBR or no partition table. The root file system
//! becomes the tree, and what its own fstab mounts of the same disk is mounted into it.
//!
//! Read are the file systems of the registry (`amiforge_formats::volume`), with owners, modes, times, extended attributes,
//! hard links and holes. Contents stay in the file as far as it holds them as they are; compressed ones are unpacked into
//! the store once. LVM, LUKS, btrfs and others without a reader are refused by name.

mod digests;
mod error;
mod kept;
mod layout;
mod mount;
mod mounts;
mod open;
mod place;
mod placed;
mod shell_arch;
mod spool;
mod survey;
mod volumes;

use std::fs::File;
use std::io;
use std::path::Path;

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::SourceId;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_progress::regular;
use amiforge_store::blobs::Blobs;
use amiforge_store::deferred::Deferred;
use amiforge_store::stamps::Stamps;

pub use self::digests::ImageDigests;
pub use self::error::DiskSourceError;
pub use self::kept::{KeptBytes, KeptDisk, KeptPart};
use self::mount::{MountedDisk, mounted};
use self::open::OpenDisk;
pub use self::open::data_ranges;
pub use self::survey::{DiskSurvey, SurveyedPart, survey};
use self::volumes::DiskVolumes;
use super::archive::{FileRange, OpenedSource, Opening};
use super::indexed::{Explicitness, Indexed, NodeMark};
use super::warning::Warning;
use super::{DigestPin, SourceError, expand};

/// Opens the file of a disk and reads its files into a tree; with the disk itself, if that is kept.
pub(super) fn open(
    opening: &Opening<'_>,
    (path, partition, keep): (&Path, Option<&str>, bool),
    pin: DigestPin,
    blobs: &mut Blobs,
) -> Result<OpenedSource, SourceError> {
    let opening_failed = |source| SourceError::Open { path: path.to_owned(), source };
    let file = regular::open(path).map_err(opening_failed)?;
    let size = file.metadata().map_err(opening_failed)?.len();
    let mut deferred = Deferred::new();
    let added = add_file(opening, (&file, path, size), pin, (&mut *blobs, &mut deferred));
    let (source, mut sha256) = added.map_err(opening_failed)?;
    let disk = OpenDisk::open(file.try_clone().map_err(opening_failed)?, size)?;
    let mut volumes = DiskVolumes::new(&disk, layout::read(disk.reader())?);
    let before = if keep { Some(kept::trees(&mut volumes)) } else { None };
    let MountedDisk { mut tree, warnings, mounts } = mounted(&mut volumes, partition)?;
    let whole = FileRange { file: &file, at: 0, len: size };
    let mut identity = || {
        let known = if let Some(known) = sha256 {
            known
        } else {
            opening.monitor.progress.begin("hashing the image", Some(size));
            *sha256.insert(expand::digest(&whole, opening.monitor)?)
        };
        Ok((known, size))
    };
    let placed =
        place::place(&mut tree, &volumes, source, &mut identity, opening, (blobs, &mut deferred), keep)?;
    let disk = before.map(|trees| KeptDisk::read(&volumes, trees, &mounts, &placed, (&tree, &*blobs)));
    let disk = disk.transpose()?.map(Box::new);
    if sha256.is_none() && pin == DigestPin::Record {
        deferred.check_input(file.try_clone().map_err(opening_failed)?, size, None);
    }
    let pinned = matches!(pin, DigestPin::Exact(_));
    let indexed = indexed(tree, warnings);
    Ok(OpenedSource { indexed, kind: "image", size, sha256, pinned, deferred, config: None, disk })
}

/// Adds the file to the blobs, with what is known of it. Gives its digest as far as that is known or pinned; a file that is
/// not what it is pinned to fails a check, which is deferred, and until then counts as it.
fn add_file(
    opening: &Opening<'_>,
    (file, path, size): (&File, &Path, u64),
    pin: DigestPin,
    (blobs, deferred): (&mut Blobs, &mut Deferred),
) -> io::Result<(SourceId, Option<Digest>)> {
    // The times of an object of the store change whenever it is used.
    let of_store = path.starts_with(opening.store.folder());
    let stamps = if of_store { Stamps::none() } else { opening.store.stamps() };
    let stamped = match pin {
        DigestPin::Exact(expected) => {
            deferred.check_stamped_input((file.try_clone()?, size), Some(expected), stamps)?
        }
        DigestPin::Record => stamps.digest(file),
        DigestPin::Unpinned => None,
    };
    let source = match stamped {
        Some(_) => blobs.add_stamped(file.try_clone()?, path),
        None if of_store => blobs.add_entry(file.try_clone()?, path),
        None => blobs.add(file.try_clone()?, path),
    };
    let sha256 = if let DigestPin::Exact(expected) = pin { Some(expected) } else { stamped };
    if let Some(digests) = sha256.and_then(|sha256| ImageDigests::load(opening.store, sha256, size)) {
        digests.record(source, blobs);
    }
    Ok((source, sha256))
}

/// The tree as that of a source: every entry is explicit.
fn indexed(tree: Tree, warnings: Vec<Warning>) -> Indexed {
    let marks = vec![NodeMark { at: 0, explicitness: Explicitness::Explicit }; tree.capacity()];
    let newest: Option<Time> = tree.walk().map(|entry| tree.node(entry.id).meta.mtime).max();
    Indexed { tree, marks, newest, warnings }
}
