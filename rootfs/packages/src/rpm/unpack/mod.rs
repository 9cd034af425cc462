//! Unpacking: the `.rpm` files of a locked set into one tree whose contents are in the store, as `rpm --install` of all of
//! them into an empty root would leave it. No script runs and nothing is configured.
//!
//! Everything in the tree is root's: packages *name* the owners of files, and names get numbers when the accounts are known.
//! [`UnpackedRpms::owners`] are the nodes that are to be given away then. What two packages may share is in
//! [`tree_builder`].

use amiforge_formats::plan::SourceId;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{NodeId, Tree};
use amiforge_progress::Monitor;
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;
use amiforge_store::deferred::Deferred;

pub use self::error::{RpmContentError, RpmUnpackError};
use self::tree_builder::RpmTreeBuilder;
use super::file::{PayloadExtent, RpmFile, RpmFileError};
use super::package::UnpackedRpm;
use crate::backend::PackageFile;
use crate::filters::Filters;
use crate::unpack::gather::gather;
use crate::unpack::title;

mod error;
mod node;
mod open;
mod presence;
mod shared;
mod tree_builder;

/// The result of unpacking.
#[derive(Debug)]
pub struct UnpackedRpms {
    /// The tree. It has no package database yet.
    pub tree: Tree,
    /// The packages, in the order of the call.
    pub packages: Vec<UnpackedRpm>,
    /// The nodes that belong to another than root, ordered by node.
    pub owners: Vec<PendingOwner>,
    /// The newest modification time that a file of a package has; the epoch itself if there are none.
    pub newest: Time,
    /// Digests that are still to be taken of what was read; nothing made from the tree is good before they are.
    pub deferred: Deferred,
}

/// A node whose owner is known by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingOwner {
    /// The node.
    pub node: NodeId,
    /// Name of the user.
    pub user: String,
    /// Name of the group.
    pub group: String,
}

/// A package on its way into the tree.
struct OpenedRpm {
    package: UnpackedRpm,
    /// For each file, where its content is in its source.
    contents: Vec<Option<PayloadExtent>>,
    source: SourceId,
}

/// Unpacks packages, several at a time; the result does not depend on how many. Where packages share a file, the time of the
/// first of them in `files` counts.
///
/// # Errors
/// An error of a package, or a conflict between packages.
pub fn unpack(
    files: &[PackageFile<'_>],
    filters: &Filters,
    store: &Store,
    blobs: &mut Blobs,
    monitor: Monitor<'_>,
) -> Result<UnpackedRpms, RpmUnpackError> {
    let gathered = gather(files, store, monitor, &|file| open::open(file, store, monitor))?;
    let mut deferred = Deferred::new();
    let mut opened = Vec::with_capacity(gathered.len());
    for (file, gathered) in files.iter().zip(gathered) {
        deferred.append(gathered.deferred);
        let source = blobs.add_closed(gathered.path, gathered.stamp);
        let package = opened_rpm(file, gathered.read, source, filters)?;
        for PayloadExtent { at, len, digests } in package.contents.iter().flatten() {
            if let Some(digests) = digests {
                blobs.set_digests((source, *at, *len), *digests);
            }
        }
        opened.push(package);
    }
    one_architecture(&opened)?;
    if monitor.cancel.is_cancelled() {
        return Err(RpmUnpackError::Interrupted);
    }
    let mut builder = RpmTreeBuilder::new(&opened);
    builder.place_all()?;
    let (tree, owners, newest) = builder.finish();
    let packages = opened.into_iter().map(|opened| opened.package).collect();
    Ok(UnpackedRpms { tree, packages, owners, newest, deferred })
}

/// A package with the files that the filters leave of it. Contents are behind what precedes the payload in its source.
fn opened_rpm(
    file: &PackageFile<'_>,
    read: RpmFile,
    source: SourceId,
    filters: &Filters,
) -> Result<OpenedRpm, RpmUnpackError> {
    let RpmFile { head, mut files, contents } = read;
    presence::leave_out(filters, &head.header, &mut files).map_err(|error| RpmUnpackError::File {
        package: title(file.package),
        path: file.path.clone(),
        source: Box::new(RpmFileError::Files(error)),
    })?;
    let moved = |range: PayloadExtent| PayloadExtent { at: range.at.saturating_add(head.len), ..range };
    let contents = contents.into_iter().map(|range| range.map(moved)).collect();
    let locked = file.package.clone();
    let package = UnpackedRpm { locked, signatures: head.signatures, header: head.header, files };
    Ok(OpenedRpm { package, contents, source })
}

/// All packages are for one machine, or for any.
fn one_architecture(opened: &[OpenedRpm]) -> Result<(), RpmUnpackError> {
    let mut native =
        opened.iter().map(|opened| &opened.package.locked).filter(|package| package.arch != "noarch");
    let Some(first) = native.next() else { return Ok(()) };
    match native.find(|other| machine(&other.arch) != machine(&first.arch)) {
        None => Ok(()),
        Some(other) => Err(RpmUnpackError::Architectures {
            one: title(first),
            arch: first.arch.clone(),
            other: title(other),
            other_arch: other.arch.clone(),
        }),
    }
}

/// The machine that an architecture is a level of: `x86_64_v2` is for `x86_64`, `i686` for `i386` (rpm, `rpmrc.in`).
fn machine(arch: &str) -> &str {
    match arch {
        "x86_64_v2" | "x86_64_v3" | "x86_64_v4" | "amd64" => "x86_64",
        "i486" | "i586" | "i686" | "athlon" => "i386",
        arch => arch,
    }
}
