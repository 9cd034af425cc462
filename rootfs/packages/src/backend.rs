//! The interface of a kind of package to the rest of the program, as two traits. [`PackageFormat`] has the operations on
//! every package of the kind; [`Backend`] is a recipe's source of such packages: from its archives to a lock, and from a lock to
//! a configured tree. Everything that passes through them is free of the kind; what a kind alone knows stays behind them.

use std::cmp::Ordering;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Tree};
use amiforge_progress::Monitor;
use amiforge_progress::Progress;
use amiforge_sandbox::{Sandbox, SandboxError};
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;
use amiforge_store::deferred::Deferred;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::PackageKind;
use crate::configure::AccountIds;
pub use crate::error::{KindError, LockFailure, PackageError, RepositoryError};
use crate::host::HostSettings;
use crate::installed::{InstalledPackage, OwnedPaths, PublishedPath};
use crate::locked::{LockedArchive, LockedPackage, PackageId};
use crate::over::InstalledSystem;
pub use crate::settings::{Answers, NativeSettings, ScriptSettings};

/// The operations on every package of a kind.
pub trait PackageFormat: Sync {
    /// The order of two versions.
    fn compare_versions(&self, a: &str, b: &str) -> Ordering;

    /// The packages that a tree holds by its own package database, sorted by name and architecture; none where there is
    /// no database of the kind.
    ///
    /// # Errors
    /// A database that cannot be read.
    fn installed(&self, tree: &Tree, sources: &dyn Sources) -> io::Result<Vec<InstalledPackage>>;

    /// The paths that each package of a tree brought or has in the package database, with the name of its source
    /// package; none where there is no database of the kind.
    ///
    /// # Errors
    /// A database that cannot be read.
    fn owned(&self, tree: &Tree, sources: &dyn Sources) -> io::Result<Vec<OwnedPaths>>;

    /// The files that the packages of a tree brought, with the digests of their content that the database keeps; none where
    /// there is no database of the kind.
    ///
    /// # Errors
    /// A read error of the medium.
    fn published(&self, tree: &Tree, sources: &dyn Sources) -> io::Result<Vec<PublishedPath>>;

    /// The package URL of a package (purl specification).
    fn purl(&self, package: &PackageId, release: &DistributionRelease<'_>) -> String;
}

/// A recipe's source of packages.
pub trait Backend: fmt::Debug + Sync {
    /// The kind of its packages.
    fn kind(&self) -> PackageKind;

    /// The distribution that its packages are of.
    fn release(&self) -> DistributionRelease<'_>;

    /// The way to configure its packages.
    fn scripts(&self) -> Scripts;

    /// Everything in it that chooses packages: lines of texts. A lock has their digest, which shows whether it is still of the
    /// same recipe.
    fn lock_inputs(&self) -> Vec<Vec<String>>;

    /// Everything in it that decides the configured tree, besides the packages: a layer's key has each of these texts.
    fn layer_key(&self) -> Vec<String>;

    /// Names of its archives, in the order of the recipe.
    fn archives(&self) -> Vec<&str>;

    /// The suites that hold security updates, as `ARCHIVE SUITE`, in the order of the recipe.
    fn security_suites(&self) -> Vec<String>;

    /// Address of an archive, without a slash at its end: what the paths of its packages are below. `locked` are the archives
    /// of the lock.
    ///
    /// # Errors
    /// A sentence with the way to set it.
    fn archive_url(
        &self,
        archive: &str,
        locked: &[LockedArchive],
        host: &HostSettings,
    ) -> Result<String, String>;

    /// The variable of the environment that names the mirror of an archive.
    fn mirror_variable(&self, archive: &str) -> String;

    /// Reads the archives and chooses packages: for each of the sets the packages that it needs.
    ///
    /// # Errors
    /// Archives that cannot be read or trusted; packages that cannot be had together.
    fn lock(
        &self,
        request: &LockRequest<'_>,
        access: &dyn RepositoryAccess,
    ) -> Result<LockedSets, LockFailure>;

    /// Unpacks packages into a tree, several at a time; the result does not depend on how many. `accounts` are ids for
    /// kinds whose packages name the owners of files instead of numbering them.
    ///
    /// # Errors
    /// An error of a package, or a conflict between packages.
    fn unpack(
        &self,
        files: &[PackageFile<'_>],
        accounts: &AccountIds,
        store: &Store,
        blobs: &mut Blobs,
        monitor: Monitor<'_>,
    ) -> Result<Box<dyn UnpackedPackages>, PackageError>;

    /// The way to install its packages over a system that exists already; none for kinds that cannot.
    fn over(&self) -> Option<&dyn SystemInstaller> {
        None
    }

    /// Writes into a tree where a machine gets upgrades from. Returns warnings.
    ///
    /// # Errors
    /// A file of the host, or a path of the tree, that cannot be used.
    fn write_upgrade_sources(
        &self,
        tree: &mut Tree,
        blobs: &mut Blobs,
        open: &mut OpenHostFile<'_>,
        time: Time,
    ) -> Result<Vec<String>, PackageError>;
}

/// A source whose packages can be installed over a system.
pub trait SystemInstaller: Sync {
    /// Installs packages over a system that has a package database of the kind, by its own package manager and in the sandbox;
    /// removes installed packages that the source leaves out. Of packages that are configured the configuration stays.
    ///
    /// # Errors
    /// [`SandboxError::Step`] when the package manager or a script fails.
    fn install(
        &self,
        tree: &Tree,
        change: SystemChange<'_>,
        settings: &ScriptSettings<'_>,
        sandbox: &Sandbox,
        blobs: &mut Blobs,
        monitor: Monitor<'_>,
    ) -> Result<Tree, SandboxError>;
}

/// Packages that are unpacked into a tree and not configured. Configuration leaves one tree for all of them.
pub trait UnpackedPackages: fmt::Debug + Send + Sync {
    /// The tree, without a package database.
    fn tree(&self) -> &Tree;

    /// The newest modification time of an entry.
    fn newest(&self) -> Time;

    /// Digests that are still to be taken of what was read; nothing made from the tree is good before they are.
    fn take_deferred(&mut self) -> Deferred;

    /// The first of the answers that no package has a question for.
    fn unknown_answer<'a>(&self, answers: &'a Answers) -> Option<&'a str>;

    /// The tree with the package database, which lists the packages as unpacked.
    ///
    /// # Errors
    /// [`PackageError::Database`].
    fn write_database(&mut self, at: Time, sources: &dyn Sources) -> Result<Tree, PackageError>;

    /// The tree as the packages' scripts would leave it, computed without running any. Returns with it what was skipped, a
    /// line each.
    ///
    /// # Errors
    /// [`PackageError::Configure`], [`PackageError::Interrupted`].
    fn configure_natively(
        &mut self,
        settings: &NativeSettings<'_>,
        sources: &dyn Sources,
        monitor: Monitor<'_>,
    ) -> Result<(Tree, Vec<String>), PackageError>;

    /// Runs the packages' scripts in the sandbox, on the tree that [`UnpackedPackages::write_database`] returned. Returns with the
    /// tree what scripts asked for and was left out, a line each.
    ///
    /// # Errors
    /// [`SandboxError::Step`] when a script fails.
    fn run_scripts(
        &self,
        tree: &Tree,
        settings: &ScriptSettings<'_>,
        sandbox: &Sandbox,
        blobs: &mut Blobs,
        monitor: Monitor<'_>,
    ) -> Result<(Tree, Vec<String>), SandboxError>;
}

/// A way to the files of archives. Whoever implements it opens the connections.
pub trait RepositoryAccess: Sync {
    /// The bytes of the file at an address, at most `most` of them.
    ///
    /// # Errors
    /// [`RepositoryError::Missing`] where there is no such file; [`RepositoryError::Fetch`].
    fn read(&self, url: &str, most: u64) -> Result<Vec<u8>, RepositoryError>;

    /// Some bytes of the file at an address: `len` of them from `start`, or fewer where the file ends before. A server that
    /// knows no ranges sends the file up to there.
    ///
    /// # Errors
    /// As [`RepositoryAccess::read`].
    fn read_range(&self, url: &str, start: u64, len: u64) -> Result<Vec<u8>, RepositoryError>;

    /// The number of files to read at a time.
    fn jobs(&self) -> usize;

    /// Fetches files into the store, checked by their digests.
    ///
    /// # Errors
    /// [`RepositoryError::Fetch`].
    fn fetch(&self, files: &[RepositoryFile]) -> Result<(), RepositoryError>;

    /// The bytes of a file in the store; nothing where it is gone.
    ///
    /// # Errors
    /// [`RepositoryError::Store`].
    fn stored(&self, sha256: Digest, size: u64) -> Result<Option<Vec<u8>>, RepositoryError>;

    /// The settings of this machine.
    fn host(&self) -> &HostSettings;

    /// The time in seconds since 1970, by which archives and keys expire.
    fn now(&self) -> i64;

    /// Reports what takes long.
    fn progress(&self) -> &dyn Progress;
}

/// How packages are configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scripts {
    /// Their scripts run in a sandbox: those of a `deb` source by the real dpkg, those of an `rpm` source in rpm's order.
    Run,
    /// Nothing runs; what most scripts do is done by amiforge. What was skipped is listed. Packages of a `deb` source are left
    /// half configured then: `dpkg --audit` of the machine names them, and its dpkg configures them when it runs next.
    Native,
    /// Packages are unpacked and left so.
    None,
}

/// Whether recommended packages are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recommends {
    /// They are.
    Take,
    /// They are not.
    Leave,
}

impl Recommends {
    /// Its text in the digest of a lock's inputs.
    pub fn lock_input(self) -> &'static str {
        match self {
            Self::Take => "with recommended",
            Self::Leave => "without recommended",
        }
    }
}

/// The release of a distribution, as package URLs name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DistributionRelease<'a> {
    /// The distribution, such as `debian`.
    pub distribution: &'a str,
    /// The suite or release, such as `bookworm`.
    pub suite: &'a str,
}

/// The input of a lock.
#[derive(Debug)]
pub struct LockRequest<'a> {
    /// The sets of packages to choose, one after the other.
    pub sets: &'a [PackageSet<'a>],
    /// The archives as an earlier lock had them: none of them may be older now.
    pub previous: &'a [LockedArchive],
    /// The system that the image's set is installed over, if there is one.
    pub installed: Option<InstalledSystem<'a>>,
}

/// A set of packages to choose.
#[derive(Debug)]
pub struct PackageSet<'a> {
    /// Its name in messages: `the image`, or a stage.
    pub label: String,
    /// Which packages.
    pub content: SetContent<'a>,
    /// Versions of an earlier lock: preferred where they are still available and fit.
    pub prefer: Vec<PackageId>,
}

/// Which packages a set has.
#[derive(Debug, Clone, Copy)]
pub enum SetContent<'a> {
    /// Those that the source names, for the image.
    Image,
    /// Tools for a stage, with what every system requires.
    Tools {
        /// Packages named, as in the recipe.
        packages: &'a [String],
        /// Whether recommended packages come along.
        recommends: Recommends,
    },
}

/// The chosen packages.
#[derive(Debug)]
pub struct LockedSets {
    /// The archives that were read, in the order of the recipe.
    pub archives: Vec<LockedArchive>,
    /// The packages of each set, sorted by name and architecture.
    pub sets: Vec<Vec<LockedPackage>>,
    /// The packages of the system below that are to be erased, for kinds whose installer needs them; those that new ones take the
    /// place of are not among them.
    pub removed: Vec<PackageId>,
    /// What the archives say of these packages besides, once for each name and architecture, sorted by both.
    pub records: Vec<PackageRecord>,
    /// What the trust in the packages rests on where it is less than a signature of all metadata: sentences for the user.
    pub notes: Vec<String>,
}

/// What the archives say of a chosen package besides what a lock pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRecord {
    /// Name.
    pub name: String,
    /// Architecture, or `all`.
    pub arch: String,
    /// Name of the source package that it was built from.
    pub source: String,
    /// The newest version that a suite of security updates has, if one has the package.
    pub security: Option<String>,
}

/// A file of an archive that is known by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryFile {
    /// Its digest.
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Its name in messages.
    pub label: String,
    /// Its addresses, tried in order.
    pub urls: Vec<String>,
}

/// What changes in a system.
#[derive(Debug, Clone, Copy)]
pub struct SystemChange<'a> {
    /// Packages that come.
    pub files: &'a [PackageFile<'a>],
    /// Packages that are erased, as the lock has them (see [`LockedSets::removed`]).
    pub removed: &'a [PackageId],
}

/// A package to unpack.
#[derive(Debug, Clone)]
pub struct PackageFile<'a> {
    /// Its entry in the lock.
    pub package: &'a LockedPackage,
    /// Path of the file. It is not opened where the store has it decompressed already.
    pub path: PathBuf,
}

/// Opens a file of the host for the image: its path, and its name in the recipe.
pub type OpenHostFile<'a> = dyn FnMut(&Path, &str, &mut Blobs) -> Result<Content, KindError> + 'a;
