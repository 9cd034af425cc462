//! The Debian kind of package, as the program uses it: the parts of this folder put together. Decides nothing itself.

use std::cmp::Ordering;
use std::io;

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_progress::Monitor;
use amiforge_rootfs::version;
use amiforge_sandbox::{Sandbox, SandboxError};
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;
use amiforge_store::deferred::Deferred;

use super::configure::native::{self, NativeError, NativeSetup};
use super::configure::{debconf, run};
use super::database::{self, Architectures, DatabaseState};
use super::mirror::{Mirrors, variable_of};
use super::records;
use super::source::{BasePackages, DebArchive, DebSource, PinTarget, SignerKeys};
use super::unpack::{self, Unpacked};
use super::{apt_sources, installed, lock, over, owned, published};
use crate::PackageKind;
use crate::backend::{
    Answers, Backend, DistributionRelease, LockFailure, LockRequest, LockedSets, NativeSettings,
    OpenHostFile, PackageError, PackageFile, PackageFormat, RepositoryAccess, ScriptSettings, Scripts,
    SystemChange, SystemInstaller, UnpackedPackages,
};
use crate::configure::AccountIds;
use crate::host::HostSettings;
use crate::installed::{InstalledPackage, OwnedPaths, PublishedPath, percent_encoded};
use crate::locked::{LockedArchive, PackageId};

/// The properties of every Debian package.
#[derive(Debug)]
pub struct DebFormat;

impl PackageFormat for DebFormat {
    fn compare_versions(&self, a: &str, b: &str) -> Ordering {
        version::compare(a, b)
    }

    fn installed(&self, tree: &Tree, sources: &dyn Sources) -> io::Result<Vec<InstalledPackage>> {
        installed::installed(tree, sources)
    }

    fn owned(&self, tree: &Tree, sources: &dyn Sources) -> io::Result<Vec<OwnedPaths>> {
        owned::owned(tree, sources)
    }

    fn published(&self, tree: &Tree, sources: &dyn Sources) -> io::Result<Vec<PublishedPath>> {
        published::published(tree, sources)
    }

    /// Type `deb` of the purl specification.
    fn purl(&self, package: &PackageId, release: &DistributionRelease<'_>) -> String {
        let (name, version) = (percent_encoded(&package.name), percent_encoded(&package.version));
        let (distribution, suite) = (percent_encoded(release.distribution), percent_encoded(release.suite));
        let arch = percent_encoded(&package.arch);
        format!("pkg:deb/{distribution}/{name}@{version}?arch={arch}&distro={suite}")
    }
}

impl Backend for DebSource {
    fn kind(&self) -> PackageKind {
        PackageKind::Deb
    }

    fn release(&self) -> DistributionRelease<'_> {
        let archive = self.archives.first();
        let suite = archive.and_then(|archive| archive.suites.first());
        DistributionRelease {
            distribution: archive.map(|archive| archive.name.as_str()).unwrap_or_default(),
            suite: suite.map(String::as_str).unwrap_or_default(),
        }
    }

    fn scripts(&self) -> Scripts {
        self.scripts
    }

    /// Mirrors, keys, filters and scripts are left out: they choose nothing that is fetched.
    fn lock_inputs(&self) -> Vec<Vec<String>> {
        let mut lines = Vec::new();
        for archive in &self.archives {
            let signed = if archive.keys == SignerKeys::Unsigned { "unsigned" } else { "signed" };
            lines.push(vec!["archive".to_owned(), archive.name.clone(), signed.to_owned()]);
            lines.push(line("suites", archive.suites.clone()));
            lines.push(line("components", archive.components.clone()));
        }
        lines.push(line("arch", vec![self.arch.clone()]));
        lines.push(line("foreign", self.foreign.clone()));
        lines.push(line("base", vec![base_name(self.base).to_owned()]));
        lines.push(line("packages", sorted(&self.packages)));
        lines.push(line("without", sorted(&self.without)));
        lines.push(line("recommends", vec![self.recommends.lock_input().to_owned()]));
        for pin in &self.pins {
            let (kind, to) = match &pin.to {
                PinTarget::Version(version) => ("version", version),
                PinTarget::Suite(suite) => ("suite", suite),
            };
            let rest = [pin.package.clone(), kind.to_owned(), to.clone(), pin.priority.to_string()];
            lines.push(line("pin", rest.to_vec()));
        }
        lines
    }

    /// Layers in stores have keys of these texts: another text makes every layer anew.
    fn layer_key(&self) -> Vec<String> {
        let scripts = match self.scripts {
            Scripts::Run => "Run",
            Scripts::Native => "Native",
            Scripts::None => "None",
        };
        let filters = format!("{scripts} {}", self.filters.layer_key("DebFilters"));
        let mut texts = vec![self.arch.clone(), self.foreign.len().to_string()];
        texts.extend_from_slice(&self.foreign);
        texts.push(filters);
        texts
    }

    fn archives(&self) -> Vec<&str> {
        self.archives.iter().map(|archive| archive.name.as_str()).collect()
    }

    fn security_suites(&self) -> Vec<String> {
        let all =
            self.archives.iter().flat_map(|archive| archive.suites.iter().map(move |suite| (archive, suite)));
        let security = all.filter(|(archive, suite)| records::is_security(archive, suite));
        security.map(|(archive, suite)| format!("{} {suite}", archive.name)).collect()
    }

    fn archive_url(
        &self,
        archive: &str,
        _locked: &[LockedArchive],
        host: &HostSettings,
    ) -> Result<String, String> {
        let known = self.archive(archive).ok_or_else(|| format!("the recipe has no archive `{archive}`"))?;
        Mirrors::new(host).url(known)
    }

    fn mirror_variable(&self, archive: &str) -> String {
        self.archive(archive).map_or_else(|| super::mirror::VARIABLE.to_owned(), variable_of)
    }

    fn lock(
        &self,
        request: &LockRequest<'_>,
        access: &dyn RepositoryAccess,
    ) -> Result<LockedSets, LockFailure> {
        lock::lock(self, request, access)
    }

    fn unpack(
        &self,
        files: &[PackageFile<'_>],
        _accounts: &AccountIds,
        store: &Store,
        blobs: &mut Blobs,
        monitor: Monitor<'_>,
    ) -> Result<Box<dyn UnpackedPackages>, PackageError> {
        let filters = self.filters.compile().map_err(PackageError::Filters)?;
        let unpacked = unpack::unpack(files, &filters, store, blobs, monitor)
            .map_err(|error| PackageError::Unpack(Box::new(error)))?;
        let architectures = Architectures { native: self.arch.clone(), foreign: self.foreign.clone() };
        Ok(Box::new(UnpackedDebs { unpacked, architectures }))
    }

    fn over(&self) -> Option<&dyn SystemInstaller> {
        Some(self)
    }

    fn write_upgrade_sources(
        &self,
        tree: &mut Tree,
        blobs: &mut Blobs,
        open: &mut OpenHostFile<'_>,
        time: Time,
    ) -> Result<Vec<String>, PackageError> {
        apt_sources::install(self, tree, blobs, open, time)
    }
}

impl SystemInstaller for DebSource {
    fn install(
        &self,
        tree: &Tree,
        change: SystemChange<'_>,
        settings: &ScriptSettings<'_>,
        sandbox: &Sandbox,
        blobs: &mut Blobs,
        monitor: Monitor<'_>,
    ) -> Result<Tree, SandboxError> {
        over::install(tree, (change.files, &self.without), settings, sandbox, blobs, monitor)
    }
}

impl DebSource {
    pub(super) fn archive(&self, name: &str) -> Option<&DebArchive> {
        self.archives.iter().find(|known| known.name == name)
    }
}

/// Unpacked `.deb` files, with what configuring them takes.
#[derive(Debug)]
struct UnpackedDebs {
    unpacked: Unpacked,
    architectures: Architectures,
}

impl UnpackedDebs {
    /// The tree, of which an empty one is left.
    fn take_tree(&mut self) -> Tree {
        let tree = &mut self.unpacked.tree;
        let empty = Tree::new(tree.node(tree.root()).meta.clone());
        std::mem::replace(tree, empty)
    }
}

impl UnpackedPackages for UnpackedDebs {
    fn tree(&self) -> &Tree {
        &self.unpacked.tree
    }

    fn newest(&self) -> Time {
        self.unpacked.newest
    }

    fn take_deferred(&mut self) -> Deferred {
        std::mem::take(&mut self.unpacked.deferred)
    }

    fn unknown_answer<'a>(&self, answers: &'a Answers) -> Option<&'a str> {
        let unknown = debconf::selections(&self.unpacked.packages, answers).unknown.into_iter().next()?;
        answers.keys().find(|question| **question == unknown).map(String::as_str)
    }

    fn write_database(&mut self, at: Time, sources: &dyn Sources) -> Result<Tree, PackageError> {
        let mut tree = self.take_tree();
        let Unpacked { packages, diversions, .. } = &self.unpacked;
        let state = DatabaseState::Unpacked;
        database::write(&mut tree, packages, diversions, state, &self.architectures, at, sources)
            .map_err(|source| PackageError::Database { program: "dpkg", source: Box::new(source) })?;
        Ok(tree)
    }

    fn configure_natively(
        &mut self,
        settings: &NativeSettings<'_>,
        sources: &dyn Sources,
        monitor: Monitor<'_>,
    ) -> Result<(Tree, Vec<String>), PackageError> {
        let mut tree = self.take_tree();
        let setup = NativeSetup {
            packages: &self.unpacked.packages,
            diversions: &self.unpacked.diversions,
            architectures: &self.architectures,
            answers: settings.answers,
            accounts: settings.accounts,
        };
        let report = native::configure(&mut tree, sources, setup, settings.epoch, monitor);
        let report = report.map_err(|error| match error {
            NativeError::Interrupted => PackageError::Interrupted,
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
        let captured = run::configure(tree, &self.unpacked.packages, settings, sandbox, blobs, monitor)?;
        Ok((captured.tree, Vec::new()))
    }
}

/// The name of a base set in the digest of a lock's inputs.
fn base_name(base: BasePackages) -> &'static str {
    match base {
        BasePackages::None => "None",
        BasePackages::Essential => "Essential",
        BasePackages::Required => "Required",
        BasePackages::Important => "Important",
        BasePackages::Standard => "Standard",
    }
}

fn line(first: &str, rest: Vec<String>) -> Vec<String> {
    let mut line = vec![first.to_owned()];
    line.extend(rest);
    line
}

fn sorted(texts: &[String]) -> Vec<String> {
    let mut texts = texts.to_vec();
    texts.sort();
    texts.dedup();
    texts
}

#[cfg(test)]
mod tests {
    use super::super::source::ArchiveRole;
    use super::super::testing::{archive, source};
    use super::*;

    #[test]
    fn keys_of_layers_and_locks_do_not_move() {
        let mut deb = source(vec![archive("debian", ArchiveRole::Distribution, &["trixie"])]);
        deb.foreign = vec!["i386".to_owned()];
        deb.filters.exclude = vec!["/usr/\"x\"".to_owned()];
        deb.filters.locales = Some(vec!["en".to_owned()]);
        deb.packages = vec!["b".to_owned(), "a".to_owned(), "b".to_owned()];
        let filters = r#"Run DebFilters { exclude: ["/usr/\"x\""], include: [], docs: Yes, man: Yes, locales: Some(["en"]) }"#;
        assert_eq!(deb.layer_key(), ["amd64", "1", "i386", filters]);
        let lines: Vec<String> = deb.lock_inputs().iter().map(|line| line.join(" ")).collect();
        let expected = [
            "archive debian unsigned",
            "suites trixie",
            "components main",
            "arch amd64",
            "foreign i386",
            "base Required",
            "packages a b",
            "without",
            "recommends without recommended",
        ];
        assert_eq!(lines, expected);
    }
}
