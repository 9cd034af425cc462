//! Writes the tree into the sandbox: first every name, files empty, while the outer half fills the files that it was
//! handed; then owners, modes, attributes and times, because writing a file would change some of them.

use std::os::fd::OwnedFd;

use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Printable};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};

use super::super::message::Message;
use super::super::protocol::{EntryKind, Fill, NONE, NodeBody, TreeEntry, decode_entry};
use super::super::wire::{Channel, WireReader, protocol_error};
use super::mounts::{MOUNT_POINTS, Mounts, look};
use super::{During, FileBatches, InnerError, receive, say};

/// What the inode of a node was when it was planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InodeStamp {
    pub(super) ino: u64,
    pub(super) size: u64,
    pub(super) changed: (i64, u32),
}

/// The tree as it was planted.
#[derive(Debug)]
pub(super) struct WrittenTree {
    /// One for each node.
    pub(super) marks: Vec<InodeStamp>,
    /// Attributes that could not be set, by node.
    pub(super) unset_xattrs: Vec<(u32, Vec<u8>)>,
    /// Inodes of folders that were made to mount something on.
    pub(super) ours: Vec<u64>,
}

/// Reads the names from the orders and makes them.
pub(super) fn plant(
    channel: &Channel,
    orders: &mut WireReader<'_>,
    mounts: &Mounts,
) -> Result<WrittenTree, InnerError> {
    let names = create_all(channel, orders, mounts)?;
    let ours = create_mount_points(mounts)?;
    let (mut marks, mut unset_xattrs) = (Vec::new(), Vec::new());
    let mut steps = OpenDirs::new(mounts)?;
    let mut last = (0, 0);
    for (number, planting) in (0u32..).zip(&names) {
        let EntryKind::Node(meta, body) = &planting.what else { continue };
        let dir = steps.to(planting.parent)?;
        dress(dir, planting, meta, body).during(|| format!("setting up {}", named(planting)))?;
        if let Some(xattrs) = &meta.xattrs {
            // Attributes are set by path; there is no form of the call that takes a folder.
            rustix::process::fchdir(dir).during(|| "changing the folder".to_owned())?;
            let own: &[u8] = if planting.name.is_empty() { b"." } else { &planting.name };
            for (name, value) in xattrs.iter() {
                if rustix::fs::lsetxattr(own, &**name, value, XattrFlags::empty()).is_err() {
                    unset_xattrs.push((marks.len() as u32, name.to_vec()));
                }
            }
            stamp(dir, planting, meta.mtime).during(|| format!("setting up {}", named(planting)))?;
        }
        let mark = look(dir, &planting.name).map(|now| mark(&now));
        let mark = mark.during(|| format!("looking at {}", named(planting)))?;
        last = last.max(mark.changed);
        marks.push(mark);
        if *body == NodeBody::Dir {
            steps.enter(number, &planting.name)?;
        }
    }
    rustix::process::chdir("/").during(|| "changing the folder".to_owned())?;
    wait_past(last);
    Ok(WrittenTree { marks, unset_xattrs, ours })
}

/// What is remembered of an inode.
pub(super) fn mark(now: &rustix::fs::Statx) -> InodeStamp {
    InodeStamp {
        ino: now.stx_ino,
        size: now.stx_size,
        changed: (now.stx_ctime.tv_sec, now.stx_ctime.tv_nsec),
    }
}

fn named(planting: &TreeEntry) -> String {
    format!("`{}`", Printable(&planting.name))
}

/// Makes every name, and hands the files over to be filled.
fn create_all(
    channel: &Channel,
    orders: &mut WireReader<'_>,
    mounts: &Mounts,
) -> Result<Vec<TreeEntry>, InnerError> {
    let mut names = Vec::new();
    let mut fill = FileBatches::new(channel, Message::FilesToWrite);
    let mut steps = OpenDirs::new(mounts)?;
    // The first name of each node, as the number of its directory's name and its own.
    let mut nodes: Vec<(u32, u32)> = Vec::new();
    while !orders.is_empty() {
        let number = names.len() as u32;
        let planting = decode_entry(orders).during(|| "reading the tree".to_owned())?;
        if let EntryKind::Node(_, body) = &planting.what {
            let node = nodes.len() as u32;
            nodes.push((planting.parent, number));
            if planting.parent != NONE {
                let dir = steps.to(planting.parent)?;
                let made = create(dir, &planting, body).during(|| format!("making {}", named(&planting)))?;
                if let Some(file) = made {
                    fill.push(node, file)?;
                }
            }
            if *body == NodeBody::Dir {
                steps.enter(number, &planting.name)?;
            }
        } else if let EntryKind::Link(node) = planting.what {
            let first = nodes.get(node as usize).copied().unwrap_or((NONE, NONE)).1;
            let path = path_of(&names, first);
            let dir = steps.to(planting.parent)?;
            let linked = rustix::fs::linkat(&mounts.root, path, dir, &*planting.name, AtFlags::empty());
            linked.during(|| format!("linking {}", named(&planting)))?;
        }
        names.push(planting);
    }
    fill.finish()?;
    say(channel, &Message::TreeWritten)?;
    // The outer half has filled all of them when it answers.
    receive(channel)?;
    Ok(names)
}

/// The path of a name below the root.
fn path_of(names: &[TreeEntry], mut number: u32) -> Vec<u8> {
    let mut parts = Vec::new();
    while let Some(planting) = names.get(number as usize).filter(|planting| planting.parent != NONE) {
        parts.push(planting.name.as_slice());
        number = planting.parent;
    }
    parts.reverse();
    parts.join(&b'/')
}

/// Makes a name; gives a file that is to be filled.
fn create(dir: &OwnedFd, planting: &TreeEntry, body: &NodeBody) -> rustix::io::Result<Option<OwnedFd>> {
    let name = &*planting.name;
    let private = Mode::from_raw_mode(0o600);
    match body {
        NodeBody::Dir => rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o700))?,
        NodeBody::File(fill) => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let file = rustix::fs::openat(dir, name, flags, private)?;
            return Ok((*fill == Fill::Needed).then_some(file));
        }
        NodeBody::Symlink(target) => rustix::fs::symlinkat(&**target, dir, name)?,
        NodeBody::Fifo => rustix::fs::mknodat(dir, name, FileType::Fifo, private, 0)?,
        NodeBody::Socket => rustix::fs::mknodat(dir, name, FileType::Socket, private, 0)?,
    }
    Ok(None)
}

/// Gives a node its owner, mode and time.
fn dress(dir: &OwnedFd, planting: &TreeEntry, meta: &Meta, body: &NodeBody) -> rustix::io::Result<()> {
    let name: &[u8] = if planting.name.is_empty() { b"." } else { &planting.name };
    if (meta.uid, meta.gid) != (0, 0) {
        let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
        rustix::fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    if !matches!(body, NodeBody::Symlink(_)) {
        rustix::fs::chmodat(dir, name, Mode::from_raw_mode(u32::from(meta.mode)), AtFlags::empty())?;
    }
    stamp(dir, planting, meta.mtime)
}

/// Sets the times: that of access to the epoch, so that it shows whether a file was opened and read or mapped.
fn stamp(dir: &OwnedFd, planting: &TreeEntry, mtime: Time) -> rustix::io::Result<()> {
    let name: &[u8] = if planting.name.is_empty() { b"." } else { &planting.name };
    let last_access = Timespec { tv_sec: 0, tv_nsec: 0 };
    let last_modification = Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.into() };
    let times = Timestamps { last_access, last_modification };
    rustix::fs::utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW)
}

/// Makes the folders that something is mounted on where the tree has none.
fn create_mount_points(mounts: &Mounts) -> Result<Vec<u64>, InnerError> {
    let mut ours = Vec::new();
    for name in MOUNT_POINTS {
        let made = rustix::fs::mkdirat(&mounts.root, *name, Mode::from_raw_mode(0o755));
        if made.is_ok() {
            let now = look(&mounts.root, name.as_bytes()).during(|| format!("looking at `/{name}`"))?;
            ours.push(now.stx_ino);
        }
    }
    Ok(ours)
}

/// Waits until the file system's clock has moved on, so that whatever is changed later has another time.
fn wait_past(last: (i64, u32)) {
    loop {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        if (now.tv_sec, now.tv_nsec as u32) > last {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// The folders that lead to the present place in the walk, open.
struct OpenDirs {
    open: Vec<(u32, OwnedFd)>,
}

impl OpenDirs {
    fn new(mounts: &Mounts) -> Result<Self, InnerError> {
        let root =
            rustix::io::fcntl_dupfd_cloexec(&mounts.root, 3).during(|| "opening the root".to_owned())?;
        Ok(Self { open: vec![(0, root)] })
    }

    /// The folder whose name has this number; the root for the root itself.
    fn to(&mut self, number: u32) -> Result<&OwnedFd, InnerError> {
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
