//! Writes the tree into the sandbox: first every name, with empty files, whose contents the outer half writes meanwhile;
//! then owners, modes, extended attributes and times, some of which writing would change.

use std::os::fd::OwnedFd;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Printable};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};

use super::super::message::Message;
use super::super::protocol::{EntryKind, FileContent, NONE, NodeBody, TreeEntry, decode_entry};
use super::super::wire::{Channel, WireReader, protocol_error};
use super::error::{During, InnerError};
use super::fs::stat;
use super::mounts::{MOUNT_POINTS, Mounts};
use super::transfer::{FileBatches, recv, send};

/// The state of a node's inode when the tree was complete, by which changes are detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InodeStamp {
    pub(super) ino: u64,
    pub(super) size: u64,
    /// The ctime: seconds and nanoseconds.
    pub(super) changed: (i64, u32),
}

/// The tree as it was written.
#[derive(Debug)]
pub(super) struct WrittenTree {
    /// One for each node, by number.
    pub(super) stamps: Vec<InodeStamp>,
    /// Extended attributes that could not be set, by number of the node.
    pub(super) unset_xattrs: Vec<(u32, Vec<u8>)>,
    /// Inodes of the folders that were created as mount points.
    pub(super) mount_points: Vec<u64>,
}

/// Creates the names in `request` and sets their attributes.
pub(super) fn populate(
    channel: &Channel,
    request: &mut WireReader<'_>,
    mounts: &Mounts,
) -> Result<WrittenTree, InnerError> {
    let names = create_all(channel, request, mounts)?;
    let mount_points = create_mount_points(mounts)?;
    let (mut stamps, mut unset_xattrs) = (Vec::new(), Vec::new());
    let mut dirs = OpenDirs::new(mounts)?;
    let mut last = (0, 0);
    for (number, entry) in (0u32..).zip(&names) {
        let EntryKind::Node(meta, body) = &entry.kind else { continue };
        let dir = dirs.open_parent(entry.parent)?;
        set_attributes(dir, entry, meta, body).during(|| format!("setting up {}", display_name(entry)))?;
        if let Some(xattrs) = &meta.xattrs {
            // The call takes only paths, so this process changes to the folder.
            rustix::process::fchdir(dir).during(|| "changing the folder".to_owned())?;
            let own: &[u8] = if entry.name.is_empty() { b"." } else { &entry.name };
            for (name, value) in xattrs.iter() {
                if rustix::fs::lsetxattr(own, &**name, value, XattrFlags::empty()).is_err() {
                    unset_xattrs.push((stamps.len() as u32, name.to_vec()));
                }
            }
            set_times(dir, entry, meta.mtime).during(|| format!("setting up {}", display_name(entry)))?;
        }
        let stamp = stat(dir, &entry.name).map(|now| stamp_of(&now));
        let stamp = stamp.during(|| format!("looking at {}", display_name(entry)))?;
        last = last.max(stamp.changed);
        stamps.push(stamp);
        if *body == NodeBody::Dir {
            dirs.enter(number, &entry.name)?;
        }
    }
    rustix::process::chdir("/").during(|| "changing the folder".to_owned())?;
    wait_past(last);
    Ok(WrittenTree { stamps, unset_xattrs, mount_points })
}

/// The stamp of an inode.
pub(super) fn stamp_of(now: &rustix::fs::Statx) -> InodeStamp {
    InodeStamp {
        ino: now.stx_ino,
        size: now.stx_size,
        changed: (now.stx_ctime.tv_sec, now.stx_ctime.tv_nsec),
    }
}

fn display_name(entry: &TreeEntry) -> String {
    format!("`{}`", Printable(&entry.name))
}

/// Creates every name, and sends the files that have content.
fn create_all(
    channel: &Channel,
    request: &mut WireReader<'_>,
    mounts: &Mounts,
) -> Result<Vec<TreeEntry>, InnerError> {
    let mut names = Vec::new();
    let mut files = FileBatches::new(channel, Message::FilesToWrite);
    let mut dirs = OpenDirs::new(mounts)?;
    // The first name of each node, as the number of its directory's name and its own.
    let mut nodes: Vec<(u32, u32)> = Vec::new();
    while !request.is_empty() {
        let number = names.len() as u32;
        let entry = decode_entry(request).during(|| "reading the tree".to_owned())?;
        if let EntryKind::Node(_, body) = &entry.kind {
            let node = nodes.len() as u32;
            nodes.push((entry.parent, number));
            if entry.parent != NONE {
                let dir = dirs.open_parent(entry.parent)?;
                let made = create(dir, &entry, body).during(|| format!("making {}", display_name(&entry)))?;
                if let Some(file) = made {
                    files.push(node, file)?;
                }
            }
            if *body == NodeBody::Dir {
                dirs.enter(number, &entry.name)?;
            }
        } else if let EntryKind::Link(node) = entry.kind {
            let first = nodes.get(node as usize).copied().unwrap_or((NONE, NONE)).1;
            let path = path_of(&names, first);
            let dir = dirs.open_parent(entry.parent)?;
            let linked = rustix::fs::linkat(&mounts.root, path, dir, &*entry.name, AtFlags::empty());
            linked.during(|| format!("linking {}", display_name(&entry)))?;
        }
        names.push(entry);
    }
    files.finish()?;
    send(channel, &Message::TreeWritten)?;
    // The outer half answers when it has written all contents.
    recv(channel)?;
    Ok(names)
}

/// The path of a name below the root.
fn path_of(names: &[TreeEntry], mut number: u32) -> Vec<u8> {
    let mut parts = Vec::new();
    while let Some(entry) = names.get(number as usize).filter(|entry| entry.parent != NONE) {
        parts.push(entry.name.as_slice());
        number = entry.parent;
    }
    parts.reverse();
    parts.join(&b'/')
}

/// Creates a name; returns the file if it has content.
fn create(dir: &OwnedFd, entry: &TreeEntry, body: &NodeBody) -> rustix::io::Result<Option<OwnedFd>> {
    let name = &*entry.name;
    let private = Mode::from_raw_mode(0o600);
    match body {
        NodeBody::Dir => rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o700))?,
        NodeBody::File(content) => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let file = rustix::fs::openat(dir, name, flags, private)?;
            return Ok((*content == FileContent::Sent).then_some(file));
        }
        NodeBody::Symlink(target) => rustix::fs::symlinkat(&**target, dir, name)?,
        NodeBody::Fifo => rustix::fs::mknodat(dir, name, FileType::Fifo, private, 0)?,
        NodeBody::Socket => rustix::fs::mknodat(dir, name, FileType::Socket, private, 0)?,
    }
    Ok(None)
}

/// Sets owner, mode and times of a node.
fn set_attributes(dir: &OwnedFd, entry: &TreeEntry, meta: &Meta, body: &NodeBody) -> rustix::io::Result<()> {
    let name: &[u8] = if entry.name.is_empty() { b"." } else { &entry.name };
    if (meta.uid, meta.gid) != (0, 0) {
        let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
        rustix::fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    if !matches!(body, NodeBody::Symlink(_)) {
        rustix::fs::chmodat(dir, name, Mode::from_raw_mode(u32::from(meta.mode)), AtFlags::empty())?;
    }
    set_times(dir, entry, meta.mtime)
}

/// Sets the times: the time of access to 1970, so that it shows whether a file was read or mapped.
fn set_times(dir: &OwnedFd, entry: &TreeEntry, mtime: Time) -> rustix::io::Result<()> {
    let name: &[u8] = if entry.name.is_empty() { b"." } else { &entry.name };
    let last_access = Timespec { tv_sec: 0, tv_nsec: 0 };
    let last_modification = Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.into() };
    let times = Timestamps { last_access, last_modification };
    rustix::fs::utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW)
}

/// Creates the mount points that the tree lacks; returns their inodes.
fn create_mount_points(mounts: &Mounts) -> Result<Vec<u64>, InnerError> {
    let mut created = Vec::new();
    for name in MOUNT_POINTS {
        let made = rustix::fs::mkdirat(&mounts.root, *name, Mode::from_raw_mode(0o755));
        if made.is_ok() {
            let now = stat(&mounts.root, name.as_bytes()).during(|| format!("looking at `/{name}`"))?;
            created.push(now.stx_ino);
        }
    }
    Ok(created)
}

/// Waits until the coarse clock, from which file systems take their times, is past `last`, so that every later change
/// has another time.
pub(super) fn wait_past(last: (i64, u32)) {
    loop {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        if (now.tv_sec, now.tv_nsec as u32) > last {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// The open folders from the root to the current folder of the walk.
struct OpenDirs {
    open: Vec<(u32, OwnedFd)>,
}

impl OpenDirs {
    fn new(mounts: &Mounts) -> Result<Self, InnerError> {
        let root =
            rustix::io::fcntl_dupfd_cloexec(&mounts.root, 3).during(|| "opening the root".to_owned())?;
        Ok(Self { open: vec![(0, root)] })
    }

    /// The folder with this number; the root for [`NONE`].
    fn open_parent(&mut self, number: u32) -> Result<&OwnedFd, InnerError> {
        let number = if number == NONE { 0 } else { number };
        while self.open.len() > 1 && self.open.last().is_some_and(|(at, _)| *at != number) {
            self.open.pop();
        }
        let found = self.open.last().filter(|(at, _)| *at == number).map(|(_, dir)| dir);
        found.ok_or_else(protocol_error).during(|| "reading the tree".to_owned())
    }

    fn enter(&mut self, number: u32, name: &[u8]) -> Result<(), InnerError> {
        let Some((_, above)) = self.open.last().filter(|_| number != 0) else { return Ok(()) };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(above, name, flags, Mode::empty());
        let dir = dir.during(|| format!("opening `{}`", Printable(name)))?;
        self.open.push((number, dir));
        Ok(())
    }
}
