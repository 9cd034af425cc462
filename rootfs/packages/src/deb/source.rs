//! The Debian packages of a recipe: plain data.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::backend::{Recommends, Scripts};
use crate::path_filters::PathFilters;

/// A `[[source]]` of packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebSource {
    /// The archives; that of the distribution comes first, if `suites` name one.
    pub archives: Vec<DebArchive>,
    /// Architecture of the image as the archives name it, such as `amd64`.
    pub arch: String,
    /// Foreign architectures, sorted.
    pub foreign: Vec<String>,
    /// The base set.
    pub base: BasePackages,
    /// Packages named, as in the recipe.
    pub packages: Vec<String>,
    /// Packages that must not be installed.
    pub without: Vec<String>,
    /// Whether recommended packages are taken.
    pub recommends: Recommends,
    /// Preferences among versions.
    pub pins: Vec<VersionPin>,
    /// Whether an archive whose `Valid-Until` is past is accepted.
    pub expired: WhenExpired,
    /// The way to configure packages.
    pub scripts: Scripts,
    /// Paths of the packages to leave out.
    pub filters: PathFilters,
    /// Whether the image lists the archives as sources of its own apt.
    pub apt_sources: bool,
}

/// An archive that packages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebArchive {
    /// Its name in the lock.
    pub name: String,
    /// Its role.
    pub role: ArchiveRole,
    /// Its suites.
    pub suites: Vec<String>,
    /// Its components.
    pub components: Vec<String>,
    /// Address of its mirror in the recipe.
    pub mirror: Option<String>,
    /// Address in the recipe from which machines fetch it.
    pub apt_mirror: Option<String>,
    /// Keys that it is signed with.
    pub keys: SignerKeys,
}

/// The role of an archive in a source of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveRole {
    /// That of the distribution.
    Distribution,
    /// That of the distribution's security updates.
    Security,
    /// A further one.
    Further,
}

/// The keys that an archive is signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignerKeys {
    /// Those that this machine has for a distribution of this name.
    Host {
        /// The distribution.
        distribution: String,
    },
    /// Those in a file.
    File {
        /// The file.
        path: PathBuf,
        /// As the recipe names it.
        name: String,
    },
    /// None are needed: the recipe trusts it unsigned.
    Unsigned,
}

/// Whether an archive whose `Valid-Until` is past is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenExpired {
    /// Refuse it.
    Refuse,
    /// Take it.
    Accept,
}

/// Set of packages to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BasePackages {
    /// Nothing but what `packages` names.
    None,
    /// Packages marked essential.
    Essential,
    /// Those, and packages of priority `required`.
    Required,
    /// Those, and packages of priority `important`.
    Important,
    /// Those, and packages of priority `standard`.
    Standard,
}

/// A preference among versions, as in `apt_preferences(5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionPin {
    /// Names of packages; `*` and `?` as in a shell. `*` alone is a general pin, which any other outdoes.
    pub package: String,
    /// Which of their versions.
    pub to: PinTarget,
    /// The priority that they get: below 0 never, 0 to 99 nothing new from there, 500 is usual, the highest wins.
    pub priority: i16,
}

/// Which versions a preference is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinTarget {
    /// Those that match; `*` and `?` as in a shell.
    Version(String),
    /// Those of a suite, by any of its names.
    Suite(String),
}
