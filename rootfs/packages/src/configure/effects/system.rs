//! The tree as the commands of a script meet it: paths, files, modes, owners. Knows no command.

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeId, NodeKind, Tree};

use crate::configure::account_ids::AccountIds;
use amiforge_formats::path::PathError;
use amiforge_formats::path::{self, Last, TreePath};
use amiforge_rootfs::wildcard;

/// The system that is being configured.
pub(crate) struct TargetSystem<'a> {
    pub(crate) tree: &'a mut Tree,
    pub(crate) sources: &'a dyn Sources,
    /// The time of everything that is made.
    pub(crate) time: Time,
    /// The working directory.
    pub(crate) cwd: Vec<u8>,
    /// The machine as `uname -m` names it.
    pub(crate) machine: &'static str,
    /// Numbers that the recipe gives to users and groups.
    pub(crate) ids: &'a AccountIds,
    /// Permission bits that new files do not get.
    pub(crate) umask: u16,
    /// Temporary files made so far.
    pub(crate) temporary: u32,
    /// Things done, for the report.
    pub(crate) done: Vec<String>,
    /// The first error that is none of a script.
    pub(crate) error: Option<PathError>,
}

/// Prefix of the paths of temporary files of scripts.
const TEMPORARY: &str = "/tmp/.amiforge-script-";

impl<'a> TargetSystem<'a> {
    /// A tree before any script.
    pub(crate) fn new(
        tree: &'a mut Tree,
        sources: &'a dyn Sources,
        machine: &'static str,
        ids: &'a AccountIds,
        time: Time,
    ) -> Self {
        Self {
            tree,
            sources,
            time,
            cwd: Vec::new(),
            machine,
            ids,
            umask: 0o022,
            temporary: 0,
            done: Vec::new(),
            error: None,
        }
    }

    /// What a script starts with: the root as folder, and the usual bits of new files.
    pub(crate) fn begin_script(&mut self) {
        self.cwd.clear();
        self.umask = 0o022;
    }
}

impl TargetSystem<'_> {
    /// Makes a temporary file, which [`TargetSystem::remove_temporary`] takes away again.
    pub(crate) fn make_temporary(&mut self) -> String {
        let path = format!("{TEMPORARY}{}", self.temporary);
        self.temporary += 1;
        self.write_deep(&path, b"");
        path
    }

    /// Removes the temporary files.
    pub(crate) fn remove_temporary(&mut self) {
        for number in 0..self.temporary {
            self.remove(&format!("{TEMPORARY}{number}"));
        }
    }

    /// The paths that a pattern of the shell matches, sorted.
    pub(crate) fn glob(&self, pattern: &[u8]) -> Vec<Vec<u8>> {
        let pattern = String::from_utf8_lossy(pattern).into_owned();
        let absolute = String::from_utf8_lossy(&self.absolute(&pattern)).into_owned();
        let mut found = vec![String::new()];
        for part in absolute.split('/').filter(|part| !part.is_empty()) {
            let mut next = Vec::new();
            for folder in &found {
                for name in self.names(if folder.is_empty() { "/" } else { folder }) {
                    let hidden = name.starts_with('.') && !part.starts_with('.');
                    if !hidden && wildcard::matches(part.as_bytes(), name.as_bytes()) {
                        next.push(format!("{folder}/{name}"));
                    }
                }
            }
            found = next;
        }
        let relative = if pattern.starts_with('/') { 0 } else { self.cwd.len() + 1 };
        found.into_iter().filter_map(|path| path.as_bytes().get(relative..).map(<[u8]>::to_vec)).collect()
    }

    /// A path made absolute.
    pub(crate) fn absolute(&self, path: &str) -> Vec<u8> {
        if path.starts_with('/') {
            path.as_bytes().to_vec()
        } else {
            [&self.cwd[..], b"/", path.as_bytes()].concat()
        }
    }

    /// Remembers an error of the medium; those of paths are what a command would fail with.
    fn record_error<T>(&mut self, result: Result<T, PathError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error @ (PathError::Read { .. } | PathError::TooLarge { .. })) => {
                self.error.get_or_insert(error);
                None
            }
            Err(_) => None,
        }
    }

    /// The location of a path; `None` where a parent folder is missing.
    pub(crate) fn locate(&self, path: &str, last: Last) -> Option<TreePath> {
        if path.is_empty() {
            return None;
        }
        path::resolve(self.tree, &self.absolute(path), last).ok().flatten()
    }

    /// The node at a path, links followed.
    pub(crate) fn node(&self, path: &str) -> Option<NodeId> {
        self.locate(path, Last::Follow)?.node
    }

    /// The node at a path, a link at its end not followed.
    pub(crate) fn entry(&self, path: &str) -> Option<NodeId> {
        self.locate(path, Last::Keep)?.node
    }

    pub(crate) fn is_file(&self, path: &str) -> bool {
        self.node(path).is_some_and(|id| matches!(self.tree.node(id).kind, NodeKind::File(_)))
    }

    pub(crate) fn is_dir(&self, path: &str) -> bool {
        self.node(path).is_some_and(|id| matches!(self.tree.node(id).kind, NodeKind::Dir(_)))
    }

    /// The bytes of a file.
    pub(crate) fn read(&mut self, path: &str) -> Option<Vec<u8>> {
        if !self.is_file(path) {
            return None;
        }
        let read = path::read(self.tree, self.sources, &self.absolute(path));
        self.record_error(read).flatten()
    }

    /// The text of a file; empty if there is none.
    pub(crate) fn text(&mut self, path: &str) -> String {
        String::from_utf8_lossy(&self.read(path).unwrap_or_default()).into_owned()
    }

    /// Puts a node at a path, replacing an existing one; the folder has to exist.
    pub(crate) fn put(&mut self, path: &str, last: Last, meta: Meta, kind: NodeKind) -> bool {
        let Some(location) = self.locate(path, last) else { return false };
        let put = path::put(self.tree, &location, Node { meta, kind });
        self.record_error(put).is_some()
    }

    /// Writes a file as a redirection does: owner and mode of one that is there stay.
    pub(crate) fn write(&mut self, path: &str, bytes: &[u8]) -> bool {
        let meta = match self.node(path).map(|id| self.tree.node(id)) {
            Some(Node { meta, kind: NodeKind::File(_) }) => Meta { mtime: self.time, ..meta.clone() },
            Some(_) => return false,
            None => Meta::root_owned(0o666 & !self.umask, self.time),
        };
        self.put(path, Last::Follow, meta, NodeKind::File(Content::Inline(bytes.into())))
    }

    /// Writes a file, folders on the way made.
    pub(crate) fn write_deep(&mut self, path: &str, bytes: &[u8]) -> bool {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        (folder.is_empty() || self.make_dirs(folder, 0o755)) && self.write(path, bytes)
    }

    /// Makes a folder and those on the way.
    pub(crate) fn make_dirs(&mut self, path: &str, mode: u16) -> bool {
        let made = path::resolve_with_parents(self.tree, &self.absolute(path), Last::Follow, self.time);
        match self.record_error(made) {
            Some(TreePath { node: Some(id), .. }) => self.tree.entries(id).is_some(),
            Some(location) => {
                let node = Node { meta: Meta::root_owned(mode, self.time), kind: NodeKind::dir() };
                let put = path::put(self.tree, &location, node);
                self.record_error(put).is_some()
            }
            None => false,
        }
    }

    /// Makes a symbolic link, replacing an existing node.
    pub(crate) fn link(&mut self, path: &str, target: &str) -> bool {
        let meta = Meta::root_owned(0o777, self.time);
        self.put(path, Last::Keep, meta, NodeKind::Symlink(target.as_bytes().into()))
    }

    /// A symbolic link in a folder that is made if it is missing.
    pub(crate) fn link_deep(&mut self, path: &str, target: &str) -> bool {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        (folder.is_empty() || self.make_dirs(folder, 0o755)) && self.link(path, target)
    }

    /// The target of a symbolic link.
    pub(crate) fn target(&self, path: &str) -> Option<String> {
        match &self.tree.node(self.entry(path)?).kind {
            NodeKind::Symlink(target) => Some(String::from_utf8_lossy(target).into_owned()),
            _ => None,
        }
    }

    /// Removes a name with all below it.
    pub(crate) fn remove(&mut self, path: &str) -> bool {
        match self.locate(path, Last::Keep) {
            Some(TreePath { dir, name: Some(name), node: Some(_), .. }) => {
                self.tree.unlink(dir, name.as_bytes()).is_some()
            }
            _ => false,
        }
    }

    /// Gives a node another name; one that is there goes.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> bool {
        let Some(source) = self.locate(from, Last::Keep) else { return false };
        let (Some(name), Some(id)) = (source.name.clone(), source.node) else { return false };
        let Some(target) = self.locate(to, Last::Keep) else { return false };
        if target
            .node
            .is_some_and(|there| self.tree.entries(there).is_some_and(|entries| !entries.is_empty()))
        {
            return false;
        }
        let Some(new) = target.name else { return false };
        if matches!(self.tree.node(id).kind, NodeKind::Dir(_)) {
            // A folder cannot have two names, not even for a moment: its entries move.
            let node = self.tree.node(id).clone();
            self.tree.unlink(target.dir, new.as_bytes());
            self.tree.unlink(source.dir, name.as_bytes());
            return self.tree.add(target.dir, new, node).is_ok();
        }
        self.tree.unlink(target.dir, new.as_bytes());
        self.tree.unlink(source.dir, name.as_bytes());
        self.tree.link(target.dir, new, id).is_ok()
    }

    /// The path of a program in the folders of `PATH`.
    pub(crate) fn program(&self, name: &str) -> Option<String> {
        if name.contains('/') {
            return self.is_executable(name).then(|| name.to_owned());
        }
        ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
            .into_iter()
            .map(|folder| format!("{folder}/{name}"))
            .find(|path| self.is_file(path) && self.is_executable(path))
    }

    pub(crate) fn is_executable(&self, path: &str) -> bool {
        self.node(path).is_some_and(|id| self.tree.node(id).meta.mode & 0o111 != 0)
    }

    /// Names in a folder, sorted.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = self.node(folder).and_then(|id| self.tree.entries(id));
        let names = entries.into_iter().flatten();
        names.map(|(name, _)| String::from_utf8_lossy(name.as_bytes()).into_owned()).collect()
    }
}
