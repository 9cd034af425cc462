//! Walks the tree of the sandbox while no command runs. Names are foreign: no link is followed, and nothing is assumed about them.

use std::os::fd::OwnedFd;

use amiforge_formats::tree::Printable;
use rustix::fs::{FileType, Mode, OFlags, RawDir, Statx};

use super::super::protocol::NONE;
use super::error::{During, InnerError};
use super::fs::stat;

/// Deepest nesting of folders; the paths of deeper ones are too long for any program to open.
const DEPTH_MAX: usize = 2048;

/// How folders are opened; that they are read leaves no trace that a command could see.
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOATIME);

/// A name that a walk comes to.
pub(super) struct WalkedName<'a> {
    /// What the visitor gave for its folder; [`NONE`] for the root.
    pub(super) parent: u32,
    pub(super) dir: &'a OwnedFd,
    /// Its name in `dir`; empty for the root, which is `dir` itself.
    pub(super) name: &'a [u8],
    /// Without a leading `/`.
    pub(super) path: &'a [u8],
    pub(super) now: &'a Statx,
}

/// A folder whose entries are being walked.
struct WalkedFolder {
    number: u32,
    dir: OwnedFd,
    /// Length of its path.
    path: usize,
    /// Remaining names, the last one first.
    names: Vec<Vec<u8>>,
}

/// Calls `visit` with every name, the root first, a folder before its entries, those sorted. It gives a number for the name,
/// or none to leave it out with all below it.
///
/// # Errors
/// When a name cannot be read or folders are nested too deeply, and the errors of `visit`.
pub(super) fn walk(
    root: &OwnedFd,
    mut visit: impl FnMut(&WalkedName<'_>) -> Result<Option<u32>, InnerError>,
) -> Result<(), InnerError> {
    let what = || "reading the root".to_owned();
    let top = rustix::fs::openat(root, ".", FOLDER, Mode::empty()).during(what)?;
    let now = stat(&top, b"").during(what)?;
    let first = WalkedName { parent: NONE, dir: &top, name: b"", path: b"", now: &now };
    let Some(number) = visit(&first)? else { return Ok(()) };
    let mut path = Vec::new();
    let entries = names(&top, &path)?;
    let mut folders = vec![WalkedFolder { number, dir: top, path: 0, names: entries }];
    while let Some(folder) = folders.last_mut() {
        path.truncate(folder.path);
        let Some(name) = folder.names.pop() else {
            folders.pop();
            continue;
        };
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(&name);
        let now = stat(&folder.dir, &name).during(|| format!("looking at `/{}`", Printable(&path)))?;
        let walked =
            WalkedName { parent: folder.number, dir: &folder.dir, name: &name, path: &path, now: &now };
        let Some(number) = visit(&walked)? else { continue };
        if FileType::from_raw_mode(now.stx_mode.into()) == FileType::Directory {
            let dir = rustix::fs::openat(&folder.dir, &*name, FOLDER, Mode::empty());
            let dir = dir.during(|| format!("opening `/{}`", Printable(&path)))?;
            if folders.len() >= DEPTH_MAX {
                let deep = Err(rustix::io::Errno::NAMETOOLONG);
                return deep.during(|| format!("reading folders nested {DEPTH_MAX} deep"));
            }
            let entries = names(&dir, &path)?;
            folders.push(WalkedFolder { number, dir, path: path.len(), names: entries });
        }
    }
    Ok(())
}

/// The entries of a folder, the last one first.
fn names(dir: &OwnedFd, path: &[u8]) -> Result<Vec<Vec<u8>>, InnerError> {
    let mut names = Vec::new();
    let mut space = Vec::with_capacity(64 << 10);
    let mut entries = RawDir::new(dir, space.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry.during(|| format!("reading `/{}`", Printable(path)))?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
}
