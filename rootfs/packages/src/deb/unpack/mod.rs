//! Unpacking: the `.deb` files of a locked set into one tree whose contents are in the store, as `dpkg --unpack`
//! would leave them, with `/usr` merged first as debootstrap does. No script runs and nothing is configured.
//!
//! deb(5), dpkg(1), Debian policy chapters 6 and 7; the rules for paths of several packages are in [`tree_builder`].

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

pub use self::error::{PackageContentError, UnpackError};
pub use self::package::{Conffile, Interest, Member, Trigger, UnpackedPackage};
use self::tree_builder::{BuiltTree, TreeBuilder};
use super::diversions::{self, Diversion};
use crate::backend::PackageFile;
use crate::filters::Filters;
use crate::unpack::gather::gather;
use amiforge_progress::Monitor;
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;
use amiforge_store::deferred::Deferred;

mod error;
mod merged;
mod open;
mod package;
mod read;
mod replace;
mod tree_builder;

/// The result of unpacking.
#[derive(Debug)]
pub struct Unpacked {
    /// The tree; conffiles are under their own names. It has no package database yet, see [`super::database`].
    pub tree: Tree,
    /// The packages, in the order of the call.
    pub packages: Vec<UnpackedPackage>,
    /// The diversions that preinst scripts are known to make, already applied.
    pub diversions: Vec<Diversion>,
    /// The newest modification time that an entry of a package has; the epoch itself if there are none.
    pub newest: Time,
    /// Digests that are still to be taken of what was read; nothing made from the tree is good before they are.
    pub deferred: Deferred,
}

/// Unpacks packages, several at a time; the result does not depend on how many.
///
/// # Errors
/// An error of a package, or a conflict between packages.
pub fn unpack(
    files: &[PackageFile<'_>],
    filters: &Filters,
    store: &Store,
    blobs: &mut Blobs,
    monitor: Monitor<'_>,
) -> Result<Unpacked, UnpackError> {
    let gathered = gather(files, store, monitor, &|file| open::open(file, store, monitor))?;
    let mut deferred = Deferred::new();
    let mut read = Vec::with_capacity(gathered.len());
    for package in gathered {
        deferred.append(package.deferred);
        read.push((package.read, blobs.add_closed(package.path, package.stamp)));
    }
    let diversions = read.iter().flat_map(|(read, _)| declared(&read.package)).collect::<Vec<_>>();
    let names: Vec<_> = read.iter().map(|(read, _)| key(&read.package)).collect();
    // base-files comes first, as in a bootstrap: it has the directories that all others put things into.
    read.sort_by_key(|(read, _)| read.package.locked.name != "base-files");
    let mut builder = TreeBuilder::new(blobs, filters, &diversions);
    builder.merge_usr(merged::links(&read.iter().map(|(read, _)| read).collect::<Vec<_>>()));
    for (read, source) in read {
        if monitor.cancel.is_cancelled() {
            return Err(UnpackError::Interrupted);
        }
        builder.take(read, source)?;
    }
    let BuiltTree { tree, mut packages, newest } = builder.finish();
    packages.sort_by_cached_key(|package| names.iter().position(|name| *name == key(package)));
    let newest = newest.unwrap_or(Time::EPOCH);
    Ok(Unpacked { tree, packages, diversions, newest, deferred })
}

/// The diversions that a package's preinst makes.
fn declared(package: &UnpackedPackage) -> Vec<Diversion> {
    let preinst = package.script("preinst").unwrap_or_default();
    diversions::declared(&package.locked.name, preinst)
}

/// The identity of a package within its set.
fn key(package: &UnpackedPackage) -> (String, String) {
    (package.locked.name.clone(), package.locked.arch.clone())
}
