//! Unpacked rpm packages, with what entering them into the database and configuring them takes.

use amiforge_formats::arch::Arch;
use amiforge_formats::digest::Digest;
use amiforge_formats::path::{self, PathError};
use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_progress::Monitor;
use amiforge_sandbox::{Sandbox, SandboxError};
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;
use amiforge_store::deferred::Deferred;

use super::configure::native::{self, RpmNativeError};
use super::configure::order::order;
use super::configure::owners::{AccountNumbers, owned_files};
use super::configure::run;
use super::database::{self, RpmDatabaseSettings};
use super::distributions;
use super::header::tag;
use super::package::UnpackedRpm;
use super::source::{RepositorySigners, RpmSource};
use super::unpack::{self, RpmUnpackError, UnpackedRpms};
use crate::backend::{
    Answers, NativeSettings, PackageError, PackageFile, ScriptSettings, Scripts, UnpackedPackages,
};

/// Folder of the keys that packages bring.
const KEYS: &str = "/etc/pki/rpm-gpg/";

/// A package whose header is not the one that the lock pins.
#[derive(Debug, thiserror::Error)]
#[error(
    "the header of `{package}` is not the one that was checked when the lock was made: the server gave other bytes then; \
     make the lock anew"
)]
pub(super) struct ForeignHeader {
    /// Name and version.
    package: String,
}

/// Unpacked packages in the order of their installation.
#[derive(Debug)]
pub(super) struct RpmInstallation {
    unpacked: UnpackedRpms,
    scripts: Scripts,
    machine: &'static str,
    /// Paths of the keys in the tree that rpm is to know.
    keys: Vec<String>,
}

/// Unpacks packages.
pub(super) fn unpack(
    source: &RpmSource,
    files: &[PackageFile<'_>],
    store: &Store,
    blobs: &mut Blobs,
    monitor: Monitor<'_>,
) -> Result<RpmInstallation, PackageError> {
    let filters = source.filters.compile().map_err(PackageError::Filters)?;
    let mut unpacked =
        unpack::unpack(files, &filters, store, blobs, monitor).map_err(|error| match error {
            RpmUnpackError::Interrupted => PackageError::Interrupted,
            error => PackageError::Unpack(Box::new(error)),
        })?;
    for package in &unpacked.packages {
        check_header(package)?;
    }
    let order = order(&unpacked.packages);
    let mut packages: Vec<_> = std::mem::take(&mut unpacked.packages).into_iter().map(Some).collect();
    unpacked.packages = order.into_iter().filter_map(|at| packages.get_mut(at)?.take()).collect();
    Ok(RpmInstallation {
        unpacked,
        scripts: source.scripts,
        machine: Arch::by_name(&source.arch).map_or("", Arch::name),
        keys: keys(source),
    })
}

/// Compares a package's header with that of the lock.
fn check_header(package: &UnpackedRpm) -> Result<(), PackageError> {
    let Some(pinned) = package.locked.header else { return Ok(()) };
    let region = package.header.region(tag::HEADERIMMUTABLE).ok();
    if region.is_some_and(|region| Digest::of(&region) == pinned) {
        return Ok(());
    }
    let package = format!("{} {}", package.locked.name, package.locked.version);
    Err(PackageError::Unpack(Box::new(ForeignHeader { package })))
}

/// The keys of known distributions that packages bring.
fn keys(source: &RpmSource) -> Vec<String> {
    let known = source.repositories.iter().filter_map(|repository| match &repository.keys {
        RepositorySigners::Known { distribution, .. } => distributions::known(distribution),
        RepositorySigners::File { .. } | RepositorySigners::Unsigned => None,
    });
    let files = known.flat_map(|known| known.key_files).filter(|file| file.starts_with(KEYS));
    let mut files: Vec<String> = files.map(|file| source.expand(file)).collect();
    files.sort();
    files.dedup();
    files
}

impl RpmInstallation {
    /// The tree, of which an empty one is left.
    fn take_tree(&mut self) -> Tree {
        let tree = &mut self.unpacked.tree;
        let empty = Tree::new(tree.node(tree.root()).meta.clone());
        std::mem::replace(tree, empty)
    }

    /// The tree with rpm's database.
    fn with_database(&mut self, at: Time, sources: &dyn Sources) -> Result<Tree, PackageError> {
        let mut tree = self.take_tree();
        let failed = |source: crate::error::KindError| PackageError::Database { program: "rpm", source };
        let mut keys = Vec::new();
        for path in &self.keys {
            let bytes = path::read(&tree, sources, path.as_bytes());
            keys.extend(bytes.map_err(|error| failed(Box::new(error)))?);
        }
        let settings = RpmDatabaseSettings { at, keys: &keys };
        database::write(&mut tree, &self.unpacked.packages, &settings, sources)
            .map_err(|error| failed(Box::new(error)))?;
        Ok(tree)
    }

    /// Gives files the owners that the tree has; without scripts, others stay root's, as rpm leaves them.
    fn own(&self, tree: &mut Tree, sources: &dyn Sources) -> Result<(), PathError> {
        let packages = &self.unpacked.packages;
        let numbers = AccountNumbers::read(tree, sources)?;
        for file in owned_files(tree, packages)? {
            if let Ok((uid, gid)) = numbers.of(&file, packages) {
                let meta = &mut tree.node_mut(file.node).meta;
                (meta.uid, meta.gid) = (uid, gid);
            }
        }
        Ok(())
    }
}

impl UnpackedPackages for RpmInstallation {
    fn tree(&self) -> &Tree {
        &self.unpacked.tree
    }

    fn newest(&self) -> Time {
        self.unpacked.newest
    }

    fn take_deferred(&mut self) -> Deferred {
        std::mem::take(&mut self.unpacked.deferred)
    }

    /// rpm packages ask nothing.
    fn unknown_answer<'a>(&self, answers: &'a Answers) -> Option<&'a str> {
        answers.keys().next().map(String::as_str)
    }

    fn write_database(&mut self, at: Time, sources: &dyn Sources) -> Result<Tree, PackageError> {
        let mut tree = self.with_database(at, sources)?;
        if self.scripts == Scripts::None {
            self.own(&mut tree, sources).map_err(|error| PackageError::Configure(Box::new(error)))?;
        }
        Ok(tree)
    }

    fn configure_natively(
        &mut self,
        settings: &NativeSettings<'_>,
        sources: &dyn Sources,
        monitor: Monitor<'_>,
    ) -> Result<(Tree, Vec<String>), PackageError> {
        let mut tree = self.with_database(settings.epoch, sources)?;
        let report =
            native::configure(&mut tree, &self.unpacked.packages, self.machine, settings, sources, monitor);
        let report = report.map_err(|error| match error {
            RpmNativeError::Interrupted => PackageError::Interrupted,
            error => PackageError::Configure(Box::new(error)),
        })?;
        let skipped = report.skipped.iter();
        let skipped = skipped.map(|one| format!("{}: `{}`: {}", one.package, one.command, one.reason));
        Ok((tree, skipped.collect()))
    }

    fn run_scripts(
        &self,
        tree: &Tree,
        settings: &ScriptSettings<'_>,
        sandbox: &Sandbox,
        blobs: &mut Blobs,
        monitor: Monitor<'_>,
    ) -> Result<(Tree, Vec<String>), SandboxError> {
        let done = run::run(tree, &self.unpacked.packages, settings, sandbox, blobs, monitor)?;
        Ok((done.tree, done.left_out))
    }
}
