//! Shims: scripts that replace programs of the tree while packages are configured.

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Tree};

/// The program that `invoke-rc.d` and `deb-systemd-invoke` run to learn whether a service may be started.
const POLICY: Shim = Shim { path: b"usr/sbin/policy-rc.d", script: "#!/bin/sh\nexit 101\n" };

/// The program by which old scripts start services themselves.
const STARTER: Shim = Shim {
    path: b"usr/sbin/start-stop-daemon",
    script: "#!/bin/sh\necho \"start-stop-daemon: nothing is started while an image is built\" >&2\n",
};

/// The shims that prevent services from being started.
pub(crate) const STARTS_NOTHING: &[Shim] = &[POLICY, STARTER];

/// A script that replaces a program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shim {
    pub(crate) path: &'static [u8],
    pub(crate) script: &'static str,
}

/// A shim in a tree, and the node that it replaced.
pub(crate) struct InstalledShim {
    shim: Shim,
    replaced: Option<Node>,
}

impl Shim {
    /// Whether the tree has the program.
    pub(crate) fn has_program(self, tree: &Tree) -> bool {
        split(tree, self.path).is_some_and(|(dir, last)| tree.child(dir, last).is_some())
    }

    /// Writes the script into the tree; `None` where its folder does not exist.
    pub(crate) fn install(self, tree: &mut Tree, epoch: Time) -> Option<InstalledShim> {
        let (dir, last) = split(tree, self.path)?;
        let replaced = tree.unlink(dir, last).map(|id| tree.node(id).clone());
        let kind = NodeKind::File(Content::Inline(self.script.as_bytes().into()));
        put(tree, self.path, Node { meta: Meta::root_owned(0o755, epoch), kind });
        Some(InstalledShim { shim: self, replaced })
    }
}

impl InstalledShim {
    /// The node that the shim replaced.
    pub(crate) fn replaced(&self) -> Option<&Node> {
        self.replaced.as_ref()
    }

    /// Removes the script, unless its path has been overwritten since, and restores the node that it replaced.
    pub(crate) fn restore(self, tree: &mut Tree) {
        let Some((dir, last)) = split(tree, self.shim.path) else { return };
        let script = self.shim.script.as_bytes();
        let ours = tree.child(dir, last).is_some_and(
            |id| matches!(&tree.node(id).kind, NodeKind::File(Content::Inline(bytes)) if **bytes == *script),
        );
        if !ours {
            return;
        }
        let last = last.to_vec();
        tree.unlink(dir, &last);
        if let Some(replaced) = self.replaced.or_else(|| alternative(tree, &last)) {
            put(tree, self.shim.path, replaced);
        }
    }
}

/// The link that `update-alternatives` would have made at the shim's path: it leaves a file that exists there alone.
fn alternative(tree: &Tree, name: &[u8]) -> Option<Node> {
    let chosen = tree.lookup(&[b"etc/alternatives/", name].concat())?;
    let Node { meta, kind: NodeKind::Symlink(_) } = tree.node(chosen) else { return None };
    let target = [b"/etc/alternatives/", name].concat();
    Some(Node { meta: meta.clone(), kind: NodeKind::Symlink(target.into()) })
}

/// Adds a node at a path whose folder exists and whose name is free; otherwise does nothing.
pub(crate) fn put(tree: &mut Tree, path: &[u8], node: Node) {
    if let Some((dir, last)) = split(tree, path)
        && let Ok(name) = Name::new(last)
    {
        let _ = tree.add(dir, name, node);
    }
}

/// Removes the node at a path, if there is one.
pub(crate) fn remove(tree: &mut Tree, path: &[u8]) {
    if let Some((dir, last)) = split(tree, path) {
        tree.unlink(dir, last);
    }
}

/// The folder of a path, and the path's last name.
fn split<'a>(tree: &Tree, path: &'a [u8]) -> Option<(NodeId, &'a [u8])> {
    let cut = path.iter().rposition(|&byte| byte == b'/')?;
    let (dir, last) = path.split_at_checked(cut)?;
    // The folder may be a link: `/usr/sbin` is one to `/usr/bin` in some distributions.
    let folder = [b"/", dir].concat();
    Some((amiforge_formats::path::find(tree, &folder).ok().flatten()?, last.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_are_linked_when_the_shim_is_removed() {
        let folder = || Node { meta: Meta::root_owned(0o755, Time::EPOCH), kind: NodeKind::dir() };
        let link = |target: &str| Node {
            meta: Meta::root_owned(0o777, Time::EPOCH),
            kind: NodeKind::Symlink(target.as_bytes().into()),
        };
        for registered in [true, false] {
            let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
            for path in ["usr", "usr/sbin", "etc", "etc/alternatives"] {
                let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
                let above = tree.lookup(above.as_bytes()).unwrap();
                tree.add(above, Name::new(name.as_bytes()).unwrap(), folder()).unwrap();
            }
            let placed = POLICY.install(&mut tree, Time::EPOCH).unwrap();
            if registered {
                put(&mut tree, b"etc/alternatives/policy-rc.d", link("/usr/sbin/policy-rc.d-declarative"));
            }
            placed.restore(&mut tree);
            let left = tree.lookup(POLICY.path).map(|id| tree.node(id).kind.clone());
            let expected = link("/etc/alternatives/policy-rc.d").kind;
            assert_eq!(left, registered.then_some(expected));
        }
    }
}
