//! Groups of files that are likely to change together: those of packages that are built from one source, by the package
//! database of the tree. A file that no package has goes with the folder that it is in, if that is of one source only:
//! so do compiled Python modules and the lists of a kernel's modules.

use std::collections::BTreeMap;
use std::io;

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{ChangeGroups, NodeId, NodeKind, Tree};
use amiforge_packages::PackageKind;
use amiforge_packages::installed::OwnedPaths;

use crate::recipe::RecipePartition;

/// No source, and folders that several have.
const NONE: u32 = 0;
const SEVERAL: u32 = u32::MAX;

/// The groups of each partition's tree, of the whole system's `tree` and the `trees` that it was divided into.
///
/// # Errors
/// A read error of the package database.
pub(in crate::pipeline) fn groups(
    tree: &Tree,
    partitions: &[RecipePartition],
    trees: &[Option<Tree>],
    sources: &dyn Sources,
) -> io::Result<Vec<ChangeGroups>> {
    let mut owned = Vec::new();
    for kind in PackageKind::ALL {
        owned.append(&mut kind.format().owned(tree, sources)?);
    }
    let merged = MergedFolders::of(tree);
    let of = |(partition, part): (&RecipePartition, &Option<Tree>)| match (part, &partition.tree) {
        (Some(part), Some(mount)) if !owned.is_empty() => within(part, mount, &owned, &merged),
        _ => ChangeGroups::default(),
    };
    Ok(partitions.iter().zip(trees).map(of).collect())
}

/// The groups of a tree that is mounted at a folder.
fn within(tree: &Tree, mount: &str, owned: &[OwnedPaths], merged: &MergedFolders) -> ChangeGroups {
    let mut names: Vec<&str> = owned.iter().map(|package| package.source.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mount = mount.trim_matches('/').as_bytes();
    let mut direct = vec![NONE; tree.capacity()];
    let mut lookup = FolderLookup { tree, folder: Vec::new(), node: Some(tree.root()) };
    for package in owned {
        let number = names.binary_search(&package.source.as_str()).map_or(NONE, |at| at as u32 + 1);
        for path in &package.paths {
            let path = merged.resolved(path.strip_prefix(b"/").unwrap_or(path));
            let Some(id) = below(&path, mount).and_then(|path| lookup.find(path)) else { continue };
            let known = &mut direct[id.index()];
            let folder = matches!(tree.node(id).kind, NodeKind::Dir(_));
            *known = match *known {
                NONE => number,
                known if known == number || !folder => known,
                _ => SEVERAL,
            };
        }
    }
    let mut members: BTreeMap<Box<[u8]>, Vec<NodeId>> = BTreeMap::new();
    for (id, number) in inherited(tree, &direct) {
        let name = names[number as usize - 1].as_bytes();
        match members.get_mut(name) {
            Some(members) => members.push(id),
            None => drop(members.insert(name.into(), vec![id])),
        }
    }
    ChangeGroups::new(&members)
}

/// Every node with its group, or with that of the folder that it is in; those without one are left out.
fn inherited(tree: &Tree, direct: &[u32]) -> Vec<(NodeId, u32)> {
    let mut found = Vec::new();
    let mut stack = vec![(tree.root(), NONE)];
    while let Some((folder, group)) = stack.pop() {
        for id in tree.entries(folder).into_iter().flatten().map(|(_, id)| *id) {
            let own = match direct[id.index()] {
                NONE => group,
                SEVERAL => NONE,
                number => number,
            };
            if own != NONE {
                found.push((id, own));
            }
            if matches!(tree.node(id).kind, NodeKind::Dir(_)) {
                stack.push((id, own));
            }
        }
    }
    found
}

/// The part of a path below a folder, both without a first `/`.
fn below<'a>(path: &'a [u8], folder: &[u8]) -> Option<&'a [u8]> {
    if folder.is_empty() { Some(path) } else { path.strip_prefix(folder)?.strip_prefix(b"/") }
}

/// Finds nodes by paths that often share their folder with the path before.
struct FolderLookup<'a> {
    tree: &'a Tree,
    folder: Vec<u8>,
    node: Option<NodeId>,
}

impl FolderLookup<'_> {
    fn find(&mut self, path: &[u8]) -> Option<NodeId> {
        let (folder, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&b""[..], path),
        };
        if self.folder != folder {
            self.node = self.tree.lookup(folder);
            self.folder.clear();
            self.folder.extend_from_slice(folder);
        }
        self.tree.child(self.node?, name)
    }
}

/// Folders at the top that are links into `/usr` on merged systems: packages name files by `/bin`, `/lib` and so on.
pub(in crate::pipeline) struct MergedFolders(Vec<(Vec<u8>, Vec<u8>)>);

impl MergedFolders {
    /// The folders of a tree.
    pub(in crate::pipeline) fn of(tree: &Tree) -> Self {
        let entries = tree.entries(tree.root()).into_iter().flatten();
        let link = |target: &[u8]| target.strip_prefix(b"/").unwrap_or(target).to_vec();
        let links = entries.filter_map(|(name, id)| match &tree.node(*id).kind {
            NodeKind::Symlink(target) => Some((name.as_bytes().to_vec(), link(target))),
            _ => None,
        });
        Self(links.collect())
    }

    /// The path behind the link that it begins with, if it does.
    pub(in crate::pipeline) fn resolved<'a>(&self, path: &'a [u8]) -> std::borrow::Cow<'a, [u8]> {
        let (first, rest) = path.split_at(path.iter().position(|&byte| byte == b'/').unwrap_or(path.len()));
        match self.0.iter().find(|(name, _)| name == first) {
            Some((_, target)) if !rest.is_empty() => [target, rest].concat().into(),
            _ => path.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use amiforge_formats::time::Time;
    use amiforge_formats::tree::{Content, Meta, Name, Node};

    use super::*;

    fn add(tree: &mut Tree, path: &str, kind: NodeKind) {
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let meta = Meta::root_owned(0o755, Time::EPOCH);
        let mut dir = tree.root();
        for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
            dir = tree.child(dir, folder.as_bytes()).unwrap_or_else(|| {
                let node = Node { meta: meta.clone(), kind: NodeKind::dir() };
                tree.add(dir, Name::new(folder.as_bytes()).unwrap(), node).unwrap()
            });
        }
        tree.add(dir, Name::new(name.as_bytes()).unwrap(), Node { meta, kind }).unwrap();
    }

    #[test]
    fn files_have_the_group_of_their_source_or_of_a_folder_that_only_one_has() {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        let files = ["usr/bin/a", "usr/bin/b", "usr/lib/a/x", "usr/lib/a/cache/x.pyc", "usr/made"];
        for path in files {
            add(&mut tree, path, NodeKind::File(Content::empty()));
        }
        add(&mut tree, "bin", NodeKind::Symlink(b"usr/bin".as_slice().into()));
        let owned = |source: &str, paths: &[&str]| OwnedPaths {
            package: (source.to_owned(), String::new()),
            source: source.to_owned(),
            paths: paths.iter().map(|path| path.as_bytes().to_vec()).collect(),
        };
        let owned = [
            owned("y", &["/.", "/usr", "/bin", "/bin/a", "/usr/lib", "/usr/lib/a", "/usr/lib/a/x"]),
            owned("x", &["/usr", "/usr/bin", "/usr/bin/a", "/usr/bin/b", "/gone/z"]),
        ];
        let merged = MergedFolders::of(&tree);
        let group =
            |groups: &ChangeGroups, tree: &Tree, path: &str| groups.of(tree.lookup(path.as_bytes()).unwrap());
        let groups = within(&tree, "/", &owned, &merged);
        assert_eq!(groups.names().collect::<Vec<_>>(), [b"x", b"y"]);
        let expected = [("usr", 0), ("usr/bin", 1), ("usr/bin/a", 2), ("usr/bin/b", 1), ("usr/lib", 2)];
        let inherited = [("usr/lib/a/cache", 2), ("usr/lib/a/cache/x.pyc", 2), ("usr/made", 0), ("bin", 2)];
        for (path, number) in expected.into_iter().chain(inherited) {
            assert_eq!(group(&groups, &tree, path), number, "{path}");
        }
        let mut lib = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        add(&mut lib, "a/x", NodeKind::File(Content::empty()));
        let groups = within(&lib, "/usr/lib", &owned, &merged);
        assert_eq!(group(&groups, &lib, "a/x"), 1);
    }
}
