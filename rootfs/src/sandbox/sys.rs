//! The system calls of the sandbox that have no safe wrapper: all `unsafe` of this crate. Each function says why it
//! is sound; that the right things are done with them is for the rest of [`crate::sandbox`] to see to.
#![expect(unsafe_code, reason = "fork, unshare, seccomp and the like have no safe form")]

use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Puts the calling thread, the only one, into new namespaces.
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: only namespaces are asked for; what makes this call unsafe is a file table of one's own.
    let flags = flags & !UnshareFlags::FILES;
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// What [`fork`] gives.
#[derive(Debug)]
pub(super) enum Side {
    /// In the parent, with the child's number.
    Parent(Pid),
    /// In the child.
    Child,
}

/// Splits a program that has one thread.
pub(super) fn fork() -> io::Result<Side> {
    // SAFETY: the inner half of the sandbox never starts a thread, so no lock can be held by a thread that the
    // child does not have.
    match unsafe { libc::fork() } {
        0 => Ok(Side::Child),
        pid => Pid::from_raw(pid).filter(|_| pid > 0).map(Side::Parent).ok_or_else(io::Error::last_os_error),
    }
}

/// Kills every program of the PID namespace but the caller, which must be its first: anywhere else it would kill
/// what is not ours, so it does nothing there.
pub(super) fn kill_all() {
    if rustix::process::getpid().as_raw_nonzero().get() == 1 {
        // SAFETY: no memory is involved.
        unsafe { libc::kill(-1, libc::SIGKILL) };
    }
}

/// Turns off the random placement of programs in memory, which some let reach their output.
pub(super) fn fix_addresses() -> io::Result<()> {
    // SAFETY: no memory is involved.
    let done = unsafe { libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Has the kernel check every system call of the calling thread from now on by a program of classic BPF.
pub(super) fn filter_calls(program: &[libc::sock_filter]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel copies `len` instructions from `filter`, which live for the whole call, and writes nothing.
    let done = unsafe {
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, std::ptr::from_ref(&program), 0, 0)
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Turns the loopback device on.
pub(super) fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    // SAFETY: zero is a value of every field of `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an `ifreq`, which lives for the whole call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw mut request) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes the segment of shared memory by which OpenSSL knows that `/dev/urandom` may be used. (Where `getrandom` is
/// missing and the kernel new, it takes no other random numbers: `OPENSSL_RAND_SEED_DEVRANDOM_SHM_ID`.)
pub(super) fn vouch_for_urandom() -> io::Result<()> {
    // SAFETY: no memory of this process is involved: the segment is not mapped.
    let made = unsafe { libc::shmget(114, 1, libc::IPC_CREAT | 0o444) };
    if made < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Has a command do something between `fork` and `exec`.
pub(super) fn before_exec(
    command: &mut Command,
    act: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: the caller has one thread, so the child may allocate and lock as the caller may.
    unsafe { command.pre_exec(act) };
}
