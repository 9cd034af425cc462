//! A repository of rpm packages, read from its mirror: where it is, which metadata it has, whether that is signed, not older
//! than before and what `repomd.xml` states of it; its packages, files, groups, modules and security updates.

pub(super) mod checksum;
pub mod comps;
mod data;
pub mod error;
pub mod filelists;
pub mod mirrors;
pub mod modules;
pub mod primary;
pub mod repomd;
pub mod updateinfo;
mod xml;

use std::collections::{BTreeSet, HashMap};
use std::io::BufRead;

use amiforge_formats::digest::Digest;

use super::available::AvailablePackage;
use super::mirror;
use super::source::{MetadataSignature, ModularPackages, RepositoryAddress, RpmRepository, RpmSource};
use crate::backend::{RepositoryAccess, RepositoryError};
use crate::host::without_credentials;
use crate::locked::LockedArchive;
use crate::signature::{self, Keyring};

use self::comps::RpmGroup;
use self::error::RepodataError;
use self::mirrors::MirrorAddresses;
use self::primary::PrimaryPackages;
use self::repomd::{ListedData, Repomd};
use self::updateinfo::SecurityUpdates;

/// The longest `repomd.xml`, list of mirrors or signature that is read, in bytes.
const SMALL: u64 = 8 << 20;

/// A repository whose `repomd.xml` was read and checked.
#[derive(Debug)]
pub(super) struct OpenedRepository {
    /// Its entry in the lock; without what only its packages tell.
    pub(super) locked: LockedArchive,
    /// Addresses of the same content, the one that was read first.
    pub(super) bases: Vec<String>,
    /// The public address, where a list of mirrors named it; a mirror may stand in for it.
    pub(super) public: Option<String>,
    repomd: Repomd,
}

/// Opens a repository. `previous` is its entry in an earlier lock: older metadata is a rollback and refused. `keyrings` are the
/// keys that may sign.
pub(super) fn open(
    source: &RpmSource,
    repository: &RpmRepository,
    previous: Option<&LockedArchive>,
    keyrings: &[Keyring],
    access: &dyn RepositoryAccess,
) -> Result<OpenedRepository, RepositoryError> {
    let address = mirror::address(source, repository, access.host()).map_err(RepositoryError::Address)?;
    let found = addresses(source, repository, &address, access)?;
    let (base, bytes) = read_repomd(&found.used, &address, access)?;
    let url = format!("{base}/repodata/repomd.xml");
    let signer = match repository.metadata {
        MetadataSignature::NotRequired => None,
        MetadataSignature::Required => Some(verified(&url, &bytes, keyrings, access)?),
    };
    let repomd = Repomd::parse(&bytes)?;
    if let Some(before) = previous.map(|before| before.date).filter(|before| repomd.date < *before) {
        let (repository, found) = (repository.name.clone(), repomd.date);
        return Err(RepodataError::RolledBack { repository, found, before }.into());
    }
    let public = found.public(&base);
    let mut bases = vec![base.clone()];
    bases.extend(found.used.bases.iter().filter(|other| **other != base).take(3).cloned());
    let locked = LockedArchive {
        name: repository.name.clone(),
        suite: source.release.clone(),
        date: repomd.date,
        release: Digest::of(&bytes),
        signer,
        base: None,
        package_signers: Vec::new(),
    };
    Ok(OpenedRepository { locked, bases, public, repomd })
}

/// The mirrors of a repository: as lists name them, and as they are used.
struct FoundMirrors {
    listed: Option<MirrorAddresses>,
    used: MirrorAddresses,
}

impl FoundMirrors {
    /// The address that a list named for one that is used.
    fn public(&self, base: &str) -> Option<String> {
        let at = self.used.bases.iter().position(|used| used == base)?;
        self.listed.as_ref()?.bases.get(at).cloned()
    }
}

/// The addresses of a repository.
fn addresses(
    source: &RpmSource,
    repository: &RpmRepository,
    address: &RepositoryAddress,
    access: &dyn RepositoryAccess,
) -> Result<FoundMirrors, RepositoryError> {
    let listed = match address {
        RepositoryAddress::Base(url) => {
            let used = MirrorAddresses { bases: vec![url.clone()], digests: Vec::new() };
            return Ok(FoundMirrors { listed: None, used });
        }
        RepositoryAddress::MirrorList(url) => {
            let bytes = access.read(url, SMALL)?;
            mirrors::list(&source.expand(&String::from_utf8_lossy(&bytes)))
        }
        RepositoryAddress::Metalink(url) => mirrors::metalink(&access.read(url, SMALL)?)?,
    };
    if listed.bases.is_empty() {
        return Err(RepodataError::NoMirrors { url: without_credentials(address.text()) }.into());
    }
    let place = |base: &String| mirror::by_mirror(source, repository, base, access.host());
    let used =
        MirrorAddresses { bases: listed.bases.iter().map(place).collect(), digests: listed.digests.clone() };
    Ok(FoundMirrors { listed: Some(listed), used })
}

/// `repomd.xml` of the first mirror that has it, and that mirror. One with another digest than a metalink states is behind.
fn read_repomd(
    mirrors: &MirrorAddresses,
    address: &RepositoryAddress,
    access: &dyn RepositoryAccess,
) -> Result<(String, Vec<u8>), RepositoryError> {
    let (mut last, mut stale) = (None, 0);
    for base in &mirrors.bases {
        match access.read(&format!("{base}/repodata/repomd.xml"), SMALL) {
            Ok(bytes) if mirrors.digests.is_empty() || mirrors.digests.contains(&Digest::of(&bytes)) => {
                return Ok((base.clone(), bytes));
            }
            Ok(_) => stale += 1,
            Err(error) => last = last.or(Some(error)),
        }
    }
    match last {
        Some(error) if stale == 0 => Err(error),
        _ => {
            let url = without_credentials(address.text());
            Err(RepodataError::StaleMirrors { url, count: mirrors.bases.len() }.into())
        }
    }
}

/// Checks the signature beside `repomd.xml`; returns the fingerprint of the key.
fn verified(
    url: &str,
    bytes: &[u8],
    keyrings: &[Keyring],
    access: &dyn RepositoryAccess,
) -> Result<String, RepositoryError> {
    let beside = format!("{url}.asc");
    let signature = match access.read(&beside, SMALL) {
        Ok(signature) => signature,
        Err(RepositoryError::Missing(_)) => {
            return Err(RepodataError::Unsigned { url: without_credentials(&beside) }.into());
        }
        Err(error) => return Err(error),
    };
    let verified = signature::verify_release(bytes, &signature, keyrings, access.now());
    let failed =
        |source| RepodataError::Signature { url: without_credentials(url), source: Box::new(source) };
    Ok(verified.map_err(failed)?.signer)
}

impl OpenedRepository {
    /// Its packages, of which `index` is the repository. Packages of modules are not among them.
    pub(super) fn packages(
        &self,
        repository: &RpmRepository,
        index: usize,
        access: &dyn RepositoryAccess,
    ) -> Result<PrimaryPackages, RepositoryError> {
        let hidden = self.modular(repository, access)?;
        let listed = match data::choose(&self.repomd, &["primary"])? {
            Some(listed) => listed,
            None => self.repomd.file("primary")?,
        };
        let mut read = self.stream(listed, access, |file, input| primary::read(file, input, index))?;
        if !hidden.is_empty() {
            read.packages.retain(|package| !hidden.contains(&module_name(package)));
        }
        Ok(read)
    }

    /// The packages that belong to modules.
    fn modular(
        &self,
        repository: &RpmRepository,
        access: &dyn RepositoryAccess,
    ) -> Result<BTreeSet<String>, RepositoryError> {
        let Some(listed) = data::choose(&self.repomd, &["modules"])? else { return Ok(BTreeSet::new()) };
        let modules = self.stream(listed, access, modules::read)?;
        if repository.modules == ModularPackages::Refuse && !modules.names.is_empty() {
            let some: Vec<_> = modules.names.iter().take(3).map(String::as_str).collect();
            let (repository, examples) = (repository.name.clone(), some.join(", "));
            return Err(RepodataError::Modules { repository, examples }.into());
        }
        Ok(modules.artifacts)
    }

    /// The owners of wanted paths: by checksums of packages.
    pub(super) fn owners(
        &self,
        wanted: &BTreeSet<String>,
        access: &dyn RepositoryAccess,
    ) -> Result<HashMap<String, Vec<String>>, RepositoryError> {
        let Some(listed) = data::choose(&self.repomd, &["filelists", "filelists-ext"])? else {
            return Ok(HashMap::new());
        };
        self.stream(listed, access, |file, input| filelists::read(file, input, wanted))
    }

    /// Its groups.
    pub(super) fn groups(&self, access: &dyn RepositoryAccess) -> Result<Vec<RpmGroup>, RepositoryError> {
        match data::choose(&self.repomd, &["group_gz", "group_xz", "group_zst", "group"])? {
            Some(listed) => self.stream(listed, access, comps::read),
            None => Ok(Vec::new()),
        }
    }

    /// The versions that are security updates.
    pub(super) fn security(&self, access: &dyn RepositoryAccess) -> Result<SecurityUpdates, RepositoryError> {
        match data::choose(&self.repomd, &["updateinfo"])? {
            Some(listed) => self.stream(listed, access, updateinfo::read),
            None => Ok(SecurityUpdates::new()),
        }
    }

    /// Fetches a file and reads it by `read`, which returns what is left of it.
    fn stream<T>(
        &self,
        listed: &ListedData,
        access: &dyn RepositoryAccess,
        read: impl FnOnce(&str, &mut dyn BufRead) -> Result<T, RepodataError>,
    ) -> Result<T, RepositoryError> {
        let bytes = data::fetch(listed, &self.bases, access)?;
        let mut content = data::open(listed, &bytes)?;
        let value = read(&listed.path, &mut content)?;
        data::finish(listed, content)?;
        Ok(value)
    }
}

/// A package as modules name it.
fn module_name(package: &AvailablePackage) -> String {
    let AvailablePackage { name, evr, arch, .. } = package;
    let release = evr.release.as_deref().unwrap_or_default();
    format!("{name}-{}:{}-{release}.{arch}", evr.epoch.unwrap_or(0), evr.version)
}
