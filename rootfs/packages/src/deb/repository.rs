//! A suite of an archive, read from its mirror: signature, age, digests, indexes.

use amiforge_formats::digest::Digest;
use amiforge_rootfs::sources::inflate::inflate;

use super::index::PackageIndex;
use super::keyring;
use super::mirror::Mirrors;
use super::release::{Expired, ListedIndex, Release};
use super::source::{DebArchive, DebSource, SignerKeys, WhenExpired};
use super::suite_error::SuiteError;
use crate::backend::{RepositoryAccess, RepositoryError, RepositoryFile};
use crate::host::without_credentials;
use crate::locked::LockedArchive;
use crate::signature::{self, Keyring};

/// The longest Release file that is read, in bytes.
const RELEASE: u64 = 64 << 20;
/// The longest index that is decompressed, in bytes, if the Release file does not state its length.
const INDEX: u64 = 2 << 30;

/// A verified suite.
#[derive(Debug)]
pub(super) struct ReadSuite {
    /// Its entry in the lock.
    pub(super) locked: LockedArchive,
    /// Its names: the one in the recipe, its `Suite` and its `Codename`.
    pub(super) names: Vec<String>,
    /// Priority of its packages.
    pub(super) priority: i32,
    /// The decompressed indexes, with their paths.
    pub(super) indexes: Vec<(String, Vec<u8>)>,
}

impl ReadSuite {
    /// Parses the indexes.
    pub(super) fn packages(&self) -> Result<Vec<PackageIndex<'_>>, RepositoryError> {
        let parse = |(path, bytes)| {
            PackageIndex::parse(bytes)
                .map_err(|source| SuiteError::Index { path: String::clone(path), source }.into())
        };
        self.indexes.iter().map(|(path, bytes)| (path, bytes.as_slice())).map(parse).collect()
    }
}

/// Reads a suite. `not_before` is the date of the Release file in an earlier lock; an older one is a rollback and
/// refused.
pub(super) fn read(
    deb: &DebSource,
    archive: &DebArchive,
    suite: &str,
    not_before: Option<i64>,
    access: &dyn RepositoryAccess,
) -> Result<ReadSuite, RepositoryError> {
    let mirror =
        Mirrors::new(access.host()).url_for_suite(archive, suite).map_err(RepositoryError::Address)?;
    let base = format!("{mirror}/dists/{suite}");
    let keyrings = keyring::keyrings(&archive.keys)?;
    let signed = release(&base, archive, &keyrings, access)?;
    let parsed = Release::parse(&signed.text);
    let url = format!("{}/Release", without_credentials(&base));
    let failed = |source| SuiteError::Release { url: url.clone(), source: Box::new(source) };
    let release = parsed.map_err(failed)?;
    let expired = match deb.expired {
        WhenExpired::Refuse => Expired::Refuse,
        WhenExpired::Accept => Expired::Accept,
    };
    release.check(suite, access.now(), not_before, expired).map_err(failed)?;
    let indexes = indexes(deb, archive, &release, &base, access)?;
    let mut names = vec![suite.to_owned(), release.suite.clone(), release.codename.clone()];
    names.retain(|name| !name.is_empty());
    names.dedup();
    let locked = LockedArchive {
        name: archive.name.clone(),
        suite: suite.to_owned(),
        date: release.date,
        release: signed.digest,
        signer: signed.signer,
        base: None,
        package_signers: Vec::new(),
    };
    Ok(ReadSuite { locked, names, priority: release.priority(), indexes })
}

/// A Release file whose signature is valid or not required.
struct SignedRelease {
    text: String,
    digest: Digest,
    signer: Option<String>,
}

/// Fetches the Release file with an inline or a detached signature.
fn release(
    base: &str,
    archive: &DebArchive,
    keyrings: &[Keyring],
    access: &dyn RepositoryAccess,
) -> Result<SignedRelease, RepositoryError> {
    let unsigned = archive.keys == SignerKeys::Unsigned;
    let inline = format!("{base}/InRelease");
    if !unsigned && let Some(bytes) = read_optional(&inline, access)? {
        let failed =
            |source| SuiteError::Signature { url: without_credentials(&inline), source: Box::new(source) };
        let verified = signature::verify_inrelease(&bytes, keyrings, access.now()).map_err(failed)?;
        return Ok(SignedRelease {
            text: verified.text,
            digest: Digest::of(&bytes),
            signer: Some(verified.signer),
        });
    }
    let url = format!("{base}/Release");
    let bytes = access.read(&url, RELEASE)?;
    let digest = Digest::of(&bytes);
    if unsigned {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        return Ok(SignedRelease { text, digest, signer: None });
    }
    let Some(beside) = read_optional(&format!("{url}.gpg"), access)? else {
        return Err(SuiteError::Unsigned { url: without_credentials(&inline) }.into());
    };
    let failed = |source| SuiteError::Signature { url: without_credentials(&url), source: Box::new(source) };
    let verified = signature::verify_release(&bytes, &beside, keyrings, access.now()).map_err(failed)?;
    Ok(SignedRelease { text: verified.text, digest, signer: Some(verified.signer) })
}

/// The bytes at a URL; `None` if there is no such file.
fn read_optional(url: &str, access: &dyn RepositoryAccess) -> Result<Option<Vec<u8>>, RepositoryError> {
    match access.read(url, RELEASE) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(RepositoryError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Fetches the indexes of the recipe's components and architectures into the store.
fn indexes(
    deb: &DebSource,
    archive: &DebArchive,
    release: &Release,
    base: &str,
    access: &dyn RepositoryAccess,
) -> Result<Vec<(String, Vec<u8>)>, RepositoryError> {
    let mut listed_indexes = Vec::new();
    for component in &archive.components {
        for (index, arch) in std::iter::once(&deb.arch).chain(&deb.foreign).enumerate() {
            match release.packages(component, arch) {
                Some(listed) => listed_indexes.push(listed),
                // Some archives have no packages of a foreign architecture.
                None if index > 0 => {}
                None => return Err(no_index(release, component, arch).into()),
            }
        }
        // The other indexes include packages of architecture `all`, unless they are empty.
        let for_own = release.packages(component, &deb.arch).is_some_and(|listed| listed.size > 0);
        listed_indexes.extend(release.packages(component, "all").filter(|_| !for_own));
    }
    let files: Vec<_> = listed_indexes.iter().map(|listed| file(listed, release, base)).collect();
    access.fetch(&files)?;
    listed_indexes.into_iter().map(|listed| decompressed(listed, release, access)).collect()
}

fn file(listed: &ListedIndex, release: &Release, base: &str) -> RepositoryFile {
    let plain = format!("{base}/{}", listed.path);
    let by_hash = release.acquire_by_hash.then(|| format!("{base}/{}", listed.by_hash()));
    RepositoryFile {
        sha256: listed.sha256,
        size: listed.size,
        label: listed.path.clone(),
        urls: by_hash.into_iter().chain([plain]).collect(),
    }
}

/// An index from the store. The Release file also states length and digest of the decompressed one.
fn decompressed(
    listed: &ListedIndex,
    release: &Release,
    access: &dyn RepositoryAccess,
) -> Result<(String, Vec<u8>), RepositoryError> {
    let path = &listed.path;
    let found = access.stored(listed.sha256, listed.size)?;
    let removed =
        || std::io::Error::other("another process removed it from the store; run the command again");
    let failed = |source| SuiteError::Unpack { path: path.clone(), source };
    let bytes = found.ok_or_else(|| failed(removed()))?;
    let plain = path.rsplit_once("/Packages").map(|(folder, _)| format!("{folder}/Packages"));
    let plain = plain.and_then(|plain| release.find(&plain));
    let bytes = inflate(path, &bytes, plain.map_or(INDEX, |plain| plain.size)).map_err(failed)?;
    if let Some(plain) = plain {
        let url = format!("{path} (unpacked)");
        plain.check(&bytes).map_err(|source| SuiteError::Release { url, source: Box::new(source) })?;
    }
    Ok((path.clone(), bytes))
}

fn no_index(release: &Release, component: &str, arch: &str) -> SuiteError {
    SuiteError::NoIndex {
        component: component.to_owned(),
        arch: arch.to_owned(),
        components: release.components.join(", "),
        arches: release.architectures.join(", "),
    }
}
