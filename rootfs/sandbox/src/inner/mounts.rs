//! The file systems of the sandbox: one in memory that holds all its files within the disk limit, `/proc` of its own
//! processes, and a `/dev` with the few devices that do no harm. Nothing of the host stays visible.
//!
//! `mount_namespaces(7)`, `pivot_root(2)`, `fsmount(2)`, `tmpfs(5)`.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags,
};

use super::super::{SandboxJob, SandboxLimits, Seed};
#[cfg(target_arch = "x86_64")]
use super::attributes::FsOrigin;
use super::{During, InnerError, proc};

/// Folders of the host that the new root may be mounted over, in this mount namespace only.
const TEMPORARY_MOUNTS: &[&str] = &["/tmp", "/mnt", "/run", "/var"];

/// Devices of the host that the sandbox sees.
const DEVICES: &[&str] = &["null", "zero", "full", "tty"];

/// Length of `/dev/urandom` in bytes. Each reader starts at the first; after the last it meets the end of a file, so that
/// a larger key file is visibly too short, or its maker fails, rather than partly without random numbers.
const RANDOM: usize = 1 << 20;

/// Where something is mounted over the tree while commands run.
pub(super) const MOUNT_POINTS: &[&str] = &["dev", "proc", "run", "sys", "tmp"];

/// The file systems, entered.
pub(super) struct Mounts {
    /// The root of the tree, without what is mounted over it.
    pub(super) root: OwnedFd,
    /// The same tree with all that is mounted over it, as commands have it for their root.
    pub(super) cell: Option<OwnedFd>,
    /// `/dev/null`.
    pub(super) nothing: OwnedFd,
    /// Folders that are mounted over the tree's, by name.
    over: Vec<(&'static str, OwnedFd)>,
    /// Devices for `/dev`.
    devices: Vec<(&'static str, OwnedFd)>,
    /// Fixed files for `/proc`.
    fixed: OwnedFd,
    /// How what commands wrote is told from the rest.
    #[cfg(target_arch = "x86_64")]
    pub(super) origin: FsOrigin,
    /// The kernel's list of segments of shared memory, which commands do not see (`sysvipc(7)`).
    pub(super) segments: Option<File>,
}

/// Makes the file systems and leaves the host's.
pub(super) fn enter(job: &SandboxJob) -> Result<Mounts, InnerError> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).entering("making mounts private")?;
    #[cfg(target_arch = "x86_64")]
    let begun = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    let memory = memory(&job.limits)?;
    let open = |path: &str| open_clone(&CWD, path);
    let devices: Vec<_> = DEVICES
        .iter()
        .map(|&name| Ok((name, open(&format!("/dev/{name}")).entering("taking over devices")?)))
        .collect::<Result<_, InnerError>>()?;
    let nothing = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let nothing = nothing.entering("opening `/dev/null`")?;
    let inert = MountAttrFlags::MOUNT_ATTR_NOEXEC | MountAttrFlags::MOUNT_ATTR_NODEV;
    let proc = mount("proc", &[], inert).entering("mounting `/proc`")?;
    let pts = mount(
        "devpts",
        &[("ptmxmode", "0666"), ("mode", "620"), ("gid", "5"), ("newinstance", "")],
        MountAttrFlags::MOUNT_ATTR_NOEXEC,
    )
    .entering("mounting `/dev/pts`")?;
    let foothold = foothold(&memory)?;
    furnish(&memory, job).entering("filling `/dev`")?;
    let part = |name: &str| open_clone(&memory, name).entering("taking apart the file system in memory");
    let (root, dev) = (part("root")?, part("dev")?);
    let over = vec![
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
    change_root(&root, foothold)?;
    let root = rustix::fs::open("/", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .entering("opening the new root")?;
    #[cfg(target_arch = "x86_64")]
    let origin = FsOrigin::of(&memory, begun).entering("looking at the file system in memory")?;
    Ok(Mounts {
        root,
        cell: None,
        nothing,
        over,
        devices,
        fixed,
        #[cfg(target_arch = "x86_64")]
        origin,
        segments: None,
    })
}

/// The file system that holds all files.
fn memory(limits: &SandboxLimits) -> Result<OwnedFd, InnerError> {
    let inodes = inodes(limits.disk).to_string();
    let size = limits.disk.to_string();
    // Sizes in blocks would follow a setting of the host for huge pages; a kernel without them does not know the option.
    let options = [
        ("size", size.as_str()),
        ("nr_inodes", &inodes),
        ("mode", "0700"),
        ("huge", "never"),
        ("inode64", ""),
    ];
    let made = mount("tmpfs", &options, MountAttrFlags::MOUNT_ATTR_NODEV);
    made.entering("mounting a file system in memory")
}

/// Files that may be there at a time: each takes about a kilobyte of the kernel's memory that its size does not show.
pub(super) fn inodes(disk: u64) -> u64 {
    (disk / 4096).clamp(65_536, 8_388_608)
}

fn mount(kind: &str, options: &[(&str, &str)], more: MountAttrFlags) -> rustix::io::Result<OwnedFd> {
    let asked = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        if value.is_empty() {
            // An option that newer kernels take for granted and may no longer know.
            let _ = rustix::mount::fsconfig_set_flag(asked.as_fd(), *key);
        } else if *key == "huge" {
            let _ = rustix::mount::fsconfig_set_string(asked.as_fd(), *key, *value);
        } else {
            rustix::mount::fsconfig_set_string(asked.as_fd(), *key, *value)?;
        }
    }
    rustix::mount::fsconfig_create(asked.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | more;
    rustix::mount::fsmount(asked.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// A mount of its own of what lies at a path.
pub(super) fn open_clone(dir: &impl AsFd, path: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    rustix::mount::open_tree(dir, path, flags | OpenTreeFlags::AT_SYMLINK_NOFOLLOW)
}

/// Puts a mount in its place, which is open.
pub(super) fn attach(mount: &OwnedFd, place: &impl AsFd) -> rustix::io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, "", place, "", flags)
}

/// Mounts the file system somewhere: parts of it can be cloned only then.
fn foothold(memory: &OwnedFd) -> Result<&'static str, InnerError> {
    let mut last = rustix::io::Errno::NOENT;
    for place in TEMPORARY_MOUNTS {
        match rustix::mount::move_mount(memory, "", CWD, *place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH) {
            Ok(()) => return Ok(place),
            Err(error) => last = error,
        }
    }
    Err(last).entering("mounting a file system in memory")
}

/// Makes what lies in the file system beside the tree.
fn furnish(memory: &OwnedFd, job: &SandboxJob) -> rustix::io::Result<()> {
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
    proc::furnish(&fixed, job)?;
    let random = create(memory, "random", 0o666)?;
    write(random, &noise(job.seed))
}

/// Makes an empty file.
pub(super) fn create(dir: &OwnedFd, name: &str, mode: u32) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(mode))
}

/// Writes all of a file.
pub(super) fn write(file: OwnedFd, bytes: &[u8]) -> rustix::io::Result<()> {
    let written = File::from(file).write_all(bytes);
    written.map_err(|error| rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO))
}

/// The same bytes everywhere for one seed, with nothing to see in them: every reader gets them from the first on.
fn noise(seed: Seed) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RANDOM);
    for count in 0u64.. {
        if bytes.len() >= RANDOM {
            break;
        }
        bytes.extend_from_slice(&seed.derive("urandom", count).0);
    }
    bytes
}

/// Makes the tree's folder the root and lets go of the host's.
fn change_root(root: &OwnedFd, foothold: &str) -> Result<(), InnerError> {
    let what = "changing the root";
    rustix::mount::move_mount(root, "", CWD, foothold, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .entering(what)?;
    rustix::process::fchdir(root).entering(what)?;
    rustix::process::pivot_root(".", ".").entering(what)?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).entering(what)?;
    rustix::process::chdir("/").entering(what)
}

impl Mounts {
    /// Mounts over the tree what commands need.
    pub(super) fn cover(&mut self, mapped: bool, limits: &SandboxLimits) -> Result<(), InnerError> {
        for (name, mount) in &self.over {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let place = rustix::fs::openat(&self.root, *name, flags, Mode::empty());
            let place = place.during(|| format!("opening `/{name}`"))?;
            attach(mount, &place).during(|| format!("mounting `/{name}`"))?;
        }
        for (name, mount) in &self.devices {
            let place =
                rustix::fs::open(format!("/dev/{name}"), OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
            let place = place.during(|| format!("opening `/dev/{name}`"))?;
            attach(mount, &place).during(|| format!("mounting `/dev/{name}`"))?;
        }
        for name in ["random", "urandom"] {
            read_only(&format!("/dev/{name}"))?;
        }
        for name in DEVICES {
            node_read_only(&format!("/dev/{name}"))?;
        }
        if mapped {
            // Both are settings of the sandbox's own namespaces; a kernel that has no such setting says no.
            let most = (u64::from(limits.processes) + 400).to_string();
            let _ = std::fs::write("/proc/sys/kernel/pid_max", most);
            let _ = std::fs::write("/proc/sys/user/max_user_namespaces", "0");
        }
        self.segments = File::open("/proc/sysvipc/shm").ok();
        proc::cover(&self.fixed)?;
        read_only("/sys")?;
        self.cell = Some(cell()?);
        Ok(())
    }

    /// Takes away what was mounted over the tree.
    #[expect(clippy::unused_self, reason = "only places that were entered may be left: it unmounts by path")]
    pub(super) fn uncover(&self) -> Result<(), InnerError> {
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

/// Mounts all that is mounted once more, over the root, where only what is told to go there sees it. Commands have it
/// for their root, which is then not that of the first process: so programs know that they are in a chroot, and that
/// there is no running system to be told of anything (`ischroot(1)`).
fn cell() -> Result<OwnedFd, InnerError> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let all = rustix::mount::open_tree(CWD, "/", flags | OpenTreeFlags::AT_RECURSIVE);
    let all = all.during(|| "cloning all mounts".to_owned())?;
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let root = root.during(|| "opening the root".to_owned())?;
    attach(&all, &root).during(|| "mounting the root of commands".to_owned())?;
    Ok(all)
}

/// Lets nothing be written below a mount, and no program run or device be opened there.
pub(super) fn read_only(path: &str) -> Result<(), InnerError> {
    let flags =
        MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount_remount(path, flags, "").during(|| format!("making `{path}` read-only"))
}

/// Keeps the mode, owner, times and attributes of a device node, which is the host's own; reading from the device and
/// writing to it go on (a device is no file of the mount).
fn node_read_only(path: &str) -> Result<(), InnerError> {
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NOEXEC;
    rustix::mount::mount_remount(path, flags, "").during(|| format!("making `{path}` read-only"))
}

/// Attributes of a name of the tree, which is not followed.
pub(super) fn look(dir: &impl AsFd, name: &[u8]) -> rustix::io::Result<rustix::fs::Statx> {
    let mask = rustix::fs::StatxFlags::BASIC_STATS;
    let name = if name.is_empty() { b"." } else { name };
    rustix::fs::statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, mask)
}
