//! The paths of each package that a tree holds, by the database of its own dpkg: for what lays files of a package beside
//! each other. A database that is malformed ends at the mistake: nothing but the layout depends on it.

use std::collections::BTreeMap;
use std::io;

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::Tree;

use super::control::stanzas;
use super::installed::{bytes, file, list};
use crate::installed::OwnedPaths;

/// Folder of the lists, scripts and sums of each package.
const INFO: &str = "var/lib/dpkg/info";

/// Reads which paths each package has, and its own files in the database.
///
/// # Errors
/// A read error of the medium.
pub(super) fn owned(tree: &Tree, sources: &dyn Sources) -> io::Result<Vec<OwnedPaths>> {
    let Some(status) = file(tree, b"var/lib/dpkg/status") else { return Ok(Vec::new()) };
    let status = bytes(status, sources)?;
    let status = String::from_utf8_lossy(&status);
    let mut records = records(tree);
    let mut all = Vec::new();
    for stanza in stanzas(&status).map_while(Result::ok) {
        let Some(name) = stanza.get("Package") else { continue };
        let source = stanza.get("Source").unwrap_or(name);
        let source = source.split_once(' ').map_or(source, |(source, _)| source);
        let arch = stanza.get("Architecture").unwrap_or_default();
        let mut paths = records.remove(name).unwrap_or_default();
        if let Some(list) = list(tree, name, arch) {
            let list = bytes(list, sources)?;
            let lines = list.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
            paths.extend(lines.map(<[u8]>::to_vec));
        }
        let package = (name.to_owned(), arch.to_owned());
        all.push(OwnedPaths { package, source: source.to_owned(), paths });
    }
    Ok(all)
}

/// The files of the database by their package: `NAME.list`, `NAME:ARCH.postinst` and so on.
fn records(tree: &Tree) -> BTreeMap<String, Vec<Vec<u8>>> {
    let entries = tree.lookup(INFO.as_bytes()).and_then(|id| tree.entries(id));
    let mut records: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for name in entries.into_iter().flatten().map(|(name, _)| String::from_utf8_lossy(name.as_bytes())) {
        let Some((package, _)) = name.rsplit_once('.') else { continue };
        let package = package.split_once(':').map_or(package, |(package, _)| package);
        records.entry(package.to_owned()).or_default().push(format!("{INFO}/{name}").into_bytes());
    }
    records
}

#[cfg(test)]
mod tests {
    use amiforge_formats::plan::NoSources;
    use amiforge_formats::time::Time;
    use amiforge_formats::tree::{Content, Meta, Name, Node, NodeKind};

    use super::*;

    #[test]
    fn packages_have_what_they_list_and_their_records_and_a_mistake_ends_it() {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        assert_eq!(owned(&tree, &NoSources).unwrap(), []);
        let mut dir = tree.root();
        let meta = Meta::root_owned(0o644, Time::EPOCH);
        for folder in ["var", "lib", "dpkg", "info"] {
            let node = Node { meta: meta.clone(), kind: NodeKind::dir() };
            dir = tree.add(dir, Name::new(folder.as_bytes()).unwrap(), node).unwrap();
        }
        let dpkg = tree.lookup(b"var/lib/dpkg").unwrap();
        let status = "Package: a\nSource: both (1.0)\n\nPackage: b\nArchitecture: amd64\nSource: both\n\nx\n";
        for (dir, name, text) in [
            (dpkg, "status", status),
            (dir, "a.list", "/.\n/bin/a\n"),
            (dir, "b:amd64.list", "/bin/b\n"),
            (dir, "b:amd64.postinst", ""),
        ] {
            let kind = NodeKind::File(Content::Inline(text.as_bytes().into()));
            tree.add(dir, Name::new(name.as_bytes()).unwrap(), Node { meta: meta.clone(), kind }).unwrap();
        }
        let texts = |paths: &[&str]| paths.iter().map(|path| path.as_bytes().to_vec()).collect();
        let of = |name: &str, arch: &str, paths: &[&str]| OwnedPaths {
            package: (name.to_owned(), arch.to_owned()),
            source: "both".to_owned(),
            paths: texts(paths),
        };
        assert_eq!(
            owned(&tree, &NoSources).unwrap(),
            [
                of("a", "", &["var/lib/dpkg/info/a.list", "/.", "/bin/a"]),
                of(
                    "b",
                    "amd64",
                    &["var/lib/dpkg/info/b:amd64.list", "var/lib/dpkg/info/b:amd64.postinst", "/bin/b"]
                ),
            ]
        );
    }
}
