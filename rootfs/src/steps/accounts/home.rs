//! Creates homes from `/etc/skel` and adds ssh keys to them. Does not read account files.

use std::sync::Arc;

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeId, NodeKind, Tree};

use super::database::UserAccount;
use super::error::AccountError;
use super::spec::{AccountClass, MakeHome, UserSpec};
use amiforge_formats::path::{self, Last, PathError};

/// Greatest depth of folders that are copied from `/etc/skel`.
const DEPTH_MAX: usize = 64;

/// Creates the home if the spec requires it and it does not exist, and adds the keys.
pub(super) fn apply(
    tree: &mut Tree,
    sources: &dyn Sources,
    spec: &UserSpec,
    user: &UserAccount,
    mode: u16,
    time: Time,
) -> Result<(), AccountError> {
    let keys = !spec.ssh_authorized_keys.is_empty();
    let create = match spec.make_home {
        MakeHome::Always => true,
        MakeHome::Never => false,
        MakeHome::Default => keys || (user.new && spec.class == AccountClass::Regular),
    };
    let exists = path::find(tree, user.home.as_bytes())?.is_some();
    if keys && (user.home == "/nonexistent" || !(exists || create)) {
        return Err(AccountError::NoHome { home: user.home.clone() });
    }
    if create && !exists {
        create_home(tree, user, mode, time)?;
    }
    if keys { add_keys(tree, sources, spec, user, time) } else { Ok(()) }
}

fn owned(user: &UserAccount, mode: u16, mtime: Time) -> Meta {
    Meta { mode, uid: user.uid, gid: user.gid, mtime, xattrs: None }
}

/// Creates the home as a copy of `/etc/skel` owned by the user.
fn create_home(tree: &mut Tree, user: &UserAccount, mode: u16, time: Time) -> Result<(), AccountError> {
    let path = path::checked(&user.home)?;
    let resolved = path::resolve_with_parents(tree, path, Last::Follow, time)?;
    let home = path::put(tree, &resolved, Node { meta: owned(user, mode, time), kind: NodeKind::dir() })?;
    let Some(skel) = path::find(tree, b"/etc/skel")? else { return Ok(()) };
    copy_entries(tree, skel, home, resolved.path, user)
}

/// Copies the entries of a folder with the user as their owner; contents are shared, not read.
fn copy_entries(
    tree: &mut Tree,
    skel: NodeId,
    home: NodeId,
    path: Vec<u8>,
    user: &UserAccount,
) -> Result<(), AccountError> {
    let mut pending = vec![(skel, home, path, 0)];
    while let Some((from, to, path, depth)) = pending.pop() {
        for (name, id) in tree.entries(from).cloned().unwrap_or_default() {
            // A home below /etc/skel must not be copied into itself.
            if id == home || depth > DEPTH_MAX {
                continue;
            }
            let mut node = tree.node(id).clone();
            node.meta.uid = user.uid;
            node.meta.gid = user.gid;
            let is_dir = matches!(node.kind, NodeKind::Dir(_));
            if is_dir {
                node.kind = NodeKind::dir();
            }
            let path = [&path[..], b"/", name.as_bytes()].concat();
            let copied =
                tree.add(to, name, node).map_err(|source| PathError::Tree { path: path.clone(), source })?;
            if is_dir {
                pending.push((id, copied, path, depth + 1));
            }
        }
    }
    Ok(())
}

/// Adds the keys that `authorized_keys` does not have. sshd(8) requires that only the user may write to folder and file.
fn add_keys(
    tree: &mut Tree,
    sources: &dyn Sources,
    spec: &UserSpec,
    user: &UserAccount,
    time: Time,
) -> Result<(), AccountError> {
    let folder = format!("{}/.ssh", user.home.trim_end_matches('/'));
    let resolved = path::resolve_with_parents(tree, folder.as_bytes(), Last::Follow, time)?;
    match resolved.node {
        Some(id) if matches!(tree.node(id).kind, NodeKind::Dir(_)) => {
            let meta = &mut tree.node_mut(id).meta;
            *meta = Meta { xattrs: meta.xattrs.take(), ..owned(user, 0o700, meta.mtime) };
        }
        Some(id) => {
            let found = tree.node(id).kind.word();
            return Err(PathError::NotADir { path: resolved.path, found }.into());
        }
        None => {
            path::put(tree, &resolved, Node { meta: owned(user, 0o700, time), kind: NodeKind::dir() })?;
        }
    }
    let file = format!("{folder}/authorized_keys");
    let mut text = path::read(tree, sources, file.as_bytes())?.unwrap_or_default();
    if text.last().is_some_and(|&byte| byte != b'\n') {
        text.push(b'\n');
    }
    for key in &spec.ssh_authorized_keys {
        if !text.split(|&byte| byte == b'\n').any(|line| line == key.as_bytes()) {
            text.extend_from_slice(key.as_bytes());
            text.push(b'\n');
        }
    }
    let resolved = path::resolve_with_parents(tree, file.as_bytes(), Last::Follow, time)?;
    let kind = NodeKind::File(Content::Inline(Arc::from(text)));
    path::put(tree, &resolved, Node { meta: owned(user, 0o600, time), kind })?;
    Ok(())
}
