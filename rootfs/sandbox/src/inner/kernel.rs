//! Fixed facts about the kernel and the machine: the same release, processors, memory and settings on every host.
//! `/proc` shows these files instead of the host's ([`super::proc`]), and with the emulated clock the system calls that
//! report the same facts return these ([`super::clock_emulator`]).
//!
//! `proc(5)`, `uname(2)`, `sysinfo(2)`, `sched_getaffinity(2)`.

use std::fmt::Write as _;

use super::super::Seed;

/// Release of the kernel: a long-term one, with the features that programs expect by this number.
pub(super) const RELEASE: &str = "6.12.0";

/// Its build, as `uname -v` shows it.
const VERSION: &str = "#1 SMP";

#[cfg(target_arch = "x86_64")]
const MACHINE: &str = "x86_64";
#[cfg(not(target_arch = "x86_64"))]
const MACHINE: &str = "aarch64";

/// Processors that programs see. More than one, so that `make -j$(nproc)` uses an ordinary machine; not many, because
/// each running compiler takes memory.
pub(super) const PROCESSORS: usize = 4;

/// Seconds since boot when the commands start.
pub(super) const UPTIME: u64 = 1000;

/// Bytes of each string of a `utsname`.
#[cfg(target_arch = "x86_64")]
const NAME_LEN: usize = 65;

/// Settings below `/proc/sys`, each with its value: defaults of Linux 6.12. [`random_ids`] has the random ones.
pub(super) const SETTINGS: &[(&str, &str)] = &[
    ("crypto/fips_enabled", "0"),
    ("fs/aio-max-nr", "65536"),
    ("fs/aio-nr", "0"),
    ("fs/file-max", "9223372036854775807"),
    ("fs/file-nr", "0\t0\t9223372036854775807"),
    ("fs/inotify/max_queued_events", "16384"),
    ("fs/inotify/max_user_instances", "128"),
    ("fs/inotify/max_user_watches", "65536"),
    ("fs/mqueue/msg_max", "10"),
    ("fs/mqueue/msgsize_max", "8192"),
    ("fs/mqueue/queues_max", "256"),
    ("fs/nr_open", "1048576"),
    ("fs/overflowgid", "65534"),
    ("fs/overflowuid", "65534"),
    ("fs/pipe-max-size", "1048576"),
    ("kernel/arch", MACHINE),
    ("kernel/cap_last_cap", "40"),
    ("kernel/core_pattern", "core"),
    ("kernel/core_uses_pid", "0"),
    ("kernel/domainname", "(none)"),
    ("kernel/hostname", "localhost"),
    ("kernel/msgmax", "8192"),
    ("kernel/msgmnb", "16384"),
    ("kernel/msgmni", "32000"),
    ("kernel/ngroups_max", "65536"),
    ("kernel/osrelease", RELEASE),
    ("kernel/ostype", "Linux"),
    ("kernel/overflowgid", "65534"),
    ("kernel/overflowuid", "65534"),
    ("kernel/panic", "0"),
    ("kernel/pid_max", "32768"),
    ("kernel/printk", "4\t4\t1\t7"),
    ("kernel/random/entropy_avail", "256"),
    ("kernel/random/poolsize", "256"),
    ("kernel/randomize_va_space", "0"),
    ("kernel/sem", "32000\t1024000000\t500\t32000"),
    ("kernel/shmall", "18446744073692774399"),
    ("kernel/shmmax", "18446744073692774399"),
    ("kernel/shmmni", "4096"),
    ("kernel/tainted", "0"),
    ("kernel/threads-max", "65536"),
    ("kernel/version", VERSION),
    ("net/core/rmem_default", "212992"),
    ("net/core/rmem_max", "212992"),
    ("net/core/somaxconn", "4096"),
    ("net/core/wmem_default", "212992"),
    ("net/core/wmem_max", "212992"),
    ("net/ipv4/ip_forward", "0"),
    ("net/ipv4/ip_local_port_range", "32768\t60999"),
    ("net/ipv4/ip_unprivileged_port_start", "1024"),
    ("net/ipv4/tcp_fin_timeout", "60"),
    ("user/max_user_namespaces", "0"),
    ("vm/max_map_count", "65530"),
    ("vm/mmap_min_addr", "65536"),
    ("vm/nr_hugepages", "0"),
    ("vm/overcommit_memory", "0"),
    ("vm/overcommit_ratio", "50"),
    ("vm/swappiness", "60"),
];

/// Settings that are random on a machine, here from the seed of the job: UUIDs of the fourth version (RFC 9562, 5.4).
pub(super) fn random_ids(seed: Seed) -> [(&'static str, String); 2] {
    ["kernel/random/boot_id", "kernel/random/uuid"].map(|path| {
        let hex = seed.derive("uuid", 0).to_string();
        let part = |from, to| hex.get(from..to).unwrap_or_default();
        let (low, middle, high) = (part(0, 8), part(8, 12), part(13, 16));
        (path, format!("{low}-{middle}-4{high}-8{}-{}", part(17, 20), part(20, 32)))
    })
}

/// Files of `/proc` about the machine, each with its content. `memory` is in bytes, `now` in
/// seconds since 1970.
pub(super) fn files(memory: u64, now: i64) -> Vec<(&'static str, String)> {
    let kib = memory >> 10;
    let meminfo = [
        ("MemTotal:", kib),
        ("MemFree:", kib),
        ("MemAvailable:", kib),
        ("Buffers:", 0),
        ("Cached:", 0),
        ("SwapCached:", 0),
        ("SwapTotal:", 0),
        ("SwapFree:", 0),
        ("Shmem:", 0),
        ("HugePages_Total:", 0),
        ("Hugepagesize:", 2048),
    ];
    let meminfo = meminfo.iter().fold(String::new(), |mut text, (name, value)| {
        let unit = if name.starts_with("HugePages_") { "" } else { " kB" };
        let _ = writeln!(text, "{name:<16}{value:>8}{unit}");
        text
    });
    vec![
        ("cpuinfo", cpuinfo()),
        ("devices", DEVICES.to_owned()),
        ("execdomains", "0-0\tLinux           \t[kernel]\n".to_owned()),
        ("filesystems", FILE_SYSTEMS.to_owned()),
        ("loadavg", "0.00 0.00 0.00 1/1 1\n".to_owned()),
        ("meminfo", meminfo),
        ("partitions", "major minor  #blocks  name\n\n".to_owned()),
        ("stat", stat(now)),
        ("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n".to_owned()),
        ("uptime", format!("{UPTIME}.00 {}.00\n", UPTIME * PROCESSORS as u64)),
        ("version", format!("Linux version {RELEASE} (amiforge) {VERSION}\n")),
    ]
}

/// Content of `/proc/devices`: drivers that are part of every kernel.
const DEVICES: &str = "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\n\
    Block devices:\n  7 loop\n259 blkext\n";

/// Content of `/proc/filesystems`: file systems of the kernels of images.
const FILE_SYSTEMS: &str = "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tcgroup2\nnodev\tdevtmpfs\nnodev\tdevpts\n\
    nodev\toverlay\n\text4\n\tvfat\n\txfs\n";

#[cfg(target_arch = "x86_64")]
fn cpuinfo() -> String {
    // The second level of x86-64 (System V ABI, "Micro-Architecture Levels"), which every machine of EC2 has.
    let flags = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ht \
                 syscall nx lm rep_good nopl pni ssse3 cx16 sse4_1 sse4_2 popcnt hypervisor lahf_lm";
    (0..PROCESSORS).fold(String::new(), |mut text, number| {
        let _ = write!(
            text,
            "processor\t: {number}\nvendor_id\t: unknown\ncpu family\t: 6\nmodel\t\t: 0\nmodel name\t: x86-64\n\
             stepping\t: 0\ncpu MHz\t\t: 1000.000\ncache size\t: 1024 KB\nphysical id\t: 0\nsiblings\t: {PROCESSORS}\n\
             core id\t\t: {number}\ncpu cores\t: {PROCESSORS}\napicid\t\t: {number}\nfpu\t\t: yes\n\
             fpu_exception\t: yes\ncpuid level\t: 13\nwp\t\t: yes\nflags\t\t: {flags}\nbogomips\t: 2000.00\n\
             clflush size\t: 64\ncache_alignment\t: 64\naddress sizes\t: 48 bits physical, 48 bits virtual\n\
             power management:\n\n"
        );
        text
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn cpuinfo() -> String {
    (0..PROCESSORS).fold(String::new(), |mut text, number| {
        let _ = write!(
            text,
            "processor\t: {number}\nBogoMIPS\t: 200.00\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics\n\
             CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0x000\nCPU revision\t: 0\n\n"
        );
        text
    })
}

/// Content of `/proc/stat`: idle processors, booted [`UPTIME`] seconds before now.
fn stat(now: i64) -> String {
    let ticks = UPTIME * 100;
    let mut text = format!("cpu  0 0 0 {} 0 0 0 0 0 0\n", ticks * PROCESSORS as u64);
    for number in 0..PROCESSORS {
        let _ = writeln!(text, "cpu{number} 0 0 0 {ticks} 0 0 0 0 0 0");
    }
    let started = now.saturating_sub_unsigned(UPTIME).max(0);
    let _ = write!(
        text,
        "intr 0\nctxt 0\nbtime {started}\nprocesses 1\nprocs_running 1\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n"
    );
    text
}

/// A `utsname`.
#[cfg(target_arch = "x86_64")]
pub(super) fn utsname() -> Vec<u8> {
    let names = ["Linux", "localhost", RELEASE, VERSION, MACHINE, "(none)"];
    names.iter().flat_map(|name| name.bytes().chain(std::iter::repeat(0)).take(NAME_LEN)).collect()
}

/// A `struct sysinfo` of a machine with `memory` bytes.
#[cfg(target_arch = "x86_64")]
pub(super) fn sysinfo(memory: u64) -> Vec<u8> {
    // uptime, loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap, procs with padding,
    // totalhigh, freehigh, mem_unit with padding.
    let words = [UPTIME, 0, 0, 0, memory, memory, 0, 0, 0, 0, 1, 0, 0, 1];
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// The set of processors that a program may run on: the first word of the kernel's bit mask.
#[cfg(target_arch = "x86_64")]
pub(super) fn affinity() -> [u8; 8] {
    ((1_u64 << PROCESSORS) - 1).to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_ends_with_a_line_and_shows_the_same_number_of_processors() {
        let files = files(8 << 30, 1_600_000_000);
        assert!(files.iter().all(|(_, text)| text.ends_with('\n')));
        let text = |name: &str| &files.iter().find(|(path, _)| *path == name).unwrap().1;
        assert_eq!(text("cpuinfo").matches("processor\t:").count(), PROCESSORS);
        assert_eq!(text("stat").lines().filter(|line| line.starts_with("cpu")).count(), PROCESSORS + 1);
        assert!(text("meminfo").starts_with("MemTotal:        8388608 kB\n"), "{}", text("meminfo"));
        assert!(text("stat").contains("btime 1599999000\n"));
    }

    #[test]
    fn random_ids_are_uuids_that_follow_from_the_seed() {
        let seed = Seed::of_image("web", None);
        let [(_, boot), (path, uuid)] = random_ids(seed);
        assert_eq!((path, boot == uuid), ("kernel/random/uuid", true));
        let groups: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12]);
        assert_eq!((&uuid[14..15], &uuid[19..20]), ("4", "8"));
        assert_ne!(random_ids(seed.other())[1].1, uuid);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_structures_have_the_sizes_of_the_kernel() {
        assert_eq!(utsname().len(), size_of::<libc::utsname>());
        assert_eq!(sysinfo(1).len(), size_of::<libc::sysinfo>());
    }
}
