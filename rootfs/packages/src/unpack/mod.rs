//! What unpacking is for every kind of package: files of a locked set become entries of the store, on all processors, and
//! paths of many packages meet in one tree. What is in a package's file, and who may have a path, is the kind's.

pub(crate) mod gather;
pub(crate) mod path_tree;
pub(crate) mod spool;

pub use path_tree::PathStop;
pub use spool::PackageFileError;

use crate::locked::LockedPackage;

/// The name of a package in messages.
pub(crate) fn title(package: &LockedPackage) -> String {
    format!("{}:{} {}", package.name, package.arch, package.version)
}
