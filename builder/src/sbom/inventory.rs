//! The packages and files of a tree, for an SBOM. Knows neither format.

use std::collections::BTreeMap;
use std::io;

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{Content, NodeId, NodeKind, Tree};
use amiforge_store::blobs::Blobs;
use amiforge_store::digests::{self, each_part};

use super::installed::InstalledPackage;
use super::licence::{self, Licence};

/// Symbolic links that are followed at most.
const LINKS_MAX: usize = 40;
/// Largest copyright file that is read, in bytes.
const COPYRIGHT_MAX: u64 = 4 << 20;

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
    /// Licences that `/usr/share/doc/NAME/copyright` states in machine-readable form, sorted.
    pub licences: Vec<Licence>,
    /// The `.deb` that it was installed from, if known: SHA-256 in hexadecimal, and its path in the archive.
    pub deb: Option<(String, String)>,
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
    let components: io::Result<Vec<Component>> =
        packages.iter().map(|package| component(tree, blobs, package)).collect();
    let owners = owners(tree, packages);
    let files: Vec<(Vec<u8>, &Content)> = tree
        .walk()
        .filter_map(|entry| match &tree.node(entry.id).kind {
            NodeKind::File(content) => Some((entry.path, content)),
            _ => None,
        })
        .collect();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let share = files.len().div_ceil(workers).max(1);
    let hashed: Vec<io::Result<Vec<SbomFile>>> = std::thread::scope(|scope| {
        let running: Vec<_> = files
            .chunks(share)
            .map(|files| scope.spawn(|| files.iter().map(|file| hash(file, blobs, &owners)).collect()))
            .collect();
        let failed = || Err(io::Error::other("a thread that takes digests ended early"));
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| failed())).collect()
    });
    let mut all = Vec::new();
    for part in hashed {
        all.extend(part?);
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Inventory { components: components?, files: all })
}

fn component(tree: &Tree, sources: &dyn Sources, package: &InstalledPackage) -> io::Result<Component> {
    let source = package.control.get("Source").unwrap_or(&package.name);
    let source = match source.split_once(" (") {
        Some((name, version)) => (name.to_owned(), version.trim_end_matches(')').to_owned()),
        None => (source.to_owned(), package.version.clone()),
    };
    let description = package.control.get("Description").unwrap_or_default();
    let copyright = format!("usr/share/doc/{}/copyright", package.name);
    let licences = match resolve_path(tree, copyright.as_bytes()).map(|id| &tree.node(id).kind) {
        Some(NodeKind::File(content)) if content.len() <= COPYRIGHT_MAX => {
            let mut bytes = Vec::new();
            each_part(content, sources, |part| bytes.extend_from_slice(part))?;
            licence::parse_copyright(&String::from_utf8_lossy(&bytes))
        }
        _ => Vec::new(),
    };
    Ok(Component {
        name: package.name.clone(),
        version: package.version.clone(),
        arch: package.arch.clone(),
        source,
        summary: description.lines().next().unwrap_or_default().to_owned(),
        homepage: package.control.get("Homepage").map(str::to_owned),
        licences,
        deb: package.deb.as_ref().map(|(sha256, path)| (sha256.to_string(), path.clone())),
    })
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

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(super::digit).collect()
}

/// Resolves a path with symbolic links; `None` if it does not exist.
fn resolve_path(tree: &Tree, path: &[u8]) -> Option<NodeId> {
    let mut pending: Vec<Vec<u8>> = path.rsplit(|&byte| byte == b'/').map(<[u8]>::to_vec).collect();
    let (mut stack, mut links) = (vec![tree.root()], 0);
    while let Some(name) = pending.pop() {
        match name.as_slice() {
            b"" | b"." => continue,
            b".." => {
                if stack.len() > 1 {
                    stack.pop();
                }
                continue;
            }
            _ => {}
        }
        let id = tree.child(*stack.last()?, &name)?;
        if let NodeKind::Symlink(target) = &tree.node(id).kind {
            links += 1;
            if links > LINKS_MAX {
                return None;
            }
            if target.starts_with(b"/") {
                stack.truncate(1);
            }
            pending.extend(target.rsplit(|&byte| byte == b'/').map(<[u8]>::to_vec));
        } else {
            stack.push(id);
        }
    }
    stack.pop()
}
