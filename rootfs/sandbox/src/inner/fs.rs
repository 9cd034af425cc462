//! Calls on files and mounts that the modules of the inner half share. Knows nothing of what is mounted where.
//!
//! `fsopen(2)`, `fsmount(2)`, `open_tree(2)`, `move_mount(2)`, `statx(2)`.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags};

use super::error::{During, InnerError};

/// Most inodes for a limit of files in bytes: each takes about 1 KiB of kernel memory beside its content.
pub(super) fn inode_limit(disk: u64) -> u64 {
    (disk / 4096).clamp(65_536, 8_388_608)
}

/// Creates a detached mount of a new file system; an option with an empty value is a flag.
pub(super) fn mount(
    kind: &str,
    options: &[(&str, &str)],
    more: MountAttrFlags,
) -> rustix::io::Result<OwnedFd> {
    let config = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        if value.is_empty() {
            // An option that is the default of newer kernels, which may have removed it.
            let _ = rustix::mount::fsconfig_set_flag(config.as_fd(), *key);
        } else if *key == "huge" {
            let _ = rustix::mount::fsconfig_set_string(config.as_fd(), *key, *value);
        } else {
            rustix::mount::fsconfig_set_string(config.as_fd(), *key, *value)?;
        }
    }
    rustix::mount::fsconfig_create(config.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | more;
    rustix::mount::fsmount(config.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// A detached mount of the file or folder at a path.
pub(super) fn open_clone(dir: &impl AsFd, path: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    rustix::mount::open_tree(dir, path, flags | OpenTreeFlags::AT_SYMLINK_NOFOLLOW)
}

/// Mounts a detached mount over an open file or folder.
pub(super) fn attach(mount: &OwnedFd, target: &impl AsFd) -> rustix::io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, "", target, "", flags)
}

/// Creates an empty file.
pub(super) fn create(dir: &OwnedFd, name: &str, mode: u32) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(mode))
}

/// Writes all bytes to a file and closes it.
pub(super) fn write(file: OwnedFd, bytes: &[u8]) -> rustix::io::Result<()> {
    let written = File::from(file).write_all(bytes);
    written.map_err(|error| rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO))
}

/// Makes a mount read-only, without programs or devices.
pub(super) fn read_only(path: &str) -> Result<(), InnerError> {
    let flags =
        MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount_remount(path, flags, "").during(|| format!("making `{path}` read-only"))
}

/// Makes the mount of a device node read-only: the node is the host's, so its mode, owner, times and attributes must not
/// change. The device itself can still be read and written.
pub(super) fn node_read_only(path: &str) -> Result<(), InnerError> {
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NOEXEC;
    rustix::mount::mount_remount(path, flags, "").during(|| format!("making `{path}` read-only"))
}

/// The attributes of a name, without following a link; an empty name is the folder itself.
pub(super) fn stat(dir: &impl AsFd, name: &[u8]) -> rustix::io::Result<rustix::fs::Statx> {
    let mask = rustix::fs::StatxFlags::BASIC_STATS;
    let name = if name.is_empty() { b"." } else { name };
    rustix::fs::statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, mask)
}
