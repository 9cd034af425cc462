//! Confines a command before it starts: capabilities, resource limits, no new privileges, and the filter of system calls.
//! Runs in the child between `fork` and `exec`.

use std::io;

use libc::sock_filter;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::super::SandboxLimits;
use super::super::sys;

/// Capabilities of root in the sandbox: to own, read and change any file of the tree and to become its users. None
/// reaches beyond the sandbox's user namespace. The first process of the sandbox has more, so that commands can neither
/// trace it nor read its memory.
const CAPABILITIES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::AUDIT_WRITE)
    .union(CapabilitySet::NET_BIND_SERVICE);

/// Open files of a process: the soft limit.
const OPEN_FILES: u64 = 1024;

/// Open files of a process: the hard limit.
const OPEN_FILES_MAX: u64 = 524_288;

/// Bytes of memory that a process may lock, pending signals of a user, and bytes of a user's message queues.
const LOCKED: u64 = 64 << 10;
const SIGNALS: u64 = 1024;
const QUEUES: u64 = 819_200;

/// Confines the calling process irrevocably.
pub(super) fn confine(limits: &SandboxLimits, filter: &[sock_filter]) -> io::Result<()> {
    // Until `exec` this is a copy of the first process with fewer capabilities: no process may read its memory.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::process::setsid()?;
    sys::reset_signals();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    set_limits(limits);
    sys::fix_addresses()?;
    for index in 0..64 {
        let one = CapabilitySet::from_bits_retain(1 << index);
        if !CAPABILITIES.contains(one) && rustix::thread::capability_is_in_bounding_set(one).unwrap_or(false)
        {
            rustix::thread::remove_capability_from_bounding_set(one)?;
        }
    }
    rustix::thread::clear_ambient_capability_set()?;
    let held = CapabilitySets {
        effective: CAPABILITIES,
        permitted: CAPABILITIES,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, held)?;
    rustix::thread::set_no_new_privs(true)?;
    sys::install_filter(filter)
}

/// Sets the resource limits of the process; a lower limit of the host stays.
fn set_limits(limits: &SandboxLimits) {
    let set = |resource, current: Option<u64>, most: Option<u64>| {
        let hard = rustix::process::getrlimit(resource).maximum;
        let below = |limit: Option<u64>| match (limit, hard) {
            (Some(limit), Some(hard)) => Some(limit.min(hard)),
            (limit, hard) => limit.or(hard),
        };
        let new = Rlimit { current: below(current), maximum: below(most) };
        // A limit that cannot be set is enforced by the supervisor, or is harmless.
        let _ = rustix::process::setrlimit(resource, new);
    };
    // Above the supervised limit, so that reaching that is reported and not hidden by a failing fork.
    let processes = Some(u64::from(limits.processes) + 64);
    set(Resource::Nproc, processes, processes);
    set(Resource::Fsize, Some(limits.disk), Some(limits.disk));
    set(Resource::Nofile, Some(OPEN_FILES), Some(OPEN_FILES_MAX));
    set(Resource::Core, Some(0), Some(0));
    set(Resource::Stack, Some(8 << 20), None);
    // Their defaults depend on the memory of the host or on the user: low enough to be the same everywhere.
    set(Resource::Memlock, Some(LOCKED), Some(LOCKED));
    set(Resource::Sigpending, Some(SIGNALS), Some(SIGNALS));
    set(Resource::Msgqueue, Some(QUEUES), Some(QUEUES));
    for resource in [Resource::Nice, Resource::Rtprio] {
        set(resource, Some(0), Some(0));
    }
}
