//! The packages and files of a tree, for an SBOM. Knows neither format.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use amiforge_formats::digest::hex;
use amiforge_formats::tree::{Content, NodeKind, Tree};
use amiforge_packages::PackageKind;
use amiforge_packages::installed::{InstalledPackage, Licence};
use amiforge_store::blobs::Blobs;
use amiforge_store::digests;

/// The packages and files of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The packages, sorted by name and architecture.
    pub components: Vec<Component>,
    /// Every regular file, sorted by path.
    pub files: Vec<SbomFile>,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// What kind of package it is.
    pub kind: PackageKind,
    /// Name.
    pub name: String,
    /// Version, with its epoch.
    pub version: String,
    /// Architecture, or `all`.
    pub arch: String,
    /// Name and version of the source package.
    pub source: (String, String),
    /// The short description.
    pub summary: String,
    /// URL of the project, if the package states it.
    pub homepage: Option<String>,
    /// Licences that the package declares in machine-readable form, sorted.
    pub licences: Vec<Licence>,
    /// The file that it was unpacked from, where that is known: SHA-256 in hexadecimal, and path in its archive.
    pub file: Option<(String, String)>,
}

/// A regular file of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SbomFile {
    /// Path without a leading `/`; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// SHA-1 in hexadecimal, which SPDX requires.
    pub sha1: String,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// The package that owns it, as an index into [`Inventory::components`].
    pub owner: Option<usize>,
}

/// Reads every package and every file. Contents with unknown digests are read once, several in parallel. `packages`
/// must be sorted by name and architecture.
///
/// # Errors
/// An error of reading the tree's contents.
pub fn inventory(tree: &Tree, blobs: &Blobs, packages: &[InstalledPackage]) -> io::Result<Inventory> {
    let components = packages.iter().map(component).collect();
    let owners = owners(tree, packages);
    let files: Vec<(Vec<u8>, &Content)> = tree
        .walk()
        .filter_map(|entry| match &tree.node(entry.id).kind {
            NodeKind::File(content) => Some((entry.path, content)),
            _ => None,
        })
        .collect();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let work = || -> io::Result<Vec<(usize, SbomFile)>> {
        // Each thread takes the next one: a few files have most of the bytes.
        let mine = std::iter::from_fn(|| {
            let number = next.fetch_add(1, Ordering::Relaxed);
            files.get(number).map(|file| (number, file))
        });
        mine.map(|(number, file)| Ok((number, hash(file, blobs, &owners)?))).collect()
    };
    let hashed: Vec<io::Result<Vec<(usize, SbomFile)>>> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let failed = || Err(io::Error::other("a thread that takes digests ended early"));
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| failed())).collect()
    });
    let mut all = Vec::new();
    for part in hashed {
        all.extend(part?);
    }
    // Paths that are no UTF-8 may be the same once they are replaced.
    all.sort_by(|(one, a), (other, b)| a.path.cmp(&b.path).then(one.cmp(other)));
    Ok(Inventory { components, files: all.into_iter().map(|(_, file)| file).collect() })
}

fn component(package: &InstalledPackage) -> Component {
    Component {
        kind: package.kind,
        name: package.name.clone(),
        version: package.version.clone(),
        arch: package.arch.clone(),
        source: package.source.clone(),
        summary: package.summary.clone(),
        homepage: package.homepage.clone(),
        licences: package.licences.clone(),
        file: package.file.as_ref().map(|(sha256, path)| (sha256.to_string(), path.clone())),
    }
}

/// The package that owns each path; of several the first.
fn owners(tree: &Tree, packages: &[InstalledPackage]) -> BTreeMap<Vec<u8>, usize> {
    let mut owners = BTreeMap::new();
    // Packages name files by `/bin`, `/lib` and so on, which are links into `/usr` on merged systems.
    let merged = |path: &[u8]| -> Vec<u8> {
        let (first, rest) = path.split_at(path.iter().position(|&byte| byte == b'/').unwrap_or(path.len()));
        match tree.lookup(first).map(|id| &tree.node(id).kind) {
            Some(NodeKind::Symlink(target)) if !rest.is_empty() => {
                [target.strip_prefix(b"/").unwrap_or(target), rest].concat()
            }
            _ => path.to_vec(),
        }
    };
    for (at, package) in packages.iter().enumerate() {
        for path in &package.files {
            owners.entry(merged(path.strip_prefix(b"/").unwrap_or(path))).or_insert(at);
        }
    }
    owners
}

fn hash(
    (path, content): &(Vec<u8>, &Content),
    blobs: &Blobs,
    owners: &BTreeMap<Vec<u8>, usize>,
) -> io::Result<SbomFile> {
    let digests = digests::of(content, blobs)?;
    Ok(SbomFile {
        path: String::from_utf8_lossy(path).into_owned(),
        sha1: hex(&digests.sha1),
        sha256: hex(&digests.sha256.0),
        owner: owners.get(path).copied(),
    })
}
