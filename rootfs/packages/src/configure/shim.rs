//! Programs of the tree that something else stands in for while packages are configured.

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Tree};

/// Where `invoke-rc.d` and `deb-systemd-invoke` ask whether a service may be started.
const POLICY: StandIn = StandIn { path: b"usr/sbin/policy-rc.d", script: "#!/bin/sh\nexit 101\n" };

/// What old scripts start services with themselves.
const STARTER: StandIn = StandIn {
    path: b"usr/sbin/start-stop-daemon",
    script: "#!/bin/sh\necho \"start-stop-daemon: nothing is started while an image is built\" >&2\n",
};

/// What keeps services from being started.
pub(crate) const STARTS_NOTHING: &[StandIn] = &[POLICY, STARTER];

/// A script in a program's place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StandIn {
    pub(crate) path: &'static [u8],
    pub(crate) script: &'static str,
}

/// A script that is in its place, and what stood there.
pub(crate) struct PlacedScript {
    is: StandIn,
    before: Option<Node>,
}

impl StandIn {
    /// Puts the script in its place; `None` where there is no folder for it.
    pub(crate) fn place(self, tree: &mut Tree, epoch: Time) -> Option<PlacedScript> {
        let (dir, last) = split(tree, self.path)?;
        let before = tree.unlink(dir, last).map(|id| tree.node(id).clone());
        let kind = NodeKind::File(Content::Inline(self.script.as_bytes().into()));
        put(tree, self.path, Node { meta: Meta::root_owned(0o755, epoch), kind });
        Some(PlacedScript { is: self, before })
    }
}

impl PlacedScript {
    /// What stood in the script's place.
    pub(crate) fn before(&self) -> Option<&Node> {
        self.before.as_ref()
    }

    /// Takes the script out again, unless something else stands there now, and puts back what stood there.
    pub(crate) fn take_back(self, tree: &mut Tree) {
        let Some((dir, last)) = split(tree, self.is.path) else { return };
        let script = self.is.script.as_bytes();
        let ours = tree.child(dir, last).is_some_and(
            |id| matches!(&tree.node(id).kind, NodeKind::File(Content::Inline(bytes)) if **bytes == *script),
        );
        if !ours {
            return;
        }
        let last = last.to_vec();
        tree.unlink(dir, &last);
        if let Some(before) = self.before.or_else(|| alternative(tree, &last)) {
            put(tree, self.is.path, before);
        }
    }
}

/// The link that `update-alternatives` would have made in the script's place, which it leaves to what it finds there.
fn alternative(tree: &Tree, name: &[u8]) -> Option<Node> {
    let chosen = tree.lookup(&[b"etc/alternatives/", name].concat())?;
    let Node { meta, kind: NodeKind::Symlink(_) } = tree.node(chosen) else { return None };
    let target = [b"/etc/alternatives/", name].concat();
    Some(Node { meta: meta.clone(), kind: NodeKind::Symlink(target.into()) })
}

/// Puts a node in a place whose folder is there and whose name is free; elsewhere it does nothing.
pub(crate) fn put(tree: &mut Tree, path: &[u8], node: Node) {
    if let Some((dir, last)) = split(tree, path)
        && let Ok(name) = Name::new(last)
    {
        let _ = tree.add(dir, name, node);
    }
}

/// Removes what stands at a path, if anything does.
pub(crate) fn remove(tree: &mut Tree, path: &[u8]) {
    if let Some((dir, last)) = split(tree, path) {
        tree.unlink(dir, last);
    }
}

/// The folder of a path, and the path's last name.
fn split<'a>(tree: &Tree, path: &'a [u8]) -> Option<(NodeId, &'a [u8])> {
    let cut = path.iter().rposition(|&byte| byte == b'/')?;
    let (dir, last) = path.split_at_checked(cut)?;
    Some((tree.lookup(dir)?, last.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_an_alternative_is_linked_once_the_script_is_gone() {
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
            let placed = POLICY.place(&mut tree, Time::EPOCH).unwrap();
            if registered {
                put(&mut tree, b"etc/alternatives/policy-rc.d", link("/usr/sbin/policy-rc.d-declarative"));
            }
            placed.take_back(&mut tree);
            let left = tree.lookup(POLICY.path).map(|id| tree.node(id).kind.clone());
            let expected = link("/etc/alternatives/policy-rc.d").kind;
            assert_eq!(left, registered.then_some(expected));
        }
    }
}
