//! The packages that a tree holds, by the database of its own dpkg (dpkg(1), `deb-control(5)`).

use std::io;

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{Content, NodeId, NodeKind, Tree};
use amiforge_store::digests::each_part;

use super::control::Paragraph;
use super::licence;
use crate::PackageKind;
use crate::installed::{InstalledPackage, Licence};

/// Longest file of the database that is read.
const LONGEST: u64 = 256 << 20;
/// Largest file of licences that is read.
const COPYRIGHT_MAX: u64 = 4 << 20;
/// Symbolic links followed on the way to a file.
const LINKS_MAX: usize = 40;

/// Reads dpkg's database in a tree; nothing where there is none. Packages that were removed but for their settings are
/// left out.
///
/// # Errors
/// A read error of the medium, or a database that is malformed.
pub(super) fn installed(tree: &Tree, sources: &dyn Sources) -> io::Result<Vec<InstalledPackage>> {
    let status = match file(tree, b"var/lib/dpkg/status") {
        Some(content) => bytes(content, sources)?,
        None => return Ok(Vec::new()),
    };
    let stanzas = Paragraph::read_all(&status)
        .map_err(|error| io::Error::other(format!("`/var/lib/dpkg/status` of the image: {error}")))?;
    let mut all = Vec::new();
    for control in stanzas {
        let field = |field| control.get(field).unwrap_or_default().to_owned();
        let (name, version, arch) = (field("Package"), field("Version"), field("Architecture"));
        let gone = ["not-installed", "config-files"].iter().any(|state| field("Status").ends_with(state));
        if name.is_empty() || version.is_empty() || gone {
            continue;
        }
        let files = match list(tree, &name, &arch) {
            Some(list) => bytes(list, sources)?.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect(),
            None => Vec::new(),
        };
        all.push(InstalledPackage {
            kind: PackageKind::Deb,
            source: source(&control, &name, &version),
            summary: field("Description").lines().next().unwrap_or_default().to_owned(),
            homepage: control.get("Homepage").map(str::to_owned),
            licences: licences(tree, sources, &name)?,
            file: None,
            name,
            version,
            arch,
            files,
        });
    }
    all.sort_by(|a, b| (&a.name, &a.arch).cmp(&(&b.name, &b.arch)));
    Ok(all)
}

/// The source package: `Source: NAME (VERSION)`, each part the package's own where it is not given.
fn source(control: &Paragraph, name: &str, version: &str) -> (String, String) {
    let source = control.get("Source").unwrap_or(name);
    match source.split_once(" (") {
        Some((name, version)) => (name.to_owned(), version.trim_end_matches(')').to_owned()),
        None => (source.to_owned(), version.to_owned()),
    }
}

/// The licences that `/usr/share/doc/NAME/copyright` states in machine-readable form.
fn licences(tree: &Tree, sources: &dyn Sources, name: &str) -> io::Result<Vec<Licence>> {
    let copyright = format!("usr/share/doc/{name}/copyright");
    Ok(match followed(tree, copyright.as_bytes()).map(|id| &tree.node(id).kind) {
        Some(NodeKind::File(content)) if content.len() <= COPYRIGHT_MAX => {
            licence::parse_copyright(&String::from_utf8_lossy(&bytes(content, sources)?))
        }
        _ => Vec::new(),
    })
}

/// The list of a package's files, which has the architecture in its name where there may be several of it.
pub(super) fn list<'a>(tree: &'a Tree, name: &str, arch: &str) -> Option<&'a Content> {
    let path = |qualified: &str| format!("var/lib/dpkg/info/{name}{qualified}.list");
    file(tree, path(&format!(":{arch}")).as_bytes()).or_else(|| file(tree, path("").as_bytes()))
}

pub(super) fn file<'a>(tree: &'a Tree, path: &[u8]) -> Option<&'a Content> {
    match &tree.node(tree.lookup(path)?).kind {
        NodeKind::File(content) if content.len() <= LONGEST => Some(content),
        _ => None,
    }
}

pub(super) fn bytes(content: &Content, sources: &dyn Sources) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    each_part(content, sources, |part| bytes.extend_from_slice(part))?;
    Ok(bytes)
}

/// The node at a path, links followed; `None` where there is none.
fn followed(tree: &Tree, path: &[u8]) -> Option<NodeId> {
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

#[cfg(test)]
mod tests {
    use amiforge_formats::plan::NoSources;
    use amiforge_formats::time::Time;
    use amiforge_formats::tree::{Meta, Name, Node};

    use super::*;

    const COPYRIGHT: &str = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: \
                             GPL-2+ or Expat\n\nFiles: x\nLicense: odd one\n\nLicense: odd one\n Text.\n";

    fn add(tree: &mut Tree, path: &str, kind: NodeKind) {
        let mut dir = tree.root();
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
            dir = tree.child(dir, folder.as_bytes()).unwrap_or_else(|| {
                let node = Node { meta: Meta::root_owned(0o755, Time::EPOCH), kind: NodeKind::dir() };
                tree.add(dir, Name::new(folder.as_bytes()).unwrap(), node).unwrap()
            });
        }
        let node = Node { meta: Meta::root_owned(0o644, Time::EPOCH), kind };
        tree.add(dir, Name::new(name.as_bytes()).unwrap(), node).unwrap();
    }

    #[test]
    fn packages_are_read_from_the_database_of_dpkg() {
        let file = |text: &str| NodeKind::File(Content::Inline(text.as_bytes().into()));
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        assert_eq!(installed(&tree, &NoSources).unwrap(), []);
        let stanza = |name: &str, arch: &str, status: &str| {
            format!("Package: {name}\nStatus: {status}\nArchitecture: {arch}\nVersion: 1\n")
        };
        let status = [
            stanza("tool", "all", "install ok installed"),
            "Source: big (1:2.0)\nDescription: a tool\n more\n\n".to_owned(),
            stanza("lib", "i386", "install ok unpacked"),
            "\n".to_owned(),
            stanza("lib", "amd64", "install ok installed"),
            "\n".to_owned(),
            stanza("gone", "all", "deinstall ok config-files"),
        ];
        add(&mut tree, "var/lib/dpkg/status", file(&status.concat()));
        add(&mut tree, "var/lib/dpkg/info/tool.list", file("/.\n/bin/tool\n"));
        add(&mut tree, "var/lib/dpkg/info/lib:i386.list", file("/lib/i386\n"));
        add(&mut tree, "usr/share/doc/lib/copyright", file(COPYRIGHT));
        add(&mut tree, "usr/share/doc/tool", NodeKind::Symlink(b"lib".as_slice().into()));
        let packages = installed(&tree, &NoSources).unwrap();
        let names: Vec<_> =
            packages.iter().map(|one| format!("{} {} {}", one.name, one.arch, one.files.len())).collect();
        assert_eq!(names, ["lib amd64 0", "lib i386 2", "tool all 3"]);
        let (lib, tool) = (&packages[0], &packages[2]);
        assert_eq!(tool.source, ("big".into(), "1:2.0".into()));
        assert_eq!(tool.summary, "a tool");
        assert_eq!(lib.source, ("lib".into(), "1".into()));
        let expressions: Vec<_> = tool.licences.iter().map(|licence| licence.expression.as_str()).collect();
        assert_eq!(expressions, ["(GPL-2.0-or-later OR MIT)", "LicenseRef-odd-one"]);
        assert_eq!(tool.licences, lib.licences);
    }
}
