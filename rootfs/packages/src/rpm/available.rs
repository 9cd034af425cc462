//! A package as a repository lists it: plain data, between the readers of repositories and the resolution.

use super::evr::Evr;
use super::relation::{RpmCapability, RpmDependency};

/// A digest that a repository's metadata states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedChecksum {
    /// The algorithm as the metadata names it: `sha256`, `sha512`, `sha` and so on.
    pub algorithm: String,
    /// The digest in hexadecimal.
    pub hex: String,
}

/// What a package requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmRequirement {
    /// What.
    pub dependency: RpmDependency,
    /// Whether a script of the package needs it before it runs.
    pub before_scripts: bool,
}

/// A package of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvailablePackage {
    /// Name.
    pub name: String,
    /// Version.
    pub evr: Evr,
    /// Architecture, or `noarch`.
    pub arch: String,
    /// Index of its repository in the order of the recipe.
    pub repository: usize,
    /// Digest of its file.
    pub checksum: StatedChecksum,
    /// Length of its file in bytes.
    pub size: u64,
    /// Where its file is: an address relative to the repository's, or below `base`.
    pub path: String,
    /// Another address that `path` is relative to (`xml:base`).
    pub base: Option<String>,
    /// Where its header is in the file: from, to (bytes). With it the header can be checked without the payload.
    pub header_range: Option<(u64, u64)>,
    /// Name of the file of the source package that it was built from.
    pub source: String,
    /// What it provides, itself included.
    pub provides: Vec<RpmCapability>,
    /// What it requires.
    pub requires: Vec<RpmRequirement>,
    /// What it cannot be installed with.
    pub conflicts: Vec<RpmDependency>,
    /// What it takes the place of: names of packages.
    pub obsoletes: Vec<RpmCapability>,
    /// What is installed with it if possible.
    pub recommends: Vec<RpmDependency>,
    /// What is preferred with it.
    pub suggests: Vec<RpmDependency>,
    /// What it is installed with if possible.
    pub supplements: Vec<RpmDependency>,
    /// What it is preferred with.
    pub enhances: Vec<RpmDependency>,
    /// The paths that the primary metadata lists: those in `/etc`, those with `bin/`, `/usr/lib/sendmail`. With the list of all
    /// files read, all paths.
    pub files: Vec<String>,
}
