//! What a recipe says of packages, software from source and commands to be run: specs, judged by
//! [`super::packages`] and [`super::stages`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use amiforge_formats::digest::Digest;
use amiforge_rootfs::packages::resolve::BasePackages;

use super::keys::Scripts;

/// A `[[source]]` of packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebSource {
    /// The archives; that of the distribution comes first, if `suites` name one.
    pub archives: Vec<DebArchive>,
    /// Architecture of the image as the archives name it, such as `amd64`.
    pub arch: String,
    /// Foreign architectures, sorted.
    pub foreign: Vec<String>,
    /// Set to begin with.
    pub base: BasePackages,
    /// Packages named, as in the recipe.
    pub packages: Vec<String>,
    /// Packages that shall not be there.
    pub without: Vec<String>,
    /// Whether recommended packages are taken.
    pub recommends: Recommends,
    /// Preferences among versions.
    pub pins: Vec<VersionPin>,
    /// What to do about an archive whose `Valid-Until` is past.
    pub expired: WhenExpired,
    /// How packages are configured.
    pub scripts: Scripts,
    /// What of the packages is left out.
    pub filters: DebFilters,
    /// Whether the image lists the archives as sources of its own apt.
    pub apt_sources: bool,
}

/// An archive that packages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebArchive {
    /// Its name in the lock.
    pub name: String,
    /// What it is to the source.
    pub role: ArchiveRole,
    /// Its suites.
    pub suites: Vec<String>,
    /// Its components.
    pub components: Vec<String>,
    /// Where the recipe says it is fetched from.
    pub mirror: Option<String>,
    /// Where the recipe says that machines fetch it from.
    pub apt_mirror: Option<String>,
    /// Keys that it is signed with.
    pub keys: SignerKeys,
}

/// What an archive is to a source of packages.
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

/// Whether recommended packages are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recommends {
    /// They are.
    Take,
    /// They are not.
    Leave,
}

/// What to do about an archive whose `Valid-Until` is past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenExpired {
    /// Refuse it.
    Refuse,
    /// Take it.
    Accept,
}

/// A preference among versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionPin {
    /// Packages that it is about; `*` stands for anything.
    pub package: String,
    /// Which versions.
    pub to: PinTarget,
    /// Its priority.
    pub priority: i16,
}

/// Which versions a preference is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinTarget {
    /// Those that match; `*` stands for anything.
    Version(String),
    /// Those of a suite.
    Suite(String),
}

/// What of the packages is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebFilters {
    /// Globs of paths.
    pub exclude: Vec<String>,
    /// Globs of paths that stay nevertheless.
    pub include: Vec<String>,
    /// `/usr/share/doc` and the like.
    pub docs: Stays,
    /// Manual pages.
    pub man: Stays,
    /// Locales whose translations stay; none given: all.
    pub locales: Option<Vec<String>>,
}

/// Whether something stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stays {
    /// It does.
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
    /// Whether the tools hold recommended packages.
    pub recommends: Recommends,
    /// Patches: files of the host, and as the recipe names them.
    pub patches: Vec<(PathBuf, String)>,
    /// Commands.
    pub run: Vec<String>,
    /// Environment of the commands.
    pub env: BTreeMap<String, String>,
    /// Sources.
    pub sources: Vec<StageSource>,
    /// What goes into the image: from below `DESTDIR`, to a path in the image.
    pub installs: Vec<(String, String)>,
}

/// A source of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageSource {
    /// How errors name it.
    pub label: String,
    /// Where it is.
    pub from: SourceFrom,
    /// Digest of the archive, if the recipe gives it.
    pub sha256: Option<Digest>,
    /// Name of its folder, unique in the stage.
    pub folder: String,
    /// Leading names that are dropped.
    pub strip: u32,
}

/// Where a source of a stage is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceFrom {
    /// An address.
    Url(String),
    /// A file of the host, and as the recipe names it.
    Path(PathBuf, String),
    /// A file of an archive of the `deb` source, wherever its mirror is.
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
