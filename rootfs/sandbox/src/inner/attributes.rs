//! Emulated attributes of files: device and inode numbers, and times, independent of the host.
//!
//! The kernel numbers file systems in memory in the order of their mounts, and the inodes of pipes, sockets and `/proc`
//! across all processes of the host. Programs store such numbers (Berkeley DB identifies a file by them) and compare
//! them. So the sandbox's own file system has a fixed number, in which inodes are numbered as they were created; all
//! others are numbered in the order in which programs see them.
//!
//! A file that commands wrote has the real time, which programs store too (gzip(1)). They see one second after the
//! job's time of day, so that it is younger than every file of the tree and not of the current second, whose end some programs wait
//! for; its nanoseconds keep the order in which files were written.
//!
//! `stat(2)`, `statx(2)`, `statfs(2)`; the layouts are those of x86-64.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::Stat;
use rustix::time::Timespec;

/// Emulated number of the file system of the tree, of the host's device nodes, and of the first other file system.
const MAIN: u64 = 40;
const NODES: u64 = 41;
const OTHERS: u64 = 42;

/// Device nodes of the host that the sandbox has, as `st_rdev`: null, zero, full and tty.
const HOST_NODES: &[u64] = &[0x103, 0x105, 0x107, 0x500];

/// Their type and permissions.
const NODE_MODE: u32 = 0o020_666;

/// Most inodes of other file systems whose numbers are kept.
const INODES_MAX: usize = 1 << 20;

/// The shortest difference of times, in nanoseconds, that is kept; the steps of the kernel's coarse clock are longer.
const RESOLUTION: u64 = 10_000;

/// Bytes of the structures.
pub(super) const STAT: usize = 144;
pub(super) const STATX: usize = 256;
pub(super) const STATFS: usize = 120;

/// Fields of `statx` that every kernel reports (`STATX_BASIC_STATS`).
const BASIC: u32 = 0x7ff;

/// `f_type` of a file system in memory.
const TMPFS: u64 = 0x0102_1994;

/// Replaces attributes that depend on the host, for all programs of one command.
pub(super) struct AttributeEmulator {
    /// The kernel's number of the file system of the tree.
    main: u64,
    /// Whether it numbers inodes by itself, as kernels since 5.9 do.
    own_inodes: bool,
    /// When the sandbox started; older times were set explicitly.
    begun: Timespec,
    now: i64,
    /// Real nanoseconds for each reported nanosecond.
    unit: u64,
    /// The limit of files in bytes.
    disk: u64,
    devices: BTreeMap<u64, u64>,
    inodes: BTreeMap<(u64, u64), u64>,
    seen: u64,
}

/// Facts about the file system of the tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct FsOrigin {
    main: u64,
    own_inodes: bool,
    begun: Timespec,
}

impl FsOrigin {
    /// Facts about the file system of an open root; files of commands are written from `begun` on.
    pub(super) fn of(root: &OwnedFd, begun: Timespec) -> rustix::io::Result<Self> {
        let root = rustix::fs::fstat(root)?;
        // With inode numbers of its own, the root has the first one; with shared ones it has a higher one.
        Ok(Self { main: root.st_dev, own_inodes: root.st_ino <= 2, begun })
    }
}

impl AttributeEmulator {
    /// `now` is the time of day in seconds, `time` the limit of time of the job, `disk` its limit of files in bytes.
    pub(super) fn new(origin: FsOrigin, now: i64, time: Duration, disk: u64) -> Self {
        let unit = (time.as_nanos() / 1_000_000_000).try_into().unwrap_or(u64::MAX).max(RESOLUTION);
        let FsOrigin { main, own_inodes, begun } = origin;
        let (devices, inodes) = (BTreeMap::new(), BTreeMap::new());
        Self { main, own_inodes, begun, now, unit, disk, devices, inodes, seen: 0 }
    }

    /// The emulated `struct stat` of a file.
    pub(super) fn of(&mut self, stat: &Stat) -> [u8; STAT] {
        let words = [stat.st_dev, stat.st_ino, stat.st_nlink];
        let mut bytes = [0; STAT];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        for (at, word) in words.iter().enumerate() {
            put(8 * at, &word.to_ne_bytes());
        }
        for (at, half) in [stat.st_mode, stat.st_uid, stat.st_gid].iter().enumerate() {
            put(24 + 4 * at, &half.to_ne_bytes());
        }
        put(40, &stat.st_rdev.to_ne_bytes());
        let numbers = [stat.st_size, stat.st_blksize, stat.st_blocks];
        for (at, word) in numbers.iter().enumerate() {
            put(48 + 8 * at, &word.to_ne_bytes());
        }
        let times = [
            (stat.st_atime, stat.st_atime_nsec),
            (stat.st_mtime, stat.st_mtime_nsec),
            (stat.st_ctime, stat.st_ctime_nsec),
        ];
        for (at, (seconds, nanos)) in times.iter().enumerate() {
            put(72 + 16 * at, &seconds.to_ne_bytes());
            put(80 + 16 * at, &nanos.to_ne_bytes());
        }
        self.stat(&mut bytes);
        bytes
    }

    /// Changes a `struct stat`.
    pub(super) fn stat(&mut self, bytes: &mut [u8; STAT]) {
        let (device, inode, rdev) = (word(bytes, 0), word(bytes, 8), word(bytes, 40));
        let main = device == self.main;
        if !main && HOST_NODES.contains(&rdev) && half(bytes, 24) & 0o170_000 == 0o020_000 {
            set_word(bytes, 0, NODES);
            set_word(bytes, 8, rdev);
            set_word(bytes, 16, 1);
            set_half(bytes, 24, NODE_MODE);
            set_word(bytes, 28, 0);
        } else {
            let (device, inode) = self.number(device, inode);
            set_word(bytes, 0, device);
            set_word(bytes, 8, inode);
        }
        for at in [72, 88, 104] {
            let (seconds, nanos) = self.time(main, word(bytes, at).cast_signed(), word(bytes, at + 8));
            set_word(bytes, at, seconds.cast_unsigned());
            set_word(bytes, at + 8, nanos);
        }
    }

    /// Changes a `struct statx`; fields that older kernels do not report are cleared.
    pub(super) fn statx(&mut self, bytes: &mut [u8; STATX]) {
        let given = half(bytes, 0) & BASIC;
        set_half(bytes, 0, given);
        set_word(bytes, 8, 0);
        set_word(bytes, 56, 0);
        let encode = |major: u32, minor: u32| {
            u64::from(minor & 0xff) | u64::from(major) << 8 | u64::from(minor & !0xff) << 12
        };
        let device = encode(half(bytes, 136), half(bytes, 140));
        let rdev = encode(half(bytes, 128), half(bytes, 132));
        let main = device == self.main;
        let (device, inode) = if !main && HOST_NODES.contains(&rdev) && half(bytes, 28) & 0xf000 == 0o020_000
        {
            set_half(bytes, 16, 1);
            set_word(bytes, 20, 0);
            let rest = half(bytes, 28) & 0xffff_0000;
            set_half(bytes, 28, rest | NODE_MODE);
            (NODES, rdev)
        } else {
            self.number(device, word(bytes, 32))
        };
        set_word(bytes, 32, inode);
        set_half(bytes, 136, 0);
        set_half(bytes, 140, device as u32);
        // The birth time is not a basic field.
        set_word(bytes, 80, 0);
        set_word(bytes, 88, 0);
        for at in [64, 96, 112] {
            let nanos = half(bytes, at + 8).into();
            let (seconds, nanos) = self.time(main, word(bytes, at).cast_signed(), nanos);
            set_word(bytes, at, seconds.cast_unsigned());
            set_half(bytes, at + 8, nanos as u32);
        }
        bytes[144..].fill(0);
    }

    /// Changes a `struct statfs`: no id, which is random for each mount, and all space free, because the space that a file
    /// takes depends on the version of the kernel.
    pub(super) fn statfs(&self, bytes: &mut [u8; STATFS]) {
        if word(bytes, 0) == TMPFS {
            let blocks = self.disk / 4096;
            for at in [16, 24, 32] {
                set_word(bytes, at, blocks);
            }
            for at in [40, 48] {
                set_word(bytes, at, super::fs::inode_limit(self.disk));
            }
        }
        set_word(bytes, 56, 0);
    }

    /// The emulated device and inode numbers.
    fn number(&mut self, device: u64, inode: u64) -> (u64, u64) {
        let shown = if device == self.main {
            MAIN
        } else {
            let next = OTHERS + self.devices.len() as u64;
            *self.devices.entry(device).or_insert(next)
        };
        if device == self.main && self.own_inodes {
            return (shown, inode);
        }
        if self.inodes.len() >= INODES_MAX {
            self.inodes.clear();
        }
        let number = *self.inodes.entry((device, inode)).or_insert_with(|| {
            self.seen += 1;
            self.seen
        });
        (shown, number)
    }

    /// The emulated time.
    fn time(&self, main: bool, seconds: i64, nanos: u64) -> (i64, u64) {
        if !main {
            return (self.now, 0);
        }
        if (seconds, nanos.cast_signed()) < (self.begun.tv_sec, self.begun.tv_nsec) {
            return (seconds, nanos);
        }
        let since = seconds.saturating_sub(self.begun.tv_sec).saturating_mul(1_000_000_000);
        let since = since.saturating_add(nanos.cast_signed() - self.begun.tv_nsec).max(0).cast_unsigned();
        (self.now.saturating_add(1), (since / self.unit).min(999_999_999))
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |word| u64::from_ne_bytes(*word))
}

fn half(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |half| u32::from_ne_bytes(*half))
}

fn set_word(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes());
}

fn set_half(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGUN: Timespec = Timespec { tv_sec: 2_000_000_000, tv_nsec: 500_000_000 };

    fn of_device(main: u64) -> AttributeEmulator {
        let origin = FsOrigin { main, own_inodes: true, begun: BEGUN };
        AttributeEmulator::new(origin, 1_600_000_000, Duration::from_hours(1), 1 << 30)
    }

    fn stat(device: u64, inode: u64, modified: (i64, u64)) -> [u8; STAT] {
        let mut bytes = [0; STAT];
        set_word(&mut bytes, 0, device);
        set_word(&mut bytes, 8, inode);
        set_half(&mut bytes, 24, 0o100_644);
        set_word(&mut bytes, 88, modified.0.cast_unsigned());
        set_word(&mut bytes, 96, modified.1);
        bytes
    }

    #[test]
    fn numbers_of_devices_and_inodes_do_not_follow_from_those_of_the_host() {
        let all = |main: u64, pipes: u64, first: u64| {
            let mut attributes = of_device(main);
            let files = [(main, 7), (pipes, first), (pipes, first + 9), (pipes, first), (main, 8)];
            files.map(|(device, inode)| {
                let mut bytes = stat(device, inode, (0, 0));
                attributes.stat(&mut bytes);
                bytes
            })
        };
        assert_eq!(all(44, 14, 90_000), all(51, 12, 5));
        let [_, one, other, again, _] = all(44, 14, 90_000);
        assert!(one != other && one == again);
    }

    #[test]
    fn both_structures_name_a_file_alike() {
        let mut attributes = of_device(0x0040_012c);
        let mut old = stat(0x0040_012c, 9, (2_000_000_100, 0));
        attributes.stat(&mut old);
        let mut new = [0xff; STATX];
        set_half(&mut new, 136, 1);
        set_half(&mut new, 140, 0x42c);
        set_half(&mut new, 28, 0o100_644);
        set_word(&mut new, 32, 9);
        set_word(&mut new, 112, 2_000_000_100);
        set_half(&mut new, 120, 0);
        let mut main = of_device(0x0040_012c);
        main.statx(&mut new);
        assert_eq!((u64::from(half(&new, 140)), word(&new, 32)), (word(&old, 0), word(&old, 8)));
        assert_eq!((word(&new, 112), u64::from(half(&new, 120))), (word(&old, 88), word(&old, 96)));
        assert!(half(&new, 0) & !BASIC == 0 && new[144..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn times_of_what_was_written_keep_their_order_and_not_their_value() {
        let mut attributes = of_device(1);
        let mut seen = |time: (i64, u64)| {
            let mut bytes = stat(1, 1, time);
            attributes.stat(&mut bytes);
            (word(&bytes, 88), word(&bytes, 96))
        };
        assert_eq!(seen((1_500_000_000, 5)), (1_500_000_000, 5));
        let times =
            [(2_000_000_000, 500_000_000), (2_000_000_000, 504_000_000), (2_000_003_600, 0)].map(&mut seen);
        assert!(times.iter().all(|(seconds, nanos)| *seconds == 1_600_000_001 && *nanos < 1_000_000_000));
        assert!(times[0] < times[1] && times[1] < times[2]);
        assert_eq!(seen((2_100_000_000, 0)), (1_600_000_001, 999_999_999));
    }
}
