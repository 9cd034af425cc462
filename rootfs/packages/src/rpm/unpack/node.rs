//! Nodes of files: what a header says of a file, as a node of the tree. Everything is root's here.

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, SYMLINK_MAX};
use amiforge_rootfs::steps::capability;

use super::OpenedRpm;
use super::error::RpmContentError;
use crate::rpm::file::payload::S_IFMT;
use crate::rpm::package::RpmFileEntry;

/// Permission bits with set-id and sticky.
const PERMISSIONS: u16 = 0o7777;
/// The attribute with capabilities.
const CAPABILITY: &[u8] = b"security.capability";

/// The node of a file. `meta` is the file that mode, time and capabilities are of: for hard links the last of them.
pub(super) fn node(opened: &OpenedRpm, number: usize, meta: &RpmFileEntry) -> Result<Node, RpmContentError> {
    let Some(file) = opened.package.files.get(number) else {
        return Err(RpmContentError::Mode { path: Vec::new(), mode: 0 });
    };
    // Device numbers have eight bits each in a header.
    let (major, minor) = (u32::from(file.rdev >> 8), u32::from(file.rdev & 0xff));
    let (kind, mode) = match file.mode & S_IFMT {
        0o040_000 => (NodeKind::dir(), meta.mode),
        0o100_000 => (NodeKind::File(content(opened, number)), meta.mode),
        0o120_000 => (NodeKind::Symlink(target(file)?), 0o777),
        0o020_000 => (NodeKind::CharDevice { major, minor }, meta.mode),
        0o060_000 => (NodeKind::BlockDevice { major, minor }, meta.mode),
        0o010_000 => (NodeKind::Fifo, meta.mode),
        0o140_000 => (NodeKind::Socket, meta.mode),
        _ => return Err(RpmContentError::Mode { path: file.path.clone(), mode: file.mode }),
    };
    let mut node_meta = Meta::root_owned(mode & PERMISSIONS, Time::from_secs(i64::from(meta.mtime)));
    if !meta.capabilities.is_empty() && matches!(kind, NodeKind::File(_)) {
        let value = capability::from_text(&meta.capabilities);
        let value =
            value.map_err(|source| RpmContentError::Capabilities { path: file.path.clone(), source })?;
        node_meta.xattrs.get_or_insert_default().insert(CAPABILITY.into(), value.into());
    }
    Ok(Node { meta: node_meta, kind })
}

/// The content of a file, in the source of its package.
fn content(opened: &OpenedRpm, number: usize) -> Content {
    match opened.contents.get(number).copied().flatten() {
        Some(range) if range.len > 0 => {
            Content::Slice { source: opened.source, at: range.at, len: range.len }
        }
        _ => Content::empty(),
    }
}

/// The target of a symbolic link.
fn target(file: &RpmFileEntry) -> Result<Box<[u8]>, RpmContentError> {
    let len = file.target.len();
    if len == 0 || len > SYMLINK_MAX {
        return Err(RpmContentError::Target { path: file.path.clone(), len });
    }
    Ok(file.target.as_slice().into())
}
