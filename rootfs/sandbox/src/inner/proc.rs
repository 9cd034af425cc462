//! `/proc` without the host: fixed files over those that describe the machine or its load, fixed settings over
//! `/proc/sys`, and empty files and folders over everything else that is not about the sandbox's own processes, so that
//! additions of newer kernels are hidden too.
//!
//! The files in `/proc/<pid>` cannot be covered: numbers of mounts, inodes and processors, CPU times and counters there
//! are the kernel's own.

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::UnmountFlags;

use super::super::SandboxJob;
use super::error::{During, InnerError};
use super::fs::{attach, create, open_clone, read_only, write};
use super::kernel;

/// Entries of `/proc` that belong to the sandbox's processes and namespaces.
const VISIBLE: &[&str] = &["mounts", "net", "self", "sys", "thread-self"];

/// The folder that the fixed files are mounted on while they are cloned: only mounted files can be.
const STAGING: &str = "/sys";

/// Creates the fixed files in a folder of the file system in memory.
pub(super) fn create_files(folder: &OwnedFd, job: &SandboxJob) -> rustix::io::Result<()> {
    rustix::fs::mkdirat(folder, "hollow", Mode::from_raw_mode(0o555))?;
    drop(create(folder, "empty", 0o444)?);
    let proc = make_folder(folder, "proc")?;
    for (name, content) in kernel::files(job.limits.memory, job.now.secs) {
        write(create(&proc, name, 0o444)?, content.as_bytes())?;
    }
    let settings = make_folder(folder, "settings")?;
    let ids = kernel::random_ids(job.seed);
    let ids = ids.iter().map(|(path, value)| (*path, value.as_str()));
    for (path, value) in kernel::SETTINGS.iter().copied().chain(ids) {
        let mut parts = path.split('/').peekable();
        let mut dir = rustix::io::fcntl_dupfd_cloexec(&settings, 3)?;
        while let Some(part) = parts.next() {
            if parts.peek().is_some() {
                dir = make_folder(&dir, part)?;
            } else {
                write(create(&dir, part, 0o444)?, format!("{value}\n").as_bytes())?;
            }
        }
    }
    Ok(())
}

/// Opens a folder, which is created if it does not exist.
fn make_folder(dir: &OwnedFd, name: &str) -> rustix::io::Result<OwnedFd> {
    match rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o555)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    rustix::fs::openat(dir, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Covers the entries of `/proc` that are about the host; `fixed` is the folder that [`create_files`] filled.
pub(super) fn cover(fixed: &OwnedFd) -> Result<(), InnerError> {
    let staging = open_path(STAGING).during(|| format!("opening `{STAGING}`"))?;
    attach(fixed, &staging).during(|| "mounting the files of `/proc`".to_owned())?;
    let entries = std::fs::read_dir("/proc").during(|| "reading `/proc`".to_owned())?;
    let mut names: Vec<_> = entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.file_type().ok()?)))
        .collect();
    names.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (name, kind) in names {
        if VISIBLE.contains(&name.as_str()) || name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let own = format!("{STAGING}/proc/{name}");
        let with = if kind.is_dir() {
            format!("{STAGING}/hollow")
        } else if kind.is_file() && std::fs::exists(&own).unwrap_or(false) {
            own
        } else {
            format!("{STAGING}/empty")
        };
        cover_one(&format!("/proc/{name}"), &with)?;
    }
    cover_one("/proc/sys", &format!("{STAGING}/settings"))?;
    let gone = rustix::mount::unmount(STAGING, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
    gone.during(|| format!("unmounting `{STAGING}`"))
}

fn open_path(path: &str) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn cover_one(path: &str, with: &str) -> Result<(), InnerError> {
    // An entry may disappear with its kernel module.
    let Ok(target) = open_path(path) else { return Ok(()) };
    let what = || format!("covering `{path}`");
    let copy = open_clone(&CWD, with).during(what)?;
    attach(&copy, &target).during(what)?;
    read_only(path)
}
