//! The file systems of the sandbox: one in memory with all files, within the disk limit, `/proc` of its own processes, and
//! a `/dev` with a few harmless devices. No file system of the host stays visible.
//!
//! `mount_namespaces(7)`, `pivot_root(2)`, `fsmount(2)`, `tmpfs(5)`.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};

use super::super::{SandboxJob, SandboxLimits, Seed};
#[cfg(target_arch = "x86_64")]
use super::attributes::FsOrigin;
use super::error::{During, InnerError};
use super::fs::{attach, create, inode_limit, mount, node_read_only, open_clone, read_only, write};
use super::proc;

/// Folders of the host over which the new root is mounted at first, in this mount namespace only.
const TEMPORARY_MOUNTS: &[&str] = &["/tmp", "/mnt", "/run", "/var"];

/// Devices of the host that the sandbox sees.
const DEVICES: &[&str] = &["null", "zero", "full", "tty"];

/// Length of `/dev/urandom` in bytes. Each reader starts at the first byte and gets an end of file after the last, so that
/// a larger key file is visibly too short, or its program fails, rather than being partly without random numbers.
const RANDOM: usize = 1 << 20;

/// Folders of the tree that are mounted over while commands run.
pub(super) const MOUNT_POINTS: &[&str] = &["dev", "proc", "run", "sys", "tmp"];

/// The file systems of the sandbox, after it entered them.
pub(super) struct Mounts {
    /// The root of the tree, without the mounts over it.
    pub(super) root: OwnedFd,
    /// The same tree with all mounts over it, which is the root of commands.
    pub(super) command_root: Option<OwnedFd>,
    /// `/dev/null`.
    pub(super) null: OwnedFd,
    /// Mounts over folders of the tree, by name of the folder.
    folders: Vec<(&'static str, OwnedFd)>,
    /// Mounts over files and folders of `/dev`, by name.
    devices: Vec<(&'static str, OwnedFd)>,
    /// Fixed files for `/proc`.
    fixed: OwnedFd,
    /// Distinguishes files that commands wrote from those of the tree.
    #[cfg(target_arch = "x86_64")]
    pub(super) origin: FsOrigin,
    /// The kernel's list of segments of shared memory, which commands do not see (`sysvipc(7)`).
    pub(super) segments: Option<File>,
}

/// Mounts the file systems and detaches the host's.
pub(super) fn enter(job: &SandboxJob) -> Result<Mounts, InnerError> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).entering("making mounts private")?;
    #[cfg(target_arch = "x86_64")]
    let begun = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    let memory = mount_memory(job)?;
    let open = |path: &str| open_clone(&CWD, path);
    let devices: Vec<_> = DEVICES
        .iter()
        .map(|&name| Ok((name, open(&format!("/dev/{name}")).entering("cloning devices")?)))
        .collect::<Result<_, InnerError>>()?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let null = null.entering("opening `/dev/null`")?;
    let inert = MountAttrFlags::MOUNT_ATTR_NOEXEC | MountAttrFlags::MOUNT_ATTR_NODEV;
    let proc = mount("proc", &[], inert).entering("mounting `/proc`")?;
    let pts = mount(
        "devpts",
        &[("ptmxmode", "0666"), ("mode", "620"), ("gid", "5"), ("newinstance", "")],
        MountAttrFlags::MOUNT_ATTR_NOEXEC,
    )
    .entering("mounting `/dev/pts`")?;
    let temporary = mount_temporarily(&memory)?;
    create_files(&memory, job).entering("filling `/dev`")?;
    let part = |name: &str| open_clone(&memory, name).entering("cloning parts of the file system in memory");
    let (root, dev) = (part("root")?, part("dev")?);
    let folders = vec![
        ("dev", dev),
        ("proc", proc),
        ("run", part("run")?),
        ("sys", part("sys")?),
        ("tmp", part("tmp")?),
    ];
    let mut devices = devices;
    devices.extend([
        ("random", part("random")?),
        ("urandom", part("random")?),
        ("pts", pts),
        ("shm", part("shm")?),
    ]);
    let fixed = part("fixed")?;
    change_root(&root, temporary)?;
    let root = rustix::fs::open("/", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .entering("opening the new root")?;
    #[cfg(target_arch = "x86_64")]
    let origin = FsOrigin::of(&memory, begun).entering("reading the file system in memory")?;
    Ok(Mounts {
        root,
        command_root: None,
        null,
        folders,
        devices,
        fixed,
        #[cfg(target_arch = "x86_64")]
        origin,
        segments: None,
    })
}

/// Mounts the file system in memory for all files.
fn mount_memory(job: &SandboxJob) -> Result<OwnedFd, InnerError> {
    let inodes = inode_limit(job.limits.disk).to_string();
    let size = job.limits.disk.to_string();
    // Otherwise `st_blocks` would depend on the host's setting for huge pages; a kernel without them lacks the option.
    let options = [
        ("size", size.as_str()),
        ("nr_inodes", &inodes),
        ("mode", "0700"),
        ("huge", "never"),
        ("inode64", ""),
    ];
    // By the time of access a step shows which files it may have written through a mapping.
    let access =
        if job.records_steps() { MountAttrFlags::MOUNT_ATTR_STRICTATIME } else { MountAttrFlags::empty() };
    let made = mount("tmpfs", &options, MountAttrFlags::MOUNT_ATTR_NODEV | access);
    made.entering("mounting a file system in memory")
}

/// Mounts the file system over a folder of the host, because only parts of mounted file systems can be cloned.
fn mount_temporarily(memory: &OwnedFd) -> Result<&'static str, InnerError> {
    let mut last = rustix::io::Errno::NOENT;
    for folder in TEMPORARY_MOUNTS {
        match rustix::mount::move_mount(memory, "", CWD, *folder, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH) {
            Ok(()) => return Ok(folder),
            Err(error) => last = error,
        }
    }
    Err(last).entering("mounting a file system in memory")
}

/// Creates the files and folders beside the tree.
fn create_files(memory: &OwnedFd, job: &SandboxJob) -> rustix::io::Result<()> {
    let _ = rustix::process::umask(Mode::empty());
    let folders = [
        ("root", 0o755),
        ("dev", 0o755),
        ("run", 0o755),
        ("sys", 0o555),
        ("tmp", 0o1777),
        ("shm", 0o1777),
        ("fixed", 0o555),
    ];
    for (name, mode) in folders {
        rustix::fs::mkdirat(memory, name, Mode::from_raw_mode(mode))?;
    }
    let dev = rustix::fs::openat(memory, "dev", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for name in ["pts", "shm"] {
        rustix::fs::mkdirat(&dev, name, Mode::from_raw_mode(0o755))?;
    }
    for name in DEVICES.iter().chain(&["random", "urandom"]) {
        drop(create(&dev, name, 0o666)?);
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        rustix::fs::symlinkat(target, &dev, name)?;
    }
    let fixed = rustix::fs::openat(memory, "fixed", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    proc::create_files(&fixed, job)?;
    let random = create(memory, "random", 0o666)?;
    write(random, &random_bytes(job.seed))
}

/// Content of `/dev/urandom`: [`RANDOM`] bytes derived from the seed. Every reader gets them from the first on.
fn random_bytes(seed: Seed) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RANDOM);
    for count in 0u64.. {
        if bytes.len() >= RANDOM {
            break;
        }
        bytes.extend_from_slice(&seed.derive("urandom", count).0);
    }
    bytes
}

/// Makes the tree's folder the root and detaches the host's.
fn change_root(root: &OwnedFd, temporary: &str) -> Result<(), InnerError> {
    let what = "changing the root";
    rustix::mount::move_mount(root, "", CWD, temporary, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .entering(what)?;
    rustix::process::fchdir(root).entering(what)?;
    rustix::process::pivot_root(".", ".").entering(what)?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).entering(what)?;
    rustix::process::chdir("/").entering(what)
}

impl Mounts {
    /// Mounts everything that commands need over the tree.
    pub(super) fn mount_over(&mut self, mapped: bool, limits: &SandboxLimits) -> Result<(), InnerError> {
        for (name, mount) in &self.folders {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let target = rustix::fs::openat(&self.root, *name, flags, Mode::empty());
            let target = target.during(|| format!("opening `/{name}`"))?;
            attach(mount, &target).during(|| format!("mounting `/{name}`"))?;
        }
        for (name, mount) in &self.devices {
            let target =
                rustix::fs::open(format!("/dev/{name}"), OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
            let target = target.during(|| format!("opening `/dev/{name}`"))?;
            attach(mount, &target).during(|| format!("mounting `/dev/{name}`"))?;
        }
        for name in ["random", "urandom"] {
            read_only(&format!("/dev/{name}"))?;
        }
        for name in DEVICES {
            node_read_only(&format!("/dev/{name}"))?;
        }
        if mapped {
            // Both are settings of the sandbox's own namespaces; a kernel without such a setting gives an error.
            let pid_max = (u64::from(limits.processes) + 400).to_string();
            let _ = std::fs::write("/proc/sys/kernel/pid_max", pid_max);
            let _ = std::fs::write("/proc/sys/user/max_user_namespaces", "0");
        }
        self.segments = File::open("/proc/sysvipc/shm").ok();
        proc::cover(&self.fixed)?;
        read_only("/sys")?;
        self.command_root = Some(clone_root()?);
        Ok(())
    }

    /// Unmounts everything over the tree.
    #[expect(clippy::unused_self, reason = "the paths exist only after the file systems were entered")]
    pub(super) fn unmount_all(&self) -> Result<(), InnerError> {
        for name in MOUNT_POINTS {
            let gone =
                rustix::mount::unmount(format!("/{name}"), UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
            gone.during(|| format!("unmounting `/{name}`"))?;
        }
        Ok(())
    }

    /// Whether no byte or no inode is left.
    pub(super) fn is_full(&self) -> bool {
        rustix::fs::fstatvfs(&self.root).is_ok_and(|space| space.f_bavail == 0 || space.f_favail == 0)
    }
}

/// Clones all mounts and mounts the clone over the root, where only a process that changes to it sees it. It is the root
/// of commands, which differs from that of the first process: so programs detect a chroot, and that there is no running
/// system to notify (`ischroot(1)`).
fn clone_root() -> Result<OwnedFd, InnerError> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let all = rustix::mount::open_tree(CWD, "/", flags | OpenTreeFlags::AT_RECURSIVE);
    let all = all.during(|| "cloning all mounts".to_owned())?;
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let root = root.during(|| "opening the root".to_owned())?;
    attach(&all, &root).during(|| "mounting the root of commands".to_owned())?;
    Ok(all)
}
