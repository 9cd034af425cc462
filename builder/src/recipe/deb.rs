//! The specs of packages, stages and commands: plain values, made by [`super::packages`] and [`super::stages`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use amiforge_formats::digest::Digest;
use amiforge_rootfs::packages::resolve::BasePackages;

use super::keys::Scripts;

/// A `[[source]]` of packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebSource {
    /// The archives. The archive of the distribution comes first, if `suites` name one.
    pub archives: Vec<DebArchive>,
    /// Architecture of the image as the archives name it, such as `amd64`.
    pub arch: String,
    /// Foreign architectures, sorted.
    pub foreign: Vec<String>,
    /// The base set of packages.
    pub base: BasePackages,
    /// The named packages, as in the recipe.
    pub packages: Vec<String>,
    /// Packages that must not be installed.
    pub without: Vec<String>,
    /// Whether recommended packages are installed.
    pub recommends: Recommends,
    /// Version pins.
    pub pins: Vec<VersionPin>,
    /// Whether an archive is accepted after its `Valid-Until`.
    pub expired: WhenExpired,
    /// How packages are configured.
    pub scripts: Scripts,
    /// Which files of the packages are left out.
    pub filters: DebFilters,
    /// Whether the archives are written into the image as sources of apt.
    pub apt_sources: bool,
}

/// An archive that packages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebArchive {
    /// Its name in the lock.
    pub name: String,
    /// Its role in the source.
    pub role: ArchiveRole,
    /// Its suites.
    pub suites: Vec<String>,
    /// Its components.
    pub components: Vec<String>,
    /// The mirror of the build, if the recipe names one.
    pub mirror: Option<String>,
    /// The mirror of the machines, if the recipe names one.
    pub apt_mirror: Option<String>,
    /// The keys that sign it.
    pub keys: SignerKeys,
}

/// The role of an archive in a source of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveRole {
    /// The distribution itself.
    Distribution,
    /// The security updates of the distribution.
    Security,
    /// A `[[source.archive]]`.
    Further,
}

/// The keys that sign an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignerKeys {
    /// The keys of a distribution that are installed on this machine.
    Host {
        /// The distribution.
        distribution: String,
    },
    /// A file of keys.
    File {
        /// The file.
        path: PathBuf,
        /// Its name in the recipe.
        name: String,
    },
    /// The archive is trusted without a signature.
    Unsigned,
}

/// Whether recommended packages are installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recommends {
    /// They are installed.
    Take,
    /// They are not.
    Leave,
}

/// Whether an archive is accepted after its `Valid-Until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenExpired {
    /// Refuse it.
    Refuse,
    /// Accept it.
    Accept,
}

/// A version pin, as in `apt_preferences(5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionPin {
    /// The packages, with `*` as a wildcard.
    pub package: String,
    /// The versions.
    pub to: PinTarget,
    /// The priority of these versions.
    pub priority: i16,
}

/// The versions that a pin selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinTarget {
    /// Versions that match a pattern with `*` as a wildcard.
    Version(String),
    /// The versions of a suite.
    Suite(String),
}

/// Which files of the packages are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebFilters {
    /// Globs of paths.
    pub exclude: Vec<String>,
    /// Globs of paths that `exclude` does not leave out.
    pub include: Vec<String>,
    /// `/usr/share/doc` and the like.
    pub docs: Stays,
    /// Manual pages.
    pub man: Stays,
    /// Locales whose translations are installed; `None` for all.
    pub locales: Option<Vec<String>>,
}

/// Whether a kind of file is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stays {
    /// It is installed.
    Yes,
    /// It is left out.
    No,
}

/// A `[[stage]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Packages of the tools.
    pub packages: Vec<String>,
    /// Whether the tools include recommended packages.
    pub recommends: Recommends,
    /// Patches: the file on the host, and its name in the recipe.
    pub patches: Vec<(PathBuf, String)>,
    /// Commands.
    pub run: Vec<String>,
    /// Environment of the commands.
    pub env: BTreeMap<String, String>,
    /// Sources.
    pub sources: Vec<StageSource>,
    /// What is installed: the path below `DESTDIR`, and the path in the image.
    pub installs: Vec<(String, String)>,
}

/// A source of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageSource {
    /// Its name in messages.
    pub label: String,
    /// Where it is fetched from.
    pub from: SourceFrom,
    /// Digest of the archive, if the recipe names it.
    pub sha256: Option<Digest>,
    /// Name of its folder, unique in the stage.
    pub folder: String,
    /// The number of leading path components that are dropped.
    pub strip: u32,
}

/// Where a source of a stage is fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceFrom {
    /// A URL.
    Url(String),
    /// A file on the host, and its name in the recipe.
    Path(PathBuf, String),
    /// A file of an archive of the `deb` source, at the mirror of that archive.
    Archive {
        /// Name of the archive.
        archive: String,
        /// Path below it, such as `pool/main/h/hello/hello_2.10.orig.tar.gz`.
        path: String,
    },
    /// A git repository.
    Git {
        /// Its address.
        url: String,
        /// Full id of the commit.
        commit: String,
    },
}

/// A `[[run]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStep {
    /// The command, for `sh -e -c`.
    pub command: String,
    /// Its environment.
    pub env: BTreeMap<String, String>,
}
