//! The rpm kind of package, as the program uses it: the parts of this folder put together. Decides nothing itself.

use std::cmp::Ordering;
use std::io;

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_progress::Monitor;
use amiforge_sandbox::{Sandbox, SandboxError};
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;

use super::distributions;
use super::evr::Evr;
use super::source::{RepositorySigners, RpmRepository, RpmSource};
use super::{installed, lock, mirror, over, owned, published, unpacked, upgrade_sources};
use crate::PackageKind;
use crate::backend::{
    Backend, DistributionRelease, LockFailure, LockRequest, LockedSets, OpenHostFile, PackageError,
    PackageFile, PackageFormat, RepositoryAccess, ScriptSettings, Scripts, SystemChange, SystemInstaller,
    UnpackedPackages,
};
use crate::configure::AccountIds;
use crate::host::HostSettings;
use crate::installed::{InstalledPackage, OwnedPaths, PublishedPath, percent_encoded};
use crate::locked::{LockedArchive, PackageId};

/// The properties of every rpm package.
#[derive(Debug)]
pub struct RpmFormat;

impl PackageFormat for RpmFormat {
    fn compare_versions(&self, a: &str, b: &str) -> Ordering {
        Evr::parse(a).compare(&Evr::parse(b))
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

    /// Type `rpm` of the purl specification: the epoch is a qualifier.
    fn purl(&self, package: &PackageId, release: &DistributionRelease<'_>) -> String {
        let (epoch, version) = match package.version.split_once(':') {
            Some((epoch, version)) => (format!("&epoch={}", percent_encoded(epoch)), version),
            None => (String::new(), package.version.as_str()),
        };
        let (name, version) = (percent_encoded(&package.name), percent_encoded(version));
        let (distribution, suite) = (percent_encoded(release.distribution), percent_encoded(release.suite));
        let arch = percent_encoded(&package.arch);
        format!("pkg:rpm/{distribution}/{name}@{version}?arch={arch}&distro={distribution}-{suite}{epoch}")
    }
}

impl Backend for RpmSource {
    fn kind(&self) -> PackageKind {
        PackageKind::Rpm
    }

    fn release(&self) -> DistributionRelease<'_> {
        let known = distributions::known(&self.distribution);
        DistributionRelease {
            distribution: known.map_or(self.distribution.as_str(), |known| known.purl),
            suite: &self.release,
        }
    }

    fn scripts(&self) -> Scripts {
        self.scripts
    }

    /// Mirrors, keys, filters and scripts are left out: they choose nothing that is fetched.
    fn lock_inputs(&self) -> Vec<Vec<String>> {
        let mut lines = vec![
            line("rpm", vec![self.distribution.clone()]),
            line("release", vec![self.release.clone()]),
            line("arch", vec![self.arch.clone()]),
        ];
        for repository in &self.repositories {
            let signed = if repository.keys == RepositorySigners::Unsigned { "unsigned" } else { "signed" };
            let priority = repository.priority.to_string();
            lines.push(line("repository", vec![repository.name.clone(), signed.to_owned(), priority]));
        }
        lines.push(line("packages", sorted(&self.packages)));
        lines.push(line("without", sorted(&self.without)));
        lines.push(line("recommends", vec![self.recommends.lock_input().to_owned()]));
        lines
    }

    /// Layers in stores have keys of these texts: another text makes every layer anew.
    fn layer_key(&self) -> Vec<String> {
        let scripts = match self.scripts {
            Scripts::Run => "Run",
            Scripts::Native => "Native",
            Scripts::None => "None",
        };
        vec!["rpm".to_owned(), self.arch.clone(), scripts.to_owned(), self.filters.layer_key("RpmFilters")]
    }

    fn archives(&self) -> Vec<&str> {
        self.repositories.iter().map(|repository| repository.name.as_str()).collect()
    }

    /// Any repository may say of its packages which are security updates.
    fn security_suites(&self) -> Vec<String> {
        self.repositories.iter().map(|repository| format!("{} {}", repository.name, self.release)).collect()
    }

    fn archive_url(
        &self,
        archive: &str,
        locked: &[LockedArchive],
        host: &HostSettings,
    ) -> Result<String, String> {
        let known =
            self.repository(archive).ok_or_else(|| format!("the recipe has no repository `{archive}`"))?;
        let base = locked.iter().find(|one| one.name == archive).and_then(|one| one.base.as_deref());
        mirror::package_address(self, known, base, host)
    }

    fn mirror_variable(&self, archive: &str) -> String {
        mirror::variable_of(archive)
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
        Ok(Box::new(unpacked::unpack(self, files, store, blobs, monitor)?))
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
        upgrade_sources::install(self, tree, blobs, open, time)
    }
}

impl SystemInstaller for RpmSource {
    fn install(
        &self,
        tree: &Tree,
        change: SystemChange<'_>,
        settings: &ScriptSettings<'_>,
        sandbox: &Sandbox,
        blobs: &mut Blobs,
        monitor: Monitor<'_>,
    ) -> Result<Tree, SandboxError> {
        over::install(tree, (change, &self.packages), settings, sandbox, blobs, monitor)
    }
}

impl RpmSource {
    fn repository(&self, name: &str) -> Option<&RpmRepository> {
        self.repositories.iter().find(|known| known.name == name)
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
