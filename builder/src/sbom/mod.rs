//! The software bill of materials (SBOM) of an image: its packages with sources and licences, and its files with
//! digests and owners. [`inventory`] reads the tree; [`spdx`] and [`cyclonedx`] write. Ids are derived from the
//! content, so nothing in an SBOM depends on a clock or a random number.

mod cyclonedx;
mod inventory;
mod spdx;
#[cfg(test)]
mod tests;

use std::io;

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_packages::PackageKind;
use amiforge_packages::backend::DistributionRelease;
pub use amiforge_packages::installed::{InstalledPackage, Licence};
use amiforge_packages::locked::{LockedPackage, PackageId};

pub use self::cyclonedx::cyclonedx;
pub use self::inventory::{Component, Inventory, SbomFile, inventory};
pub use self::spdx::spdx;

/// The image that an SBOM describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The distribution of its packages, in the form of package URLs, such as `debian`.
    pub distribution: &'a str,
    /// The suite that its packages come from, such as `bookworm`.
    pub suite: &'a str,
    /// The time of the build: that of the newest input.
    pub created: Time,
    /// The version of this program.
    pub tool: &'a str,
    /// The image that the system was made from, as the recipe names it; `None` where all packages were unpacked from pinned files.
    pub base: Option<&'a str>,
}

impl Subject<'_> {
    /// The base image that a package was in: its package database lists it, and no pinned file is known to be it.
    fn base_of(&self, component: &Component) -> Option<&str> {
        self.base.filter(|_| component.file.is_none())
    }
}

/// The packages that a tree lists in its package databases, sorted by name and architecture; those that the lock
/// has come with the file that they were unpacked from.
///
/// # Errors
/// A read error of the medium, or a database that is malformed.
pub fn installed(
    tree: &Tree,
    sources: &dyn Sources,
    lock: &[LockedPackage],
) -> io::Result<Vec<InstalledPackage>> {
    let mut all = Vec::new();
    for kind in PackageKind::ALL {
        all.append(&mut kind.format().installed(tree, sources)?);
    }
    for package in &mut all {
        let is_it = |locked: &&LockedPackage| {
            (locked.kind, &locked.name, &locked.version, &locked.arch)
                == (package.kind, &package.name, &package.version, &package.arch)
        };
        package.file = lock.iter().find(is_it).map(|locked| (locked.sha256, locked.path.clone()));
    }
    all.sort_by(|a, b| (&a.name, &a.arch).cmp(&(&b.name, &b.arch)));
    Ok(all)
}

/// The id of the document, derived from its content: a UUID of version 8 (RFC 9562, 5.8).
fn document_id(subject: &Subject<'_>, inventory: &Inventory) -> String {
    use sha2::{Digest, Sha256};
    let mut hasher = Sha256::new();
    for text in [subject.name, subject.version, subject.distribution, subject.suite, subject.tool] {
        hasher.update(text.as_bytes());
        hasher.update([0]);
    }
    for component in &inventory.components {
        hasher.update(purl(subject, component).as_bytes());
        hasher.update([0]);
        if let Some((sha256, _)) = &component.file {
            hasher.update(sha256.as_bytes());
        }
        hasher.update([0]);
    }
    for file in &inventory.files {
        hasher.update(file.path.as_bytes());
        hasher.update([0]);
        hasher.update(file.sha256.as_bytes());
    }
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hasher.finalize()).for_each(|(byte, from)| *byte = from);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect();
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range).unwrap_or_default());
    parts.join("-")
}

/// The package URL of a package.
fn purl(subject: &Subject<'_>, component: &Component) -> String {
    let id = PackageId {
        name: component.name.clone(),
        version: component.version.clone(),
        arch: component.arch.clone(),
    };
    let release = DistributionRelease { distribution: subject.distribution, suite: subject.suite };
    component.kind.format().purl(&id, &release)
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}
