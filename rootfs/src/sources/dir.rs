//! Folders of the host as sources: walked without following a link and never outside of the folder, in the order of
//! names; contents are only opened when they are read.
//!
//! Read from the disk: names, kinds, permission bits, modification times, hard links, holes, the attributes
//! `user.*` and `security.capability`. Not read: owners (by the recipe's rules, else root), access control lists
//! (their ids are this host's; a warning names the first), `security.selinux` and other labels of this host, and
//! the mode of the folder itself where it becomes `/`. Modes and times of a version-control checkout depend on
//! the user who checked out, unless [`Modes::Git`] is chosen; `epoch` bounds the times. A socket belongs to a running
//! program and is refused. Mount points are crossed.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use amiforge_formats::plan::SourceId;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, Origin, Printable, Segment, Xattrs};
use amiforge_progress::Monitor;
use amiforge_store::blobs::{Blobs, FileStamp};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, SeekFrom, Stat};

use super::entry_error::EntryError;
use super::indexed::{Explicitness, Indexed, InsertError, Inserter, OnDuplicate};
use super::tar::mode_without;
use super::warning::Tally;
use super::{Modes, OwnerRule};
use crate::glob::{Globs, NotAGlob};
use crate::path_map::PathMap;

/// Most data segments of one sparse file; one with more is read as a file without holes.
const SEGMENTS_MAX: usize = 1 << 20;

/// Attributes of the entries that do not come from the disk alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct DirAttributes<'a> {
    pub(super) owners: &'a [OwnerRule],
    pub(super) modes: Modes,
}

/// Why a folder was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirError {
    /// A path of it cannot be read.
    #[error("reading `{}`", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// It holds a socket.
    #[error("`{}` is a socket, which belongs to a running program; exclude it", path.display())]
    Socket {
        /// The path.
        path: PathBuf,
    },
    /// An entry cannot be in an image.
    #[error("reading the entry `{}`", Printable(path))]
    Entry {
        /// Its path in the folder.
        path: Vec<u8>,
        /// The cause.
        #[source]
        error: EntryError,
    },
    /// A rule for owners does not parse.
    #[error("reading the rules for owners")]
    Owners(#[source] NotAGlob),
    /// Interrupted by the user.
    #[error("interrupted")]
    Interrupted,
}

/// Indexes a folder; gives the sum of its files' lengths too.
pub(super) fn index(
    folder: &Path,
    attributes: DirAttributes<'_>,
    path_map: &PathMap,
    blobs: &mut Blobs,
    monitor: Monitor<'_>,
) -> Result<(Indexed, u64), DirError> {
    let owners = attributes.owners;
    let globs = Globs::new(owners.iter().map(|rule| rule.path.as_str())).map_err(DirError::Owners)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(folder, flags, Mode::empty())
        .map_err(|error| DirError::Read { path: folder.to_owned(), source: error.into() })?;
    let inserter = Inserter::new(OnDuplicate::Refuse);
    let (links, tally, bytes) = (HashMap::new(), Tally::default(), 0);
    let mut walk = Walk { folder, root, attributes, globs, inserter, links, tally, bytes, blobs };
    let mut folders = vec![Vec::new()];
    while let Some(path) = folders.pop() {
        if monitor.cancel.is_cancelled() {
            return Err(DirError::Interrupted);
        }
        walk.folder(&path, path_map, &mut folders)?;
    }
    let bytes = walk.bytes;
    let mut indexed = Indexed { warnings: walk.tally.warnings(), ..walk.inserter.finish() };
    // The folder only contains the entries; its metadata does not describe the directory that they are put in.
    if let Some(mark) = indexed.marks.first_mut() {
        mark.explicitness = Explicitness::Implied;
    }
    Ok((indexed, bytes))
}

struct Walk<'a> {
    folder: &'a Path,
    root: OwnedFd,
    attributes: DirAttributes<'a>,
    globs: Globs,
    inserter: Inserter,
    /// The first path of every file with several names.
    links: HashMap<(u64, u64), Vec<u8>>,
    tally: Tally,
    bytes: u64,
    blobs: &'a mut Blobs,
}

impl Walk<'_> {
    /// Inserts a folder and its entries, and adds its subfolders to `folders`.
    fn folder(
        &mut self,
        path: &[u8],
        path_map: &PathMap,
        folders: &mut Vec<Vec<u8>>,
    ) -> Result<(), DirError> {
        let at = |error: rustix::io::Errno| self.failed(path, error.into());
        let dir = if path.is_empty() {
            self.root.try_clone().map_err(|e| self.failed(path, e))?
        } else {
            self.beneath(path)?
        };
        let stat = rustix::fs::fstat(&dir).map_err(at)?;
        let mut meta = self.meta(path, &stat);
        let host = xattrs(&dir).map_err(at)?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&dir).map_err(at)? {
            let name = entry.map_err(at)?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(name);
            }
        }
        names.sort_unstable();
        self.attach(path, &mut meta, host);
        if path.is_empty() && path_map.strip == 0 && path_map.prefix.is_empty() {
            // The mode of a working folder, such as 0700 of `mktemp -d`, is not meant for `/`.
            meta.mode = 0o755;
        }
        self.insert(path, Node { meta, kind: NodeKind::dir() })?;
        for name in names {
            let mut below = path.to_vec();
            if !below.is_empty() {
                below.push(b'/');
            }
            below.extend_from_slice(&name);
            if path_map.excludes(&below) {
                continue;
            }
            let stat = rustix::fs::statat(&dir, OsStr::from_bytes(&name), AtFlags::SYMLINK_NOFOLLOW);
            let stat = stat.map_err(|error| self.failed(&below, error.into()))?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => folders.push(below),
                kind => self.entry(&dir, &name, &below, kind, &stat)?,
            }
        }
        Ok(())
    }

    /// Inserts an entry that is not a folder.
    fn entry(
        &mut self,
        dir: &OwnedFd,
        name: &[u8],
        path: &[u8],
        kind: FileType,
        stat: &Stat,
    ) -> Result<(), DirError> {
        if stat.st_nlink > 1 {
            let identity = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&identity) {
                let linked = self.inserter.link(path, first, 0);
                return linked.map_err(|error| DirError::Entry { path: path.to_vec(), error });
            }
            self.links.insert(identity, path.to_vec());
        }
        let mut meta = self.meta(path, stat);
        let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        let kind = match kind {
            FileType::RegularFile => {
                let (found, content) = self.file(dir, name, path)?;
                self.attach(path, &mut meta, found);
                NodeKind::File(content)
            }
            FileType::Symlink => {
                meta.mode = 0o777;
                let target = rustix::fs::readlinkat(dir, OsStr::from_bytes(name), Vec::new());
                let target = target.map_err(|error| self.failed(path, error.into()))?;
                NodeKind::Symlink(target.to_bytes().into())
            }
            FileType::CharacterDevice => NodeKind::CharDevice { major, minor },
            FileType::BlockDevice => NodeKind::BlockDevice { major, minor },
            FileType::Fifo => NodeKind::Fifo,
            FileType::Socket => return Err(DirError::Socket { path: self.full(path) }),
            _ => return Err(self.failed(path, io::Error::other("of no kind that is known"))),
        };
        self.insert(path, Node { meta, kind })
    }

    /// Attributes and content of a regular file; opened here once, so that an unreadable one is reported early.
    fn file(
        &mut self,
        dir: &OwnedFd,
        name: &[u8],
        path: &[u8],
    ) -> Result<(HostAttributes, Content), DirError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir, OsStr::from_bytes(name), flags, Mode::empty());
        let file = File::from(file.map_err(|error| self.failed(path, error.into()))?);
        let found = file.metadata().map_err(|error| self.failed(path, error))?;
        let xattrs = xattrs(&file).map_err(|error| self.failed(path, error.into()))?;
        if found.len() == 0 {
            return Ok((xattrs, Content::empty()));
        }
        self.bytes = self.bytes.saturating_add(found.len());
        let source = self.blobs.add_closed(self.full(path), FileStamp::of(&found));
        let content = content(&file, &found, source).map_err(|error| self.failed(path, error))?;
        Ok((xattrs, content))
    }

    /// Sets the attributes of a node that were read from the host.
    fn attach(&mut self, path: &[u8], meta: &mut Meta, host: HostAttributes) {
        if let Some(list) = &host.access_list {
            self.tally.access_list(path);
            if self.attributes.modes == Modes::Disk {
                meta.mode = mode_without(list, meta.mode);
            }
        }
        meta.xattrs = (!host.xattrs.is_empty()).then(|| Box::new(host.xattrs));
    }

    fn insert(&mut self, path: &[u8], node: Node) -> Result<(), DirError> {
        // Names are unique in a folder, so contents are never compared.
        self.inserter.insert(path, node, 0, &|_, _| Ok(false)).map_err(|error| match error {
            InsertError::Entry(error) => DirError::Entry { path: path.to_vec(), error },
            InsertError::Compare(source) => DirError::Read { path: self.full(path), source },
        })
    }

    /// Opens a folder below the root; a link that replaced a part of its path since it was listed is not followed.
    fn beneath(&self, path: &[u8]) -> Result<OwnedFd, DirError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let name = OsStr::from_bytes(path);
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let opened = match rustix::fs::openat2(&self.root, name, flags, Mode::empty(), within) {
            // Kernels before 5.6, and sandboxes that filter the call.
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {
                rustix::fs::openat(&self.root, name, flags, Mode::empty())
            }
            opened => opened,
        };
        opened.map_err(|error| self.failed(path, error.into()))
    }

    fn meta(&self, path: &[u8], stat: &Stat) -> Meta {
        let rule = self.globs.last(path).and_then(|rule| self.attributes.owners.get(rule));
        let (uid, gid) = rule.map_or((0, 0), |rule| (rule.uid, rule.gid));
        let mtime = Time { secs: stat.st_mtime, nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0) };
        let mode = match (self.attributes.modes, FileType::from_raw_mode(stat.st_mode)) {
            (Modes::Git, FileType::RegularFile) if stat.st_mode & 0o100 == 0 => 0o644,
            (Modes::Git, FileType::RegularFile | FileType::Directory) => 0o755,
            _ => (stat.st_mode & 0o7777) as u16,
        };
        Meta { mode, uid, gid, mtime, xattrs: None }
    }

    fn full(&self, path: &[u8]) -> PathBuf {
        self.folder.join(OsStr::from_bytes(path))
    }

    fn failed(&self, path: &[u8], source: io::Error) -> DirError {
        DirError::Read { path: self.full(path), source }
    }
}

/// The content of an open file, with the holes that the host's file system reports.
fn content(file: &File, found: &std::fs::Metadata, source: SourceId) -> io::Result<Content> {
    let len = found.len();
    let whole = Content::Slice { source, at: 0, len };
    // Space that is only reserved reads as a hole too, but counts as allocated: a swap file must not get holes.
    if found.blocks().saturating_mul(512) >= len {
        return Ok(whole);
    }
    let mut segments = Vec::new();
    let mut at = 0;
    while at < len {
        let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(start) if start < len => start,
            Ok(_) | Err(rustix::io::Errno::NXIO) => break,
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::OPNOTSUPP) => return Ok(whole),
            Err(error) => return Err(error.into()),
        };
        // A file that is written to at the same time could report no progress; its stamp shows the change later.
        let end = rustix::fs::seek(file, SeekFrom::Hole(start)).unwrap_or(len).clamp(start + 1, len);
        segments.push(Segment {
            offset: start,
            len: end - start,
            origin: Origin::Slice { source, at: start },
        });
        at = end;
        if segments.len() > SEGMENTS_MAX {
            return Ok(whole);
        }
    }
    match segments.as_slice() {
        [Segment { offset: 0, len: all, .. }] if *all == len => Ok(whole),
        _ => Ok(Content::Sparse { len, segments: Arc::from(segments) }),
    }
}

/// The attributes of a file or folder.
#[derive(Debug, Default)]
struct HostAttributes {
    /// Those that do not depend on this host.
    xattrs: Xattrs,
    /// An access control list, which is left out; empty if there is only one for new entries of a folder.
    access_list: Option<Vec<u8>>,
}

fn xattrs(file: impl AsFd) -> Result<HostAttributes, rustix::io::Errno> {
    let mut host = HostAttributes::default();
    // An attribute and a list of names are at most 64 KiB each (Linux `XATTR_SIZE_MAX`, `XATTR_LIST_MAX`).
    let mut names = vec![0u8; 64 << 10];
    let len = match rustix::fs::flistxattr(file.as_fd(), &mut names) {
        Ok(0) | Err(rustix::io::Errno::OPNOTSUPP) => return Ok(host),
        Ok(len) => len,
        Err(error) => return Err(error),
    };
    let read = |name: &[u8]| {
        let mut value = vec![0u8; 64 << 10];
        let len = rustix::fs::fgetxattr(file.as_fd(), OsStr::from_bytes(name), &mut value)?;
        value.truncate(len);
        Ok(value)
    };
    for name in names[..len].split(|byte| *byte == 0) {
        match name {
            b"security.capability" => {
                host.xattrs.insert(name.into(), read(name)?.into());
            }
            b"system.posix_acl_access" => host.access_list = Some(read(name)?),
            b"system.posix_acl_default" => {
                host.access_list.get_or_insert_default();
            }
            name if name.starts_with(b"user.") => {
                host.xattrs.insert(name.into(), read(name)?.into());
            }
            _ => {}
        }
    }
    Ok(host)
}
