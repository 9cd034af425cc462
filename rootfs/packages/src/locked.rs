//! The packages that a lock pins: plain data, the same for whoever makes it and whoever builds from it.

use amiforge_formats::digest::Digest;

use crate::PackageKind;

/// A package that a lock pins: one file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage {
    /// Its kind.
    pub kind: PackageKind,
    /// Name, such as `apache2`.
    pub name: String,
    /// Version as the archive writes it, epoch included.
    pub version: String,
    /// Architecture of the package: that of the image, a foreign one, or `all`.
    pub arch: String,
    /// Digest of its file.
    pub sha256: Digest,
    /// Length of its file in bytes.
    pub size: u64,
    /// Path under the archive's root, such as `pool/main/a/apache2/apache2_2.4.62-1~deb12u2_amd64.deb`.
    pub path: String,
    /// Name of the archive that has it (see [`LockedArchive::name`]).
    pub archive: String,
    /// Digest of the signed part of its header, for kinds that sign packages: it stays the same when a package is signed anew.
    pub header: Option<Digest>,
    /// Why it is there.
    pub reason: LockReason,
}

/// A version of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageId {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture, or `all`.
    pub arch: String,
}

/// Why a package is in a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockReason {
    /// The recipe names it.
    Named,
    /// It belongs to the base set (essential, required and so on).
    Base,
    /// Another package needs or recommends it.
    Dependency,
}

/// A suite of an archive, or a repository, as it was when the lock was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedArchive {
    /// Name of the archive, which the mirror is found by: `debian`, `debian-security`, `ubuntu`, or the recipe's own.
    pub name: String,
    /// The suite or release as the recipe names it.
    pub suite: String,
    /// `Date` of its Release, or the time of its `repomd.xml`, in seconds since 1970: a lock never goes back behind it.
    pub date: i64,
    /// Digest of the `InRelease` (or Release, or `repomd.xml`) that was checked.
    pub release: Digest,
    /// Fingerprint of the key that signed it, in upper-case hexadecimal; none where the recipe trusts it unsigned.
    pub signer: Option<String>,
    /// Address that paths of packages are below, where lists of mirrors named it when the lock was made; else the recipe names it.
    pub base: Option<String>,
    /// Fingerprints of the keys that packages of it in the lock are signed with, sorted; for kinds that sign packages.
    pub package_signers: Vec<String>,
}
