//! A copy of a recipe whose folders were filled in another order, so that `readdir` returns their entries in another
//! order.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::{Component, Path, PathBuf};

use amiforge_formats::read_at::ReadAt as _;
use amiforge_image::inspect::Medium;
use amiforge_rootfs::sources::SourceKind;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

use crate::recipe::Recipe;

/// The preferred file system for a copy, because it orders entries differently.
const TMPFS: &str = "/dev/shm";

/// The largest folder that is copied there, in bytes.
const TMPFS_MAX: u64 = 256 << 20;

/// Why the order was not changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotReordered {
    /// The recipe has no folder.
    #[error("the recipe has no source of kind `dir`")]
    NoFolder,
    /// A folder is outside the recipe's folder.
    #[error("`{}` is not below the recipe's folder", .0.display())]
    Elsewhere(PathBuf),
    /// An entry cannot be copied.
    #[error("`{}` could not be copied: {source}", path.display())]
    Copy {
        /// The entry.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

/// A copy, removed when dropped.
#[derive(Debug)]
pub(super) struct ReorderedCopy {
    /// The recipe in the copy, with the same bytes and the same name.
    pub(super) recipe: PathBuf,
    _folder: tempfile::TempDir,
}

/// Copies the folder of a recipe. The folders of `dir` sources are copied with their entries in reverse order; all else
/// is linked to.
pub(super) fn copy(recipe: &Recipe, path: &Path, scratch: &Path) -> Result<ReorderedCopy, NotReordered> {
    let base = path.parent().unwrap_or(Path::new("/"));
    let mut folders = Vec::new();
    for source in &recipe.sources {
        let (SourceKind::Dir { path, .. }
        | SourceKind::Tar { path }
        | SourceKind::Oci { path, .. }
        | SourceKind::Image { path, .. }) = &source.kind;
        if path.components().any(|component| component == Component::ParentDir) {
            return Err(NotReordered::Elsewhere(path.clone()));
        }
        if matches!(source.kind, SourceKind::Dir { .. }) {
            // The path of the recipe may be relative.
            let whole = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let below = whole.strip_prefix(base).map_err(|_| NotReordered::Elsewhere(path.clone()))?;
            let names = below.components().filter(|one| *one != Component::CurDir);
            folders.push(names.collect::<PathBuf>());
        }
    }
    if folders.is_empty() {
        return Err(NotReordered::NoFolder);
    }
    let failed = |path: &Path, source| NotReordered::Copy { path: path.to_owned(), source };
    let folder = copy_folder(base, &folders, scratch).map_err(|source| failed(scratch, source))?;
    let mut copying = CopyRun { folders, links: HashMap::new() };
    copying.folder(base, folder.path(), Path::new(""))?;
    let name = path.file_name().unwrap_or_default();
    Ok(ReorderedCopy { recipe: folder.path().join(name), _folder: folder })
}

/// A folder for the copy, on another file system than the original if there is one with enough space.
fn copy_folder(base: &Path, folders: &[PathBuf], scratch: &Path) -> io::Result<tempfile::TempDir> {
    let elsewhere =
        fs::metadata(TMPFS).is_ok_and(|tmpfs| fs::metadata(base).is_ok_and(|base| base.dev() != tmpfs.dev()));
    let small = || folders.iter().map(|folder| size(&base.join(folder))).sum::<u64>() <= TMPFS_MAX;
    if elsewhere
        && small()
        && let Ok(folder) = tempfile::Builder::new().prefix("amiforge-repro-").tempdir_in(TMPFS)
    {
        return Ok(folder);
    }
    tempfile::Builder::new().prefix("shuffled-").tempdir_in(scratch)
}

/// Total bytes of the files below a folder; unreadable entries count as zero.
fn size(folder: &Path) -> u64 {
    let mut stack = vec![folder.to_owned()];
    let mut bytes = 0;
    while let Some(folder) = stack.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(stat) if stat.is_dir() => stack.push(entry.path()),
                Ok(stat) => bytes += stat.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

/// A running copy.
struct CopyRun {
    /// The folders that are copied rather than linked to, relative to the recipe's folder.
    folders: Vec<PathBuf>,
    /// The first copied name of each file with several hard links, by device and inode.
    links: HashMap<(u64, u64), PathBuf>,
}

impl CopyRun {
    /// Copies the entries of a folder.
    fn folder(&mut self, from: &Path, to: &Path, below: &Path) -> Result<(), NotReordered> {
        let failed = |source| NotReordered::Copy { path: from.to_owned(), source };
        let names: io::Result<Vec<OsString>> =
            fs::read_dir(from).and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
        let mut names = names.map_err(failed)?;
        names.reverse();
        for name in names {
            let (from, to, below) = (from.join(&name), to.join(&name), below.join(&name));
            let failed = |source| NotReordered::Copy { path: from.clone(), source };
            let copied = self.folders.iter().any(|folder| below.starts_with(folder));
            let leads = self.folders.iter().any(|folder| folder.starts_with(&below));
            let stat = fs::symlink_metadata(&from).map_err(failed)?;
            if copied || (leads && stat.is_dir()) {
                self.entry((&from, &stat), &to, &below)?;
            } else {
                std::os::unix::fs::symlink(&from, &to).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Copies everything of an entry that a source reads: kind, bytes, mode, time, attributes, hard links.
    fn entry(
        &mut self,
        (from, stat): (&Path, &Metadata),
        to: &Path,
        below: &Path,
    ) -> Result<(), NotReordered> {
        let failed = |source| NotReordered::Copy { path: from.to_owned(), source };
        let kind = stat.file_type();
        if stat.nlink() > 1 && !kind.is_dir() {
            if let Some(first) = self.links.get(&(stat.dev(), stat.ino())) {
                return fs::hard_link(first, to).map_err(failed);
            }
            self.links.insert((stat.dev(), stat.ino()), to.to_owned());
        }
        if kind.is_dir() {
            fs::create_dir(to).map_err(failed)?;
            self.folder(from, to, below)?;
            fs::set_permissions(to, stat.permissions()).map_err(failed)?;
        } else if kind.is_file() {
            file(from, stat, to).map_err(failed)?;
        } else if kind.is_symlink() {
            fs::read_link(from).and_then(|target| std::os::unix::fs::symlink(target, to)).map_err(failed)?;
        } else {
            let node = match () {
                () if kind.is_fifo() => FileType::Fifo,
                () if kind.is_socket() => FileType::Socket,
                () if kind.is_char_device() => FileType::CharacterDevice,
                () => FileType::BlockDevice,
            };
            let mode = Mode::from_raw_mode(stat.mode() & 0o7777);
            rustix::fs::mknodat(CWD, to, node, mode, stat.rdev()).map_err(|errno| failed(errno.into()))?;
        }
        xattrs(from, to).map_err(failed)?;
        let time = Timespec { tv_sec: stat.mtime(), tv_nsec: stat.mtime_nsec() };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| failed(errno.into()))
    }
}

/// Copies a regular file with its holes, which a source preserves.
fn file(from: &Path, stat: &Metadata, to: &Path) -> io::Result<()> {
    if stat.blocks().saturating_mul(512) >= stat.len() {
        return fs::copy(from, to).map(|_| ());
    }
    let medium = Medium::open(from).map_err(io::Error::other)?;
    let copy = fs::File::create_new(to)?;
    copy.set_len(stat.len())?;
    let mut chunk = vec![0; 1 << 20];
    for (mut at, end) in medium.data_ranges(0, stat.len())? {
        while at < end {
            let part = &mut chunk[..(end - at).min(1 << 20) as usize];
            medium.read_exact_at(at, part)?;
            copy.write_all_at(part, at)?;
            at += part.len() as u64;
        }
    }
    copy.set_permissions(stat.permissions())
}

/// Copies extended attributes. Attributes that cannot be read are skipped: a source cannot read them either.
fn xattrs(from: &Path, to: &Path) -> io::Result<()> {
    let mut names = vec![0_u8; 64 << 10];
    let Ok(len) = rustix::fs::llistxattr(from, names.as_mut_slice()) else { return Ok(()) };
    for name in names[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0_u8; 64 << 10];
        let Ok(len) = rustix::fs::lgetxattr(from, name, value.as_mut_slice()) else { continue };
        rustix::fs::lsetxattr(to, name, &value[..len], XattrFlags::empty())?;
    }
    Ok(())
}
