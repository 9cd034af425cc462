//! The packages that a tree holds, by the database of its own dpkg; what the lock knows of them besides.

use std::io;

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{Content, NodeKind, Tree};
use amiforge_packages::deb::control::Paragraph;
use amiforge_packages::locked::LockedPackage;
use amiforge_store::digests::each_part;

/// Longest file of the database that is read.
const LONGEST: u64 = 256 << 20;

/// A package that is in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledPackage {
    /// Its name.
    pub name: String,
    /// Its version with its epoch.
    pub version: String,
    /// Its architecture, or `all`.
    pub arch: String,
    /// What dpkg knows of it.
    pub control: Paragraph,
    /// The paths that it brought.
    pub files: Vec<Vec<u8>>,
    /// The `.deb` it came from, where the lock has it: digest, and path in the archive.
    pub deb: Option<(Digest, String)>,
}

/// Reads dpkg's database in a tree (dpkg(1), `deb-control(5)`); nothing where there is none. Packages that were removed
/// but for their settings are left out.
///
/// # Errors
/// What the medium says, or that the database cannot be understood.
pub fn installed(
    tree: &Tree,
    sources: &dyn Sources,
    lock: &[LockedPackage],
) -> io::Result<Vec<InstalledPackage>> {
    let status = match file(tree, b"var/lib/dpkg/status") {
        Some(content) => bytes(content, sources)?,
        None => return Ok(Vec::new()),
    };
    let stanzas = Paragraph::read_all(&status)
        .map_err(|error| io::Error::other(format!("`/var/lib/dpkg/status` of the image: {error}")))?;
    let mut all = Vec::new();
    for control in stanzas {
        let of = |field| control.get(field).unwrap_or_default().to_owned();
        let (name, version, arch) = (of("Package"), of("Version"), of("Architecture"));
        let gone = ["not-installed", "config-files"].iter().any(|state| of("Status").ends_with(state));
        if name.is_empty() || version.is_empty() || gone {
            continue;
        }
        let files = match list(tree, &name, &arch) {
            Some(list) => bytes(list, sources)?.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect(),
            None => Vec::new(),
        };
        let locked = lock
            .iter()
            .find(|locked| (&locked.name, &locked.version, &locked.arch) == (&name, &version, &arch));
        let deb = locked.map(|locked| (locked.sha256, locked.path.clone()));
        all.push(InstalledPackage { name, version, arch, control, files, deb });
    }
    all.sort_by(|a, b| (&a.name, &a.arch).cmp(&(&b.name, &b.arch)));
    Ok(all)
}

/// The list of a package's files, which has the architecture in its name where there may be several of it.
fn list<'a>(tree: &'a Tree, name: &str, arch: &str) -> Option<&'a Content> {
    let path = |qualified: &str| format!("var/lib/dpkg/info/{name}{qualified}.list");
    file(tree, path(&format!(":{arch}")).as_bytes()).or_else(|| file(tree, path("").as_bytes()))
}

fn file<'a>(tree: &'a Tree, path: &[u8]) -> Option<&'a Content> {
    match &tree.node(tree.lookup(path)?).kind {
        NodeKind::File(content) if content.len() <= LONGEST => Some(content),
        _ => None,
    }
}

fn bytes(content: &Content, sources: &dyn Sources) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    each_part(content, sources, |part| bytes.extend_from_slice(part))?;
    Ok(bytes)
}
