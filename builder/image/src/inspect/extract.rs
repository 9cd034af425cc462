//! Taking files out of an image onto this machine.
//!
//! Nothing is ever made outside of the destination: every folder on the way is opened name by name without
//! following links (`O_NOFOLLOW`), also those that existed before. What would give power on this machine
//! (owners, devices, set-id bits, attributes other than `user.*`) is only made when root asks for it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeId, NodeKind, Tree};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use serde::Serialize;

use super::InspectError;
use super::volume::{copy, walk_from};

/// Whether owners are made as the image has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// Everything belongs to whoever extracts; no devices, no set-id bits.
    Mine,
    /// As in the image; only root can.
    AsInImage,
}

/// Whether existing files are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// They stay, and the extraction ends.
    Never,
    /// They are replaced.
    Allowed,
}

/// What was extracted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Extracted {
    /// Names made.
    pub names: u64,
    /// Bytes of files, holes not counted.
    pub bytes: u64,
    /// Devices left out.
    pub devices_left_out: u64,
    /// Set-id bits dropped.
    pub set_id_dropped: u64,
    /// Extended attributes left out.
    pub xattrs_left_out: u64,
}

/// Extracts the node `at`: a folder's entries into the folder `dest` (made if need be), anything else as
/// `dest` itself, or into it under `name` when `dest` is a folder.
///
/// # Errors
/// [`InspectError::Make`], [`InspectError::Exists`], [`InspectError::Content`], [`InspectError::NotRoot`].
pub fn extract(
    (tree, at): (&Tree, NodeId),
    name: &[u8],
    sources: &dyn Sources,
    dest: &Path,
    (owners, overwrite): (Owners, Overwrite),
) -> Result<Extracted, InspectError> {
    if owners == Owners::AsInImage && !rustix::process::geteuid().is_root() {
        return Err(InspectError::NotRoot);
    }
    let folder = tree.entries(at).is_some();
    let (root, only) = open_dest(dest, name, folder)?;
    let mut extraction = Extraction {
        tree,
        sources,
        dest,
        root,
        owners,
        overwrite,
        made: HashMap::new(),
        parent: None,
        done: Extracted::default(),
    };
    match only {
        Some(name) => extraction.node(&name, at)?,
        None => extraction.folder(at)?,
    }
    Ok(extraction.done)
}

/// The folder that everything goes into, and the name in it when a single node is extracted.
fn open_dest(dest: &Path, name: &[u8], folder: bool) -> Result<(OwnedFd, Option<Vec<u8>>), InspectError> {
    use std::os::unix::ffi::OsStrExt as _;
    let failed = |source: io::Error| InspectError::Make { dest: dest.to_owned(), path: Vec::new(), source };
    if folder {
        std::fs::create_dir_all(dest).map_err(failed)?;
    }
    let (at, only) = if folder {
        (dest, None)
    } else if dest.is_dir() {
        (dest, Some(name.to_vec()))
    } else {
        let last = dest.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
        let parent = dest.parent().filter(|parent| !parent.as_os_str().is_empty());
        (parent.unwrap_or(Path::new(".")), Some(last.as_bytes().to_vec()))
    };
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let root = rustix::fs::open(at, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
    Ok((root, only))
}

/// An extraction under way.
struct Extraction<'a> {
    tree: &'a Tree,
    sources: &'a dyn Sources,
    dest: &'a Path,
    root: OwnedFd,
    owners: Owners,
    overwrite: Overwrite,
    /// Where nodes with several names were made first.
    made: HashMap<NodeId, Vec<u8>>,
    /// The folder that was opened last.
    parent: Option<(Vec<u8>, OwnedFd)>,
    done: Extracted,
}

impl Extraction<'_> {
    /// Extracts the entries of a folder and then gives it and all folders below their modes and times: before, these
    /// could keep their own entries from being made, and every entry changes the time.
    fn folder(&mut self, at: NodeId) -> Result<(), InspectError> {
        let walk = walk_from(self.tree, at);
        for (path, id) in walk.iter().skip(1) {
            self.node(path, *id)?;
        }
        for (path, id) in walk.iter().rev() {
            let node = self.tree.node(*id);
            if matches!(node.kind, NodeKind::Dir(_)) {
                let dir = open_beneath(self.root.as_fd(), path).map_err(|errno| self.failed(path, errno))?;
                self.dress(dir.as_fd(), path, &node.meta)?;
            }
        }
        Ok(())
    }

    /// Makes one name.
    fn node(&mut self, path: &[u8], id: NodeId) -> Result<(), InspectError> {
        let (above, name) = split(path);
        if self.parent.as_ref().is_none_or(|(open, _)| open != above) {
            let dir = open_beneath(self.root.as_fd(), above).map_err(|errno| self.failed(path, errno))?;
            self.parent = Some((above.to_vec(), dir));
        }
        let Some((_, dir)) = self.parent.take() else { return Ok(()) };
        let made = self.make(&dir, name, path, id);
        self.parent = Some((above.to_vec(), dir));
        made
    }

    /// Makes a name in an open folder.
    fn make(&mut self, dir: &OwnedFd, name: &[u8], path: &[u8], id: NodeId) -> Result<(), InspectError> {
        let tree = self.tree;
        let node = tree.node(id);
        if let NodeKind::CharDevice { .. } | NodeKind::BlockDevice { .. } = node.kind
            && self.owners == Owners::Mine
        {
            self.done.devices_left_out += 1;
            return Ok(());
        }
        self.make_room(dir, name, path, node)?;
        if let Some(first) = self.made.get(&id) {
            self.link(dir, name, first).map_err(|errno| self.failed(path, errno))?;
            self.done.names += 1;
            return Ok(());
        }
        match &node.kind {
            NodeKind::Dir(_) => match rustix::fs::mkdirat(dir, name, Mode::RWXU) {
                Ok(()) => {}
                // An existing folder is used, but not through a link.
                Err(Errno::EXIST) => drop(open_folder(dir.as_fd(), name).map_err(|e| self.failed(path, e))?),
                Err(errno) => return Err(self.failed(path, errno)),
            },
            NodeKind::File(content) => self.file(dir, name, path, (content, &node.meta))?,
            NodeKind::Symlink(target) => {
                rustix::fs::symlinkat(&**target, dir, name).map_err(|errno| self.failed(path, errno))?;
                self.dress_by_name(dir, name, path, node)?;
            }
            NodeKind::CharDevice { .. }
            | NodeKind::BlockDevice { .. }
            | NodeKind::Fifo
            | NodeKind::Socket => {
                let (kind, device) = special(&node.kind);
                rustix::fs::mknodat(dir, name, kind, Mode::RUSR | Mode::WUSR, device)
                    .map_err(|errno| self.failed(path, errno))?;
                self.dress_by_name(dir, name, path, node)?;
            }
        }
        self.done.names += 1;
        if !matches!(node.kind, NodeKind::Dir(_)) {
            self.made.insert(id, path.to_vec());
        }
        Ok(())
    }

    /// Removes an existing node of that name, if overwriting is allowed; a folder never.
    fn make_room(&self, dir: &OwnedFd, name: &[u8], path: &[u8], node: &Node) -> Result<(), InspectError> {
        let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(self.failed(path, errno)),
        };
        let folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if folder && matches!(node.kind, NodeKind::Dir(_)) {
            return Ok(());
        }
        if folder || self.overwrite == Overwrite::Never {
            return Err(InspectError::Exists { dest: self.dest.to_owned(), path: path.to_vec() });
        }
        rustix::fs::unlinkat(dir, name, AtFlags::empty()).map_err(|errno| self.failed(path, errno))
    }

    /// Gives a node that was made before one more name.
    fn link(&self, dir: &OwnedFd, name: &[u8], first: &[u8]) -> Result<(), Errno> {
        let (above, old) = split(first);
        let from = open_beneath(self.root.as_fd(), above)?;
        rustix::fs::linkat(&from, old, dir, name, AtFlags::empty())
    }

    /// Makes a regular file with its bytes; holes stay holes.
    fn file(
        &mut self,
        dir: &OwnedFd,
        name: &[u8],
        path: &[u8],
        (content, meta): (&Content, &Meta),
    ) -> Result<(), InspectError> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| self.failed(path, errno))?;
        let mut file = File::from(file);
        let filled = self.fill(&mut file, content);
        self.done.bytes += filled.map_err(|source| InspectError::Content { path: path.to_vec(), source })?;
        self.dress(file.as_fd(), path, meta)
    }

    /// Writes the segments of a file.
    fn fill(&self, file: &mut File, content: &Content) -> io::Result<u64> {
        let mut bytes = 0;
        for segment in content.segments() {
            file.seek(SeekFrom::Start(segment.offset))?;
            copy(&segment.origin, segment.len, self.sources, &mut |chunk| file.write_all(chunk))?;
            bytes += segment.len;
        }
        file.set_len(content.len())?;
        Ok(bytes)
    }

    /// Gives an open file or folder its owner, attributes, mode and time, in the order in which none undoes another.
    fn dress(&mut self, node: impl AsFd, path: &[u8], meta: &Meta) -> Result<(), InspectError> {
        let failed = |errno| self.failed(path, errno);
        let mut mode = meta.mode;
        if self.owners == Owners::AsInImage {
            let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
            rustix::fs::fchown(&node, Some(uid), Some(gid)).map_err(failed)?;
        } else {
            mode &= 0o1777;
        }
        let mut left_out = 0;
        for (name, value) in meta.xattrs.iter().flat_map(|xattrs| xattrs.iter()) {
            if self.owners == Owners::Mine && !name.starts_with(b"user.") {
                left_out += 1;
                continue;
            }
            match rustix::fs::fsetxattr(&node, &**name, value, XattrFlags::empty()) {
                Ok(()) => {}
                Err(Errno::OPNOTSUPP) => left_out += 1,
                Err(errno) => return Err(failed(errno)),
            }
        }
        rustix::fs::fchmod(&node, Mode::from_raw_mode(mode.into())).map_err(failed)?;
        rustix::fs::futimens(&node, &stamps(meta.mtime)).map_err(failed)?;
        self.done.xattrs_left_out += left_out;
        self.done.set_id_dropped += u64::from(mode != meta.mode);
        Ok(())
    }

    /// The same for what cannot be opened without effect: links, pipes, sockets, devices.
    fn dress_by_name(
        &mut self,
        dir: &OwnedFd,
        name: &[u8],
        path: &[u8],
        node: &Node,
    ) -> Result<(), InspectError> {
        let failed = |errno| self.failed(path, errno);
        let meta = &node.meta;
        let nofollow = AtFlags::SYMLINK_NOFOLLOW;
        if self.owners == Owners::AsInImage {
            let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
            rustix::fs::chownat(dir, name, Some(uid), Some(gid), nofollow).map_err(failed)?;
        }
        if !matches!(node.kind, NodeKind::Symlink(_)) {
            let mode = Mode::from_raw_mode(u32::from(meta.mode & 0o1777));
            rustix::fs::chmodat(dir, name, mode, AtFlags::empty()).map_err(failed)?;
        }
        rustix::fs::utimensat(dir, name, &stamps(meta.mtime), nofollow).map_err(failed)?;
        self.done.xattrs_left_out += meta.xattrs.as_ref().map_or(0, |xattrs| xattrs.len() as u64);
        Ok(())
    }

    fn failed(&self, path: &[u8], errno: Errno) -> InspectError {
        InspectError::Make { dest: self.dest.to_owned(), path: path.to_vec(), source: errno.into() }
    }
}

/// A path's folder and its last name.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

/// Opens a folder in an open one; a link is refused.
fn open_folder(dir: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

/// Opens the folder at a path below an open one, name by name.
fn open_beneath(root: impl AsFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    let mut dir = open_folder(root, b".")?;
    for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
        dir = open_folder(&dir, name)?;
    }
    Ok(dir)
}

/// The type and number of a node that is neither file, folder nor link.
fn special(kind: &NodeKind) -> (FileType, u64) {
    match kind {
        NodeKind::CharDevice { major, minor } => {
            (FileType::CharacterDevice, rustix::fs::makedev(*major, *minor))
        }
        NodeKind::BlockDevice { major, minor } => {
            (FileType::BlockDevice, rustix::fs::makedev(*major, *minor))
        }
        NodeKind::Socket => (FileType::Socket, 0),
        _ => (FileType::Fifo, 0),
    }
}

/// A time as the system takes it, for access and change of the content alike.
fn stamps(time: Time) -> Timestamps {
    let time = Timespec { tv_sec: time.secs, tv_nsec: i64::from(time.nanos) };
    Timestamps { last_access: time, last_modification: time }
}

#[cfg(test)]
mod tests;
