//! The system calls of the sandbox that have no safe wrapper: all `unsafe` of this crate, each with the reason why it is
//! sound. Knows nothing of jobs; the rest of the crate decides what is called when.
#![expect(unsafe_code, reason = "fork, unshare, seccomp and the like have no safe form")]

use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Puts the calling thread, the only one, into new namespaces.
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: only namespaces are unshared; unsafe about this call is only unsharing the file table.
    let flags = flags & !UnshareFlags::FILES;
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// The side of a [`fork`].
#[derive(Debug)]
pub(super) enum ForkSide {
    /// The parent, with the pid of the child.
    Parent(Pid),
    /// The child.
    Child,
}

/// Forks a process that has one thread.
pub(super) fn fork() -> io::Result<ForkSide> {
    // SAFETY: the inner half of the sandbox never starts a thread, so no lock can be held by a thread that the
    // child does not have.
    match unsafe { libc::fork() } {
        0 => Ok(ForkSide::Child),
        pid => {
            Pid::from_raw(pid).filter(|_| pid > 0).map(ForkSide::Parent).ok_or_else(io::Error::last_os_error)
        }
    }
}

/// Kills every process of the PID namespace except the caller, which must be its first process. In any other process it
/// does nothing, because it would kill processes outside the sandbox.
pub(super) fn kill_all() {
    if rustix::process::getpid().as_raw_nonzero().get() == 1 {
        // SAFETY: no memory is involved.
        unsafe { libc::kill(-1, libc::SIGKILL) };
    }
}

/// Resets all signals to their default action and unblocks them. A shell ignores some for processes in the background,
/// nohup(1) too, and every command would inherit that.
pub(super) fn reset_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: no handler is installed, so no code runs in a signal; no memory is involved. Signals whose action cannot
        // be changed give an error.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: zero is a value of `sigset_t`, which `sigemptyset` makes the empty set; both live for the whole calls.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Turns off address space randomization, because some programs write addresses to their output.
pub(super) fn fix_addresses() -> io::Result<()> {
    // SAFETY: no memory is involved.
    let done = unsafe { libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Installs a program of classic BPF as the filter of all later system calls of the calling thread.
pub(super) fn install_filter(program: &[libc::sock_filter]) -> io::Result<()> {
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

/// Creates the segment of shared memory that tells OpenSSL that `/dev/urandom` is seeded. (Where `getrandom` is missing
/// and the kernel is new, it takes no other random numbers: `OPENSSL_RAND_SEED_DEVRANDOM_SHM_ID`.)
pub(super) fn mark_urandom_seeded() -> io::Result<()> {
    // SAFETY: no memory of this process is involved: the segment is not mapped.
    let made = unsafe { libc::shmget(114, 1, libc::IPC_CREAT | 0o444) };
    if made < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Ends this process with the status or signal of another, or with status 125.
pub(super) fn exit_like(status: Option<rustix::process::WaitStatus>) -> ! {
    let signal = status.and_then(rustix::process::WaitStatus::terminating_signal);
    let status = status.and_then(rustix::process::WaitStatus::exit_status).unwrap_or(125);
    // SAFETY: no memory is involved. `_exit` runs no exit handlers, which are those of the parent.
    unsafe {
        if let Some(signal) = signal {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
        libc::_exit(status)
    }
}

/// Lets the parent trace the calling process from its next `exec` on.
pub(super) fn request_trace() -> io::Result<()> {
    trace(libc::PTRACE_TRACEME, None, 0, 0)
}

/// Also traces the descendants of a traced process, reports each `exec` and each call that the filter hands over, and
/// kills all tracees when the tracer ends.
pub(super) fn trace_options(pid: Pid) -> io::Result<()> {
    let options = libc::PTRACE_O_TRACEEXEC
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACESECCOMP
        | libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_EXITKILL;
    trace(libc::PTRACE_SETOPTIONS, Some(pid), 0, options as usize)
}

/// Resumes a stopped tracee, with a signal or 0.
pub(super) fn resume(pid: Pid, signal: i32) -> io::Result<()> {
    trace(libc::PTRACE_CONT, Some(pid), 0, signal as usize)
}

/// Resumes a stopped tracee until its system call returns.
pub(super) fn resume_until_syscall_exit(pid: Pid) -> io::Result<()> {
    trace(libc::PTRACE_SYSCALL, Some(pid), 0, 0)
}

/// The message of the event that a tracee is stopped by: the pid of the new process, after a fork or clone.
pub(super) fn event_message(pid: Pid) -> io::Result<u64> {
    let mut message: libc::c_ulong = 0;
    // SAFETY: the kernel writes one `unsigned long`, which lives for the whole call.
    let done =
        unsafe { libc::ptrace(libc::PTRACE_GETEVENTMSG, Pid::as_raw(Some(pid)), 0_usize, &raw mut message) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(message) }
}

/// Requests whose arguments are numbers.
fn trace(request: Request, pid: Option<Pid>, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: none of the requests above reads or writes memory of this process.
    let done = unsafe { libc::ptrace(request, Pid::as_raw(pid), address, data) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(target_env = "gnu")]
type Request = libc::c_uint;
#[cfg(not(target_env = "gnu"))]
type Request = libc::c_int;

/// An argument of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg(target_arch = "x86_64")]
pub(super) enum Argument {
    Third,
    Fourth,
}

/// The registers of a stopped tracee.
#[cfg(target_arch = "x86_64")]
pub(super) struct Registers(libc::user_regs_struct);

#[cfg(target_arch = "x86_64")]
impl Registers {
    /// Whether the program runs in 64-bit mode (`__USER_CS` of the kernel's `asm/segment.h`).
    pub(super) fn is_64_bit(&self) -> bool {
        self.0.cs == 0x33
    }

    /// The stack pointer.
    pub(super) fn stack(&self) -> u64 {
        self.0.rsp
    }

    /// Number of the system call.
    pub(super) fn call(&self) -> libc::c_long {
        self.0.orig_rax.cast_signed()
    }

    /// Arguments of the system call.
    pub(super) fn arguments(&self) -> [u64; 6] {
        [self.0.rdi, self.0.rsi, self.0.rdx, self.0.r10, self.0.r8, self.0.r9]
    }

    /// Replaces the third or the fourth argument of the call.
    pub(super) fn set_argument(&mut self, which: Argument, value: u64) {
        match which {
            Argument::Third => self.0.rdx = value,
            Argument::Fourth => self.0.r10 = value,
        }
    }

    /// Result of the call, after it returned.
    pub(super) fn result(&self) -> i64 {
        self.0.rax.cast_signed()
    }

    /// Replaces the result of the call, after it returned.
    pub(super) fn set_result(&mut self, result: i64) {
        self.0.rax = result.cast_unsigned();
    }

    /// Skips the call and sets its result.
    pub(super) fn skip_call(&mut self, result: i64) {
        self.0.orig_rax = u64::MAX;
        self.0.rax = result.cast_unsigned();
    }
}

/// Reads the registers.
#[cfg(target_arch = "x86_64")]
pub(super) fn registers(pid: Pid) -> io::Result<Registers> {
    // SAFETY: zero is a value of every field.
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one `user_regs_struct`, which lives for the whole call.
    let done =
        unsafe { libc::ptrace(libc::PTRACE_GETREGS, Pid::as_raw(Some(pid)), 0_usize, &raw mut registers) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(Registers(registers)) }
}

/// Writes the registers.
#[cfg(target_arch = "x86_64")]
pub(super) fn set_registers(pid: Pid, registers: &Registers) -> io::Result<()> {
    // SAFETY: the kernel reads one `user_regs_struct`, which lives for the whole call.
    let done = unsafe {
        libc::ptrace(libc::PTRACE_SETREGS, Pid::as_raw(Some(pid)), 0_usize, &raw const registers.0)
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Reads memory of a tracee up to the first unmapped page. Returns the number of bytes.
pub(super) fn read_memory(pid: Pid, at: u64, into: &mut [u8]) -> io::Result<usize> {
    let own = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let mut total = 0;
    // One part for each page, so that the bytes before an unmapped page are read.
    let mut parts = Vec::new();
    while total < into.len() {
        let here = at + total as u64;
        let len = (PAGE - here as usize % PAGE).min(into.len() - total);
        parts.push(libc::iovec { iov_base: here as *mut libc::c_void, iov_len: len });
        total += len;
    }
    // SAFETY: the kernel writes at most `into.len()` bytes to `into`; the other addresses are those of another process.
    let done = unsafe {
        libc::process_vm_readv(Pid::as_raw(Some(pid)), &raw const own, 1, parts.as_ptr(), parts.len() as _, 0)
    };
    usize::try_from(done).map_err(|_| io::Error::last_os_error())
}

/// Writes memory of a tracee.
pub(super) fn write_memory(pid: Pid, at: u64, bytes: &[u8]) -> io::Result<()> {
    let own = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let other = libc::iovec { iov_base: at as *mut libc::c_void, iov_len: bytes.len() };
    // SAFETY: the kernel reads `bytes`, which live for the whole call; the other address is that of another process.
    let done =
        unsafe { libc::process_vm_writev(Pid::as_raw(Some(pid)), &raw const own, 1, &raw const other, 1, 0) };
    match usize::try_from(done) {
        Ok(count) if count == bytes.len() => Ok(()),
        Ok(_) => Err(io::Error::from_raw_os_error(libc::EFAULT)),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// The smallest page size of all machines, in bytes.
const PAGE: usize = 4096;

/// Runs `act` in the child between `fork` and `exec`.
pub(super) fn before_exec(
    command: &mut Command,
    act: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: the caller has one thread, so the child may allocate and lock as the caller may.
    unsafe { command.pre_exec(act) };
}
