//! Builds one tree of the files of all packages, by rpm's rules.
//!
//! - A path is followed through symlinks of the packages, as the kernel would for rpm (see [`PathTree`]). All symlinks come
//!   first, those nearest to the root before others, then folders, then everything else; so the result does not depend on
//!   the order of the packages.
//! - A path of several packages must be the same in all of them (see [`super::shared`]), folders too; else it is refused.
//!   The first package gives the time.
//! - Files of one device and number are hard links within a package.
//! - What a package owns without bringing it is not made.

use std::collections::{BTreeMap, HashMap};

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Name, NodeId, NodeKind, Tree};

use super::error::{RpmContentError, RpmUnpackError};
use super::shared::difference;
use super::{OpenedRpm, PendingOwner, node};
use crate::rpm::file::last_links;
use crate::rpm::file::payload::{S_IFLNK, S_IFMT};
use crate::rpm::package::{FilePresence, RpmFileEntry};
use crate::unpack::path_tree::PathTree;
use crate::unpack::{PathStop, title};

/// The name of root in packages.
const ROOT: &str = "root";

/// A file: number of the package, number of the file in it.
type FileNumber = (usize, usize);

/// A tree that packages are put into.
pub(super) struct RpmTreeBuilder<'p> {
    packages: &'p [OpenedRpm],
    paths: PathTree,
    /// The files that nodes were made of; the owners of the tree's nodes are indices of it.
    placed: Vec<FileNumber>,
    /// The nodes of files with hard links, by package and number of the last link.
    links: HashMap<FileNumber, NodeId>,
    owners: BTreeMap<NodeId, (String, String)>,
    newest: Option<Time>,
}

impl<'p> RpmTreeBuilder<'p> {
    /// An empty root.
    pub(super) fn new(packages: &'p [OpenedRpm]) -> Self {
        let (placed, links, owners) = (Vec::new(), HashMap::new(), BTreeMap::new());
        Self { packages, paths: PathTree::new(), placed, links, owners, newest: None }
    }

    /// Puts the files of all packages into the tree.
    pub(super) fn place_all(&mut self) -> Result<(), RpmUnpackError> {
        let last: Vec<Vec<usize>> =
            self.packages.iter().map(|opened| last_links(&opened.package.files)).collect();
        let mut order: Vec<(usize, usize, &[u8], FileNumber)> = Vec::new();
        for (package, opened) in self.packages.iter().enumerate() {
            for (number, file) in opened.package.files.iter().enumerate() {
                if file.presence == FilePresence::Installed {
                    let depth = file.path.split(|byte| *byte == b'/').count();
                    order.push((class(file), depth, &file.path, (package, number)));
                }
            }
        }
        order.sort_unstable();
        for (_, _, _, (package, number)) in order {
            let last = last.get(package).and_then(|last| last.get(number)).copied();
            self.place((package, number), last.unwrap_or(number))?;
        }
        Ok(())
    }

    /// The tree, the nodes that are not root's, and the newest time.
    pub(super) fn finish(self) -> (Tree, Vec<PendingOwner>, Time) {
        let owners = self.owners.into_iter();
        let owners = owners.map(|(node, (user, group))| PendingOwner { node, user, group }).collect();
        (self.paths.tree, owners, self.newest.unwrap_or(Time::EPOCH))
    }

    /// Puts one file into the tree. `last` is the last of its hard links, itself where it has none.
    fn place(&mut self, number: FileNumber, last: usize) -> Result<(), RpmUnpackError> {
        let (Some(opened), Some(file)) = (self.packages.get(number.0), self.file(number)) else {
            return Ok(());
        };
        self.newest = self.newest.max(Some(Time::from_secs(i64::from(file.mtime))));
        let clean = file.path.strip_prefix(b"/").unwrap_or(&file.path);
        let parent = self.paths.parent(clean).map_err(|stop| self.stopped(number, stop))?;
        let found = match &parent {
            None => Some(self.paths.tree.root()),
            Some((parent, name)) => self.paths.tree.child(*parent, name.as_bytes()),
        };
        if let Some(found) = found {
            return self.meet(number, found);
        }
        let Some((parent, name)) = parent else { return Ok(()) };
        if let Some(id) = self.links.get(&(number.0, last)) {
            // The name is free and the node a file.
            let _ = self.paths.tree.link(parent, name, *id);
            return Ok(());
        }
        let meta = opened.package.files.get(last).unwrap_or(file);
        let node = node::node(opened, number.1, meta).map_err(|error| self.failure(number, error))?;
        self.add(number, last, (parent, name), node, meta);
        Ok(())
    }

    fn add(
        &mut self,
        number: FileNumber,
        last: usize,
        (parent, name): (NodeId, Name),
        node: amiforge_formats::tree::Node,
        meta: &RpmFileEntry,
    ) {
        let is_file = matches!(node.kind, NodeKind::File(_));
        let Some(id) = self.paths.add(parent, name, node, Some(self.placed.len())) else { return };
        self.placed.push(number);
        self.own(id, meta);
        if is_file {
            self.links.insert((number.0, last), id);
        }
    }

    /// A file whose path is in the tree already.
    fn meet(&mut self, number: FileNumber, found: NodeId) -> Result<(), RpmUnpackError> {
        let (Some(opened), Some(file)) = (self.packages.get(number.0), self.file(number)) else {
            return Ok(());
        };
        let owner = self.paths.owner(found).and_then(|owner| self.placed.get(owner)).copied();
        let Some(owner) = owner else {
            let node = node::node(opened, number.1, file).map_err(|error| self.failure(number, error))?;
            if !matches!(node.kind, NodeKind::Dir(_)) {
                let (path, package) = (file.path.clone(), title(&opened.package.locked));
                return Err(RpmUnpackError::Folder { path, package, kind: node.kind.word() });
            }
            self.paths.tree.node_mut(found).meta = node.meta;
            self.paths.set_owner(found, self.placed.len());
            self.placed.push(number);
            self.own(found, file);
            return Ok(());
        };
        let (Some(earlier), Some(old)) = (self.packages.get(owner.0), self.file(owner)) else {
            return Ok(());
        };
        let difference = difference((old, &earlier.package.header), (file, &opened.package.header));
        let Some(difference) = difference else { return Ok(()) };
        let path = file.path.clone();
        if owner.0 == number.0 {
            return Err(self.failure(number, RpmContentError::Twice { path, difference }));
        }
        // Links and folders are placed before other files, whichever package has them.
        let (earlier, later) = if owner.0 < number.0 { (earlier, opened) } else { (opened, earlier) };
        let (earlier, later) = (title(&earlier.package.locked), title(&later.package.locked));
        Err(RpmUnpackError::Conflict { path, earlier, later, difference })
    }

    /// Notes the owner of a node if it is not root.
    fn own(&mut self, id: NodeId, file: &RpmFileEntry) {
        let name = |name: &str| if name.is_empty() { ROOT.to_owned() } else { name.to_owned() };
        let owner = (name(&file.user), name(&file.group));
        if owner.0 != ROOT || owner.1 != ROOT {
            self.owners.insert(id, owner);
        }
    }

    fn file(&self, (package, number): FileNumber) -> Option<&'p RpmFileEntry> {
        self.packages.get(package).and_then(|opened| opened.package.files.get(number))
    }

    fn stopped(&self, number: FileNumber, stop: PathStop) -> RpmUnpackError {
        self.failure(number, RpmContentError::Path(stop))
    }

    fn failure(&self, (package, _): FileNumber, error: RpmContentError) -> RpmUnpackError {
        let package = self.packages.get(package).map(|opened| title(&opened.package.locked));
        RpmUnpackError::Package { package: package.unwrap_or_default(), source: Box::new(error) }
    }
}

/// When a file is placed: symlinks, then folders, then everything else.
fn class(file: &RpmFileEntry) -> usize {
    match file.mode & S_IFMT {
        S_IFLNK => 0,
        0o040_000 => 1,
        _ => 2,
    }
}
