//! What ext4 adds to the walk: `lost+found`, and the refusal of what an inode cannot hold.

use std::collections::BTreeMap;

use super::Ext4WriteError;
use crate::ext4::spec::inode::{FIRST_SECOND, LAST_SECOND};
use crate::ext4::spec::{LINK_MAX, dirent, inode};
use crate::stable::nodes::{ImpliedEntry, Nodes, segments_fit, symlink_fits};
use crate::time::Time;
use crate::tree::{ChangeGroups, Meta, Node, NodeKind, Tree};

/// Name of the directory for what a repair finds.
const LOST_FOUND: &[u8] = b"lost+found";

/// Most bytes of a file: 2³² - 1 blocks.
const FILE_MAX: u64 = (u32::MAX as u64) * crate::ext4::spec::BLOCK_SIZE;

/// The `lost+found` of a tree that has none; its time is that of the file system.
static STAND_IN: Node = Node {
    meta: Meta { mode: 0o700, uid: 0, gid: 0, mtime: Time::EPOCH, xattrs: None },
    kind: NodeKind::Dir(BTreeMap::new()),
};

/// Walks the tree; where it has no `lost+found`, there is one made at `time`.
pub(super) fn walk<'a>(
    tree: &'a Tree,
    groups: &ChangeGroups,
    time: Time,
) -> Result<Nodes<'a>, Ext4WriteError> {
    let nodes = Nodes::walk(tree, groups, Some(ImpliedEntry { name: LOST_FOUND, node: &STAND_IN, time }));
    let lost_found = &nodes.walked[nodes.implied as usize].node.kind;
    if !matches!(lost_found, NodeKind::Dir(_)) {
        return Err(Ext4WriteError::LostFound { found: lost_found.word() });
    }
    (0..nodes.walked.len() as u32).try_for_each(|at| check(&nodes, at))?;
    Ok(nodes)
}

/// Refuses what an inode cannot hold.
fn check(nodes: &Nodes<'_>, at: u32) -> Result<(), Ext4WriteError> {
    let walked = &nodes.walked[at as usize];
    let meta = &walked.node.meta;
    let path = || nodes.path(at);
    if meta.mode > 0o7777 {
        return Err(Ext4WriteError::Mode { path: path(), mode: meta.mode });
    }
    let time = walked.mtime;
    if !(FIRST_SECOND..=LAST_SECOND).contains(&time.secs) || time.nanos >= 1_000_000_000 {
        return Err(Ext4WriteError::Time { path: path(), time });
    }
    match &walked.node.kind {
        NodeKind::Dir(_) => return Ok(()),
        NodeKind::Symlink(target) if !symlink_fits(target) => {
            return Err(Ext4WriteError::Symlink { path: path(), len: target.len() });
        }
        NodeKind::CharDevice { major, minor } | NodeKind::BlockDevice { major, minor }
            if *major >= 1 << 12 || *minor >= 1 << 20 =>
        {
            return Err(Ext4WriteError::Device { path: path(), major: *major, minor: *minor });
        }
        NodeKind::File(content) if content.len() > FILE_MAX => {
            return Err(Ext4WriteError::FileTooLarge { path: path(), len: content.len(), most: FILE_MAX });
        }
        NodeKind::File(crate::tree::Content::Sparse { len, segments }) if !segments_fit(segments, *len) => {
            return Err(Ext4WriteError::Segments { path: path() });
        }
        _ => {}
    }
    if walked.links > LINK_MAX {
        return Err(Ext4WriteError::TooManyLinks { path: path(), links: walked.links, most: LINK_MAX });
    }
    Ok(())
}

/// The kind of a node in `i_mode` and in directory entries.
pub(super) fn codes(kind: &NodeKind) -> (u16, u8) {
    use dirent::file_type;
    use inode::kind;
    match kind {
        NodeKind::Dir(_) => (kind::DIR, file_type::DIR),
        NodeKind::File(_) => (kind::FILE, file_type::FILE),
        NodeKind::Symlink(_) => (kind::SYMLINK, file_type::SYMLINK),
        NodeKind::CharDevice { .. } => (kind::CHAR, file_type::CHAR),
        NodeKind::BlockDevice { .. } => (kind::BLOCK, file_type::BLOCK),
        NodeKind::Fifo => (kind::FIFO, file_type::FIFO),
        NodeKind::Socket => (kind::SOCKET, file_type::SOCKET),
    }
}
