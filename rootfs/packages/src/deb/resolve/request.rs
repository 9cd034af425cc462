//! A request to the resolver, and the packages that it may choose from: plain data.

use crate::deb::index::PackageIndex;
use crate::deb::source::{BasePackages, VersionPin};
use crate::locked::{LockedPackage, PackageId};

/// A suite of an archive, with the packages that may be taken from it.
#[derive(Debug, Clone)]
pub struct Suite<'a> {
    /// Name of the archive (see [`crate::locked::LockedArchive::name`]).
    pub archive: &'a str,
    /// The names that it goes by: what the recipe calls it, its `Suite` and its `Codename`.
    pub names: Vec<&'a str>,
    /// Its priority where no pin sets another (see [`crate::deb::release::Release::priority`]).
    pub priority: i32,
    /// Its indexes: one for each component and architecture, in the order in which the recipe names them.
    pub indexes: Vec<&'a PackageIndex<'a>>,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Architecture of the image, as Debian calls it: `amd64`.
    pub arch: String,
    /// Further architectures whose packages may be installed.
    pub foreign: Vec<String>,
    /// The packages that are there before any is named.
    pub base: BasePackages,
    /// Packages that are named: `name`, `name:arch`, each with `=version` (`*` and `?` as in a shell) or `/suite`.
    pub packages: Vec<String>,
    /// Whether recommended packages come along.
    pub recommends: bool,
    /// Packages (`name` or `name:arch`) that must not come, whoever wants them.
    pub without: Vec<String>,
    /// Preferences; of two that fit, the first counts.
    pub pins: Vec<VersionPin>,
    /// Versions of the existing lock: preferred where they are still available and fit.
    pub prefer: Vec<PackageId>,
    /// The suite, by its place, that has what is installed already: all of it stays but for `without`, in the version that
    /// `prefer` names or a newer one. None in an empty system.
    pub installed: Option<usize>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Every package that is not installed in this version already, sorted by name and architecture.
    pub packages: Vec<LockedPackage>,
}
