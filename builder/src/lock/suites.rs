//! A suite of an archive, from its mirror to its packages: signature, age, digests.

use amiforge_formats::digest::Digest;
use amiforge_packages::deb::index::PackageIndex;
use amiforge_packages::deb::release::{Expired, ListedIndex, Release};
use amiforge_packages::locked::LockedArchive;
use amiforge_packages::signature::{self, Keyring};
use amiforge_rootfs::sources::inflate::inflate;

use super::error::ArchiveFault;
use super::keys;
use super::make::Fetching;
use crate::fetch::{self, FileLocation, Want, shown};
use crate::recipe::{DebArchive, DebSource, SignerKeys, WhenExpired};

/// Longest Release that is read.
const RELEASE: u64 = 64 << 20;
/// Longest index that is unpacked, where the Release does not tell.
const INDEX: u64 = 2 << 30;

/// A suite that was read.
#[derive(Debug)]
pub(super) struct ReadSuite {
    /// Its state, for the lock.
    pub(super) locked: LockedArchive,
    /// Its names: what the recipe calls it, its `Suite`, its `Codename`.
    pub(super) names: Vec<String>,
    /// Priority of its packages.
    pub(super) priority: i32,
    /// Its indexes, unpacked, with their paths.
    pub(super) indexes: Vec<(String, Vec<u8>)>,
}

impl ReadSuite {
    /// The packages of its indexes.
    pub(super) fn packages(&self) -> Result<Vec<PackageIndex<'_>>, ArchiveFault> {
        let parse = |(path, bytes)| {
            PackageIndex::parse(bytes)
                .map_err(|source| ArchiveFault::Index { path: String::clone(path), source })
        };
        self.indexes.iter().map(|(path, bytes)| (path, bytes.as_slice())).map(parse).collect()
    }
}

/// Reads a suite. `not_before` is the date of the Release that an earlier lock was made from.
pub(super) fn read(
    deb: &DebSource,
    archive: &DebArchive,
    suite: &str,
    not_before: Option<i64>,
    with: &Fetching<'_>,
) -> Result<ReadSuite, ArchiveFault> {
    let mirror = with.mirrors.find(archive, suite).map_err(ArchiveFault::Mirror)?;
    let base = format!("{mirror}/dists/{suite}");
    let keyrings = keys::keyrings(&archive.keys)?;
    let signed = release(&base, archive, &keyrings, with)?;
    let parsed = Release::parse(&signed.text);
    let url = format!("{}/Release", shown(&base));
    let failed = |source| ArchiveFault::Release { url: url.clone(), source: Box::new(source) };
    let release = parsed.map_err(failed)?;
    let expired = match deb.expired {
        WhenExpired::Refuse => Expired::Refuse,
        WhenExpired::Accept => Expired::Accept,
    };
    release.check(suite, with.now, not_before, expired).map_err(failed)?;
    let indexes = indexes(deb, archive, &release, &base, with)?;
    let mut names = vec![suite.to_owned(), release.suite.clone(), release.codename.clone()];
    names.retain(|name| !name.is_empty());
    names.dedup();
    let locked = LockedArchive {
        name: archive.name.clone(),
        suite: suite.to_owned(),
        date: release.date,
        release: signed.digest,
        signer: signed.signer,
    };
    Ok(ReadSuite { locked, names, priority: release.priority(), indexes })
}

/// A Release whose signature is good, or not needed.
struct SignedRelease {
    text: String,
    digest: Digest,
    signer: Option<String>,
}

/// Has the Release, signed in itself or beside it.
fn release(
    base: &str,
    archive: &DebArchive,
    keyrings: &[Keyring],
    with: &Fetching<'_>,
) -> Result<SignedRelease, ArchiveFault> {
    let unsigned = archive.keys == SignerKeys::Unsigned;
    let inline = format!("{base}/InRelease");
    if !unsigned && let Some(bytes) = get(&inline, with)? {
        let failed = |source| ArchiveFault::Signature { url: shown(&inline), source: Box::new(source) };
        let verified = signature::verify_inrelease(&bytes, keyrings, with.now).map_err(failed)?;
        return Ok(SignedRelease {
            text: verified.text,
            digest: Digest::of(&bytes),
            signer: Some(verified.signer),
        });
    }
    let url = format!("{base}/Release");
    let Some(bytes) = get(&url, with)? else { return Err(missing(&url, with)) };
    let digest = Digest::of(&bytes);
    if unsigned {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        return Ok(SignedRelease { text, digest, signer: None });
    }
    let Some(beside) = get(&format!("{url}.gpg"), with)? else {
        return Err(ArchiveFault::Unsigned { url: shown(&inline) });
    };
    let failed = |source| ArchiveFault::Signature { url: shown(&url), source: Box::new(source) };
    let verified = signature::verify_release(&bytes, &beside, keyrings, with.now).map_err(failed)?;
    Ok(SignedRelease { text: verified.text, digest, signer: Some(verified.signer) })
}

/// The bytes at an address; nothing where there is no such file.
fn get(url: &str, with: &Fetching<'_>) -> Result<Option<Vec<u8>>, ArchiveFault> {
    match with.wire.read(url, RELEASE, with.interrupt) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.is_missing() => Ok(None),
        Err(source) => Err(fetch_fault(fetch::FetchError::Url { url: shown(url), source })),
    }
}

fn missing(url: &str, with: &Fetching<'_>) -> ArchiveFault {
    match with.wire.read(url, RELEASE, with.interrupt) {
        Err(source) => fetch_fault(fetch::FetchError::Url { url: shown(url), source }),
        Ok(_) => ArchiveFault::Unsigned { url: shown(url) },
    }
}

fn fetch_fault(error: fetch::FetchError) -> ArchiveFault {
    ArchiveFault::Fetch(Box::new(error))
}

/// The indexes of the recipe's components for its architectures, by way of the store.
fn indexes(
    deb: &DebSource,
    archive: &DebArchive,
    release: &Release,
    base: &str,
    with: &Fetching<'_>,
) -> Result<Vec<(String, Vec<u8>)>, ArchiveFault> {
    let mut wanted = Vec::new();
    for component in &archive.components {
        for (place, arch) in std::iter::once(&deb.arch).chain(&deb.foreign).enumerate() {
            match release.packages(component, arch) {
                Some(listed) => wanted.push(listed),
                // Not every archive has packages of every foreign architecture.
                None if place > 0 => {}
                None => return Err(no_index(release, component, arch)),
            }
        }
        // Packages of all architectures stand in the other indexes, too, except where there are none of the others.
        let for_own = release.packages(component, &deb.arch).is_some_and(|listed| listed.size > 0);
        wanted.extend(release.packages(component, "all").filter(|_| !for_own));
    }
    let wants: Vec<_> = wanted.iter().map(|listed| want(listed, release, base)).collect();
    let objects = with.store.objects();
    let fetched = fetch::fetch(&wants, &objects, with.wire, with.jobs, with.progress, with.interrupt);
    fetched.map_err(fetch_fault)?;
    wanted.into_iter().map(|listed| unpacked(listed, release, with)).collect()
}

fn want(listed: &ListedIndex, release: &Release, base: &str) -> Want {
    let plain = format!("{base}/{}", listed.path);
    let by_hash = release.acquire_by_hash.then(|| format!("{base}/{}", listed.by_hash()));
    Want {
        sha256: listed.sha256,
        size: listed.size,
        label: listed.path.clone(),
        from: FileLocation::Urls(by_hash.into_iter().chain([plain]).collect()),
    }
}

/// An index out of the store. The Release tells the length and digest of the plain one, too.
fn unpacked(
    listed: &ListedIndex,
    release: &Release,
    with: &Fetching<'_>,
) -> Result<(String, Vec<u8>), ArchiveFault> {
    let path = &listed.path;
    let found = with.store.objects().find(listed.sha256, listed.size)?;
    let gone =
        || std::io::Error::other("somebody removed it from the store meanwhile; run the command again");
    let failed = |source| ArchiveFault::Unpack { path: path.clone(), source };
    let bytes = found.ok_or_else(|| failed(gone()))?.read()?;
    let plain = path.rsplit_once("/Packages").map(|(folder, _)| format!("{folder}/Packages"));
    let plain = plain.and_then(|plain| release.find(&plain));
    let bytes = inflate(path, &bytes, plain.map_or(INDEX, |plain| plain.size)).map_err(failed)?;
    if let Some(plain) = plain {
        let url = format!("{path} (unpacked)");
        plain.check(&bytes).map_err(|source| ArchiveFault::Release { url, source: Box::new(source) })?;
    }
    Ok((path.clone(), bytes))
}

fn no_index(release: &Release, component: &str, arch: &str) -> ArchiveFault {
    ArchiveFault::NoIndex {
        component: component.to_owned(),
        arch: arch.to_owned(),
        components: release.components.join(", "),
        arches: release.architectures.join(", "),
    }
}
