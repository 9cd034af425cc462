//! Which step of a job gave a path its content and its metadata. After each step the tree is listed; what has another inode,
//! size, time of change or time of access than at the step before is looked at: the time of access, because some kernels
//! show a write through a mapping in no other. The mount of a job that records this sets it at every access.
//!
//! Values count, not writes: a step that writes the bytes that were there has nothing.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::{Printable, Xattrs};
use rustix::fs::{FileType, Mode, OFlags, SeekFrom, Statx};
use rustix::time::ClockId;
use sha2::{Digest as _, Sha256};

use super::super::changes::PathSteps;
use super::error::{During, InnerError};
use super::mounts::{MOUNT_POINTS, Mounts};
use super::populate::{InodeStamp, WrittenTree, stamp_of, wait_past};
use super::scan::xattrs;
use super::walk::{WalkedName, walk};

/// Bytes that are read at a time.
const CHUNK: usize = 256 << 10;

/// Records the steps of a job.
pub(super) struct StepRecorder {
    /// The inodes of the tree before the first step.
    before: HashMap<u64, InodeStamp>,
    paths: HashMap<Vec<u8>, RecordedPath>,
    buffer: Vec<u8>,
}

/// A path as it was after the last step.
struct RecordedPath {
    /// Number of the step after which it was seen last.
    seen: u32,
    stamp: InodeStamp,
    accessed: (i64, u32),
    /// What it had when it was looked at last; none while it is as it was before the first step.
    looked: Option<Looked>,
}

/// What a path has, and since which step.
struct Looked {
    content: Digest,
    metadata: Digest,
    steps: PathSteps,
}

impl StepRecorder {
    /// A recorder that knows the tree as it was written.
    pub(super) fn new(written: &WrittenTree) -> Self {
        let before = written.stamps.iter().map(|stamp| (stamp.ino, *stamp)).collect();
        Self { before, paths: HashMap::new(), buffer: vec![0; CHUNK] }
    }

    /// Looks at what a step changed. No command runs meanwhile; what comes after this has later times.
    pub(super) fn observe(&mut self, step: u32, mounts: &Mounts) -> Result<(), InnerError> {
        walk(&mounts.root, |name| {
            // Commands have other file systems there.
            if MOUNT_POINTS.iter().any(|folder| folder.as_bytes() == name.path) {
                return Ok(None);
            }
            self.look(step, name).during(|| format!("looking at `/{}`", Printable(name.path)))?;
            Ok(Some(0))
        })?;
        self.paths.retain(|_, path| path.seen == step);
        // The calls for attributes take only paths, so this process went to their folders.
        rustix::process::chdir("/").during(|| "changing the folder".to_owned())?;
        let now = rustix::time::clock_gettime(ClockId::RealtimeCoarse);
        wait_past((now.tv_sec, now.tv_nsec as u32));
        Ok(())
    }

    /// Looks at a name.
    fn look(&mut self, step: u32, name: &WalkedName<'_>) -> rustix::io::Result<()> {
        let stamp = stamp_of(name.now);
        let accessed = (name.now.stx_atime.tv_sec, name.now.stx_atime.tv_nsec);
        let known = self.paths.get_mut(name.path);
        let is_same = match &known {
            Some(known) => known.stamp == stamp && known.accessed == accessed,
            // A name is new after the first step only if its inode is: one that was moved is of that step anyway.
            None => step == 0 && accessed == (0, 0) && self.before.get(&stamp.ino) == Some(&stamp),
        };
        let looked = if is_same {
            None
        } else {
            let content = content_print(name, &mut self.buffer)?;
            Some((content, metadata_print(name)?))
        };
        if let Some(known) = known {
            (known.seen, known.stamp, known.accessed) = (step, stamp, accessed);
            if let Some((content, metadata)) = looked {
                let steps = known.looked.as_ref().map_or(PathSteps::of(step), |old| PathSteps {
                    content: if old.content == content { old.steps.content } else { step },
                    metadata: if old.metadata == metadata { old.steps.metadata } else { step },
                });
                known.looked = Some(Looked { content, metadata, steps });
            }
        } else {
            let looked =
                looked.map(|(content, metadata)| Looked { content, metadata, steps: PathSteps::of(step) });
            self.paths.insert(name.path.to_vec(), RecordedPath { seen: step, stamp, accessed, looked });
        }
        Ok(())
    }

    /// The paths that a later step than the first gave something, sorted.
    pub(super) fn finish(self) -> Vec<(Vec<u8>, PathSteps)> {
        let later = |(path, recorded): (Vec<u8>, RecordedPath)| {
            let steps = recorded.looked?.steps;
            (steps != PathSteps::of(0)).then_some((path, steps))
        };
        let mut all: Vec<_> = self.paths.into_iter().filter_map(later).collect();
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        all
    }
}

/// What changes when the content of a name does. The names in a folder have prints of their own.
fn content_print(name: &WalkedName<'_>, buffer: &mut [u8]) -> rustix::io::Result<Digest> {
    let now = name.now;
    let kind = FileType::from_raw_mode(now.stx_mode.into());
    let mut hasher = Sha256::new();
    hasher.update((now.stx_mode & !0o7777).to_le_bytes());
    match kind {
        FileType::RegularFile => {
            hasher.update(now.stx_size.to_le_bytes());
            let flags =
                OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOATIME;
            let file = rustix::fs::openat(name.dir, name.name, flags, Mode::empty())?;
            hash_data(file, now.stx_size, &mut hasher, buffer)?;
        }
        FileType::Symlink => {
            hasher.update(rustix::fs::readlinkat(name.dir, name.name, Vec::new())?.as_bytes());
        }
        FileType::CharacterDevice | FileType::BlockDevice => {
            hasher.update(now.stx_rdev_major.to_le_bytes());
            hasher.update(now.stx_rdev_minor.to_le_bytes());
        }
        _ => {}
    }
    Ok(Digest(hasher.finalize().into()))
}

/// Hashes the data of a file, each range with its offset; holes are skipped.
fn hash_data(file: OwnedFd, len: u64, hasher: &mut Sha256, buffer: &mut [u8]) -> rustix::io::Result<()> {
    let file = File::from(file);
    let failed =
        |error: std::io::Error| rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO);
    let mut at = 0;
    while at < len {
        let start = match rustix::fs::seek(&file, SeekFrom::Data(at)) {
            Ok(start) if start < len => start,
            Ok(_) | Err(rustix::io::Errno::NXIO) => break,
            Err(error) => return Err(error),
        };
        let end = rustix::fs::seek(&file, SeekFrom::Hole(start))?.min(len);
        hasher.update(start.to_le_bytes());
        hasher.update(end.to_le_bytes());
        at = start;
        while at < end {
            let part = &mut buffer[..(end - at).min(CHUNK as u64) as usize];
            file.read_exact_at(part, at).map_err(failed)?;
            hasher.update(&*part);
            at += part.len() as u64;
        }
    }
    Ok(())
}

/// What changes when owner, mode or attributes of a name do. Times do not count.
fn metadata_print(name: &WalkedName<'_>) -> rustix::io::Result<Digest> {
    let now: &Statx = name.now;
    let mut bytes = Vec::with_capacity(64);
    for number in [u32::from(now.stx_mode & 0o7777), now.stx_uid, now.stx_gid] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    let all: Xattrs = xattrs(name.dir, name.name)?.map(|all| *all).unwrap_or_default();
    for (attribute, value) in &all {
        for part in [&**attribute, &**value] {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
    }
    Ok(Digest::of(&bytes))
}
