//! Scans the tree after the commands and sends its names. No other process runs any more, so nothing changes meanwhile.

use std::os::fd::OwnedFd;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Printable, Xattrs};
use rustix::fs::{FileType, Mode, OFlags, Statx};
use std::collections::BTreeMap;

use super::super::CaptureScope;
use super::super::changes::{CapturedKind, CapturedName, NameState, PathSteps, encode};
use super::super::message::Message;
use super::super::protocol::NONE;
use super::super::wire::{Channel, WireWriter};
use super::error::{During, InnerError};
use super::mounts::Mounts;
use super::populate::{InodeStamp, WrittenTree, stamp_of};
use super::transfer::{FileBatches, send};
use super::walk::{WalkedName, walk};

/// Extended attributes that the host's security modules set, which are not the tree's.
const OF_THE_HOST: &[&[u8]] = &[b"security.selinux", b"security.ima", b"security.evm", b"security.SMACK64"];

/// Sends every name of the tree, with what is recorded of the steps, then the open files whose content the outer half has to
/// read.
pub(super) fn scan(
    channel: &Channel,
    scope: &CaptureScope,
    mounts: &Mounts,
    written: &WrittenTree,
    steps: &[(Vec<u8>, PathSteps)],
) -> Result<(), InnerError> {
    let mut out = WireWriter::default();
    out.u32(written.unset_xattrs.len() as u32);
    for (node, name) in &written.unset_xattrs {
        out.u32(*node);
        out.bytes(name);
    }
    out.u32(steps.len() as u32);
    for (path, steps) in steps {
        out.bytes(path);
        out.u32(steps.content);
        out.u32(steps.metadata);
    }
    let nodes = (0u32..).zip(&written.stamps).map(|(number, stamp)| (stamp.ino, number)).collect();
    let mut scan = Scan { scope, written, nodes, seen: BTreeMap::new(), out, count: 0, read: Vec::new() };
    scan.walk(mounts)?;
    let Scan { out, read, .. } = scan;
    send(channel, &Message::Changes(out.0))?;
    let mut batches = FileBatches::new(channel, Message::FilesToRead);
    for (number, path) in read {
        batches.push(number, open_below(mounts, &path)?)?;
    }
    batches.finish()
}

/// Opens a file by its path, name by name: the whole path may be longer than `PATH_MAX`.
fn open_below(mounts: &Mounts, path: &[u8]) -> Result<OwnedFd, InnerError> {
    let what = || format!("opening `/{}`", Printable(path));
    let mut dir = rustix::io::fcntl_dupfd_cloexec(&mounts.root, 3).during(what)?;
    let mut names = path.split(|&byte| byte == b'/').peekable();
    while let Some(name) = names.next() {
        let kind = if names.peek().is_some() { OFlags::DIRECTORY } else { OFlags::NONBLOCK };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | kind;
        dir = rustix::fs::openat(&dir, name, flags, Mode::empty()).during(what)?;
    }
    Ok(dir)
}

struct Scan<'a> {
    scope: &'a CaptureScope,
    written: &'a WrittenTree,
    /// Nodes by inode.
    nodes: BTreeMap<u64, u32>,
    /// First names of files with several names, by inode.
    seen: BTreeMap<u64, u32>,
    out: WireWriter,
    count: u32,
    /// Files to send, with the number of their name.
    read: Vec<(u32, Vec<u8>)>,
}

impl Scan<'_> {
    fn walk(&mut self, mounts: &Mounts) -> Result<(), InnerError> {
        walk(&mounts.root, |name| {
            let is_own_mount_point = self.written.mount_points.contains(&name.now.stx_ino);
            if !name.name.is_empty() && (is_own_mount_point || !is_captured(self.scope, name.path)) {
                return Ok(None);
            }
            self.add(name).map(Some)
        })
    }

    /// Adds a name and returns its number.
    fn add(&mut self, walked: &WalkedName<'_>) -> Result<u32, InnerError> {
        let WalkedName { parent, dir, name, path, now } = *walked;
        let number = self.count;
        self.count += 1;
        let is_dir = FileType::from_raw_mode(now.stx_mode.into()) == FileType::Directory;
        let node = self.nodes.get(&now.stx_ino).copied();
        let before = node.and_then(|node| self.written.stamps.get(node as usize).map(|stamp| (node, *stamp)));
        let state = if let Some(first) = self.seen.get(&now.stx_ino).filter(|_| !is_dir) {
            NameState::Link(*first)
        } else {
            if now.stx_nlink > 1 && !is_dir {
                self.seen.insert(now.stx_ino, number);
            }
            compare(dir, name, now, before).during(|| format!("reading `/{}`", Printable(path)))?
        };
        let reads = match &state {
            NameState::Opened(_) => true,
            NameState::Changed { kind: CapturedKind::File { size }, .. } => *size > 0,
            _ => false,
        };
        if reads {
            self.read.push((number, path.to_vec()));
        }
        encode(&CapturedName { parent, name: name.to_vec(), state }, &mut self.out);
        Ok(number)
    }
}

/// The state of a name, compared with the node that its inode was.
fn compare(
    dir: &OwnedFd,
    name: &[u8],
    now: &Statx,
    before: Option<(u32, InodeStamp)>,
) -> rustix::io::Result<NameState> {
    let kind = FileType::from_raw_mode(now.stx_mode.into());
    if let Some((node, before)) = before
        && before.changed == stamp_of(now).changed
    {
        // A program may have written through a mapping; older kernels then change no time but the time of access.
        let opened = kind == FileType::RegularFile && (now.stx_atime.tv_sec, now.stx_atime.tv_nsec) != (0, 0);
        if !opened && (kind != FileType::RegularFile || before.size == now.stx_size) {
            return Ok(NameState::Unchanged(node));
        }
        if opened && before.size == now.stx_size && now.stx_size > 0 {
            return Ok(NameState::Opened(node));
        }
        if before.size == now.stx_size {
            return Ok(NameState::Unchanged(node));
        }
    }
    let changed = match kind {
        FileType::Directory => CapturedKind::Dir,
        FileType::RegularFile => CapturedKind::File { size: now.stx_size },
        FileType::Symlink => {
            CapturedKind::Symlink(rustix::fs::readlinkat(dir, name, Vec::new())?.into_bytes())
        }
        FileType::Fifo => CapturedKind::Fifo,
        FileType::Socket => CapturedKind::Socket,
        _ => CapturedKind::CharDevice { major: now.stx_rdev_major, minor: now.stx_rdev_minor },
    };
    let xattrs = xattrs(dir, name)?;
    let mtime = Time { secs: now.stx_mtime.tv_sec, nanos: now.stx_mtime.tv_nsec };
    let mode = now.stx_mode & 0o7777;
    let meta = Meta { mode, uid: now.stx_uid, gid: now.stx_gid, mtime, xattrs };
    Ok(NameState::Changed { former: before.map_or(NONE, |(node, _)| node), meta, kind: changed })
}

/// Whether a path is captured, or is a parent of one that is.
fn is_captured(scope: &CaptureScope, path: &[u8]) -> bool {
    let CaptureScope::Below(tops) = scope else { return true };
    let under = |path: &[u8], top: &[u8]| {
        path.strip_prefix(top).is_some_and(|rest| top.is_empty() || rest.is_empty() || rest.starts_with(b"/"))
    };
    tops.iter()
        .map(|top| top.strip_prefix(b"/").unwrap_or(top))
        .any(|top| under(path, top) || under(top, path))
}

/// The extended attributes of a name. The calls take only paths, so this process changes to the folder.
pub(super) fn xattrs(dir: &OwnedFd, name: &[u8]) -> rustix::io::Result<Option<Box<Xattrs>>> {
    rustix::process::fchdir(dir)?;
    let name = if name.is_empty() { b"." } else { name };
    let mut list = vec![0; 64 << 10];
    let len = match rustix::fs::llistxattr(name, list.as_mut_slice()) {
        Ok(len) => len,
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(error),
    };
    let mut xattrs = Xattrs::new();
    let listed = list.get(..len).unwrap_or_default().split(|&byte| byte == 0);
    for attribute in listed.filter(|attribute| !attribute.is_empty() && !OF_THE_HOST.contains(attribute)) {
        let mut value = vec![0; 64 << 10];
        let len = rustix::fs::lgetxattr(name, attribute, value.as_mut_slice())?;
        value.truncate(len);
        xattrs.insert(attribute.into(), value.into());
    }
    Ok((!xattrs.is_empty()).then(|| Box::new(xattrs)))
}
