//! Traces commands, so that the time of day is that of the job and the machine that of [`super::kernel`].
//!
//! Programs read the clock without a system call, from code and data that the kernel maps into every program (vdso(7)).
//! So a process beside the first one traces the commands (ptrace(2)): after each `exec` it removes the address of that
//! code from the auxiliary vector (getauxval(3)), so that programs make system calls, and the filter of system calls
//! hands those to the tracer, which emulates them ([`super::clock_emulator`]). Monotonic clocks run on, or waiting
//! programs would wait forever. Random numbers come from here too: getrandom(2), and the sixteen bytes that the kernel
//! gives every program; with the real clock only these are emulated.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use amiforge_formats::time::Time;
use rustix::process::{Pid, RawPid, WaitOptions, WaitStatus};

use super::super::sys::{self, ForkSide};
use super::super::{SandboxClock, SandboxJob, Seed};
use super::attributes::{AttributeEmulator, FsOrigin};
use super::clock_emulator::{ClockEmulator, Resume, SharedState};
use super::error::{During as _, InnerError};

/// Entries of the auxiliary vector (`linux/auxvec.h`): its end, an ignored one, processor features, the random bytes, size
/// and alignment of restartable sequences, the vDSO, and the least stack of a signal.
const AT_NULL: u64 = 0;
const AT_IGNORE: u64 = 1;
const AT_HWCAP: u64 = 16;
const AT_RANDOM: u64 = 25;
const AT_HWCAP2: u64 = 26;
const AT_RSEQ_FEATURE_SIZE: u64 = 27;
const AT_RSEQ_ALIGN: u64 = 28;
const AT_SYSINFO_EHDR: u64 = 33;
const AT_MINSIGSTKSZ: u64 = 51;

/// Features of every x86-64 processor, as the bits of `cpuid` 1 in EDX: fpu, tsc, msr, pae, cx8, apic, sep, cmov,
/// mmx, fxsr, sse, sse2.
const CPU_FEATURES: u64 = 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 9 | 1 << 11 | 1 << 15 | 0b1111 << 23;

/// Bytes of stack for a signal: more than the registers of any current processor take.
const SIGNAL_STACK: u64 = 16 << 10;

/// Words of a new program's stack that are read at a time.
const CHUNK: usize = 512;

/// The stop signal at the end of a system call (`PTRACE_O_TRACESYSGOOD`).
const SYSCALL_STOP: i32 = libc::SIGTRAP | 0x80;

/// Waits for children of every kind (waitpid(2), `__WALL`).
const ALL: WaitOptions = WaitOptions::from_bits_retain(0x4000_0000);

/// A running tracer of a command.
pub(super) struct Tracer {
    pub(super) pid: Pid,
    /// Has the error, if the command could not be started.
    errors: io::PipeReader,
}

impl Tracer {
    /// Forks a process that starts a command and traces it. It ends with the status or signal of the command.
    pub(super) fn start(
        job: &SandboxJob,
        origin: FsOrigin,
        command: impl FnOnce() -> io::Result<Pid>,
    ) -> Result<Self, InnerError> {
        let what = || "starting a command".to_owned();
        let (errors, mut writer) = io::pipe().during(what)?;
        match sys::fork().during(what)? {
            ForkSide::Parent(pid) => Ok(Self { pid, errors }),
            ForkSide::Child => {
                drop(errors);
                let limits = &job.limits;
                let attributes = AttributeEmulator::new(origin, job.now.secs, limits.time, limits.disk);
                let nice = rustix::process::getpriority_process(None).unwrap_or(0).into();
                let shared = SharedState { attributes, memory: limits.memory, nice };
                let outcome = Tracees::new(job, shared).trace(command);
                if let Err(error) = &outcome {
                    // If it cannot be written, the status still shows the failure.
                    let _ = writer.write_all(error.to_string().as_bytes());
                }
                sys::exit_like(outcome.ok())
            }
        }
    }

    /// Why the command could not be started or traced; to be called when the tracer has ended.
    pub(super) fn error(mut self) -> Option<String> {
        let mut message = String::new();
        let read = self.errors.read_to_string(&mut message);
        (read.is_ok() && !message.is_empty()).then_some(message)
    }
}

/// A traced thread.
struct Tracee {
    emulator: ClockEmulator,
    /// The thread that created it, once that one's event was seen.
    creator: Option<RawPid>,
    /// Whether it has stopped at least once.
    begun: bool,
    /// Whether the SIGSTOP that the kernel sends to every new tracee is still to come.
    stop_due: bool,
    /// Set while it waits at its first stop for the event of its creator: the signal to resume it with, or 0.
    held: Option<i32>,
}

impl Tracee {
    fn new(now: Time, seed: Seed) -> Self {
        let emulator = ClockEmulator::new(now, seed);
        Self { emulator, creator: None, begun: false, stop_due: true, held: None }
    }

    /// Advances its clock to that of its creator, and resumes it where it waits for that.
    fn inherit(&mut self, number: RawPid, passed: Duration) {
        self.emulator.passed = self.emulator.passed.max(passed);
        if let (Some(signal), Some(pid)) = (self.held.take(), Pid::from_raw(number)) {
            // It fails where the thread was killed during its stop; its end is seen next.
            drop(sys::resume(pid, signal));
        }
    }
}

/// All threads of a command.
struct Tracees {
    now: Time,
    seed: Seed,
    /// The bytes at `AT_RANDOM` of every program.
    random: [u8; 16],
    /// Whether the time and the machine are emulated too.
    still: bool,
    threads: BTreeMap<RawPid, Tracee>,
    shared: SharedState,
}

impl Tracees {
    fn new(job: &SandboxJob, shared: SharedState) -> Self {
        let (now, seed, still) = (job.now, job.seed, job.clock == SandboxClock::Still);
        Self { now, seed, random: random(seed), still, threads: BTreeMap::new(), shared }
    }

    /// Starts the command and handles the stops of its threads until it ends.
    fn trace(&mut self, command: impl FnOnce() -> io::Result<Pid>) -> io::Result<WaitStatus> {
        let main = command()?;
        loop {
            let (pid, status) = match rustix::process::wait(ALL) {
                Ok(Some(event)) => event,
                Ok(None) | Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if !status.stopped() {
                if pid == main {
                    return Ok(status);
                }
                self.on_end(Pid::as_raw(Some(pid)));
                continue;
            }
            if let Err(error) = self.on_stop(pid, status, pid == main) {
                // A tracee may be killed during its stop; its end is seen next. One that is still stopped would stay so.
                if sys::registers(pid).is_ok() {
                    return Err(error);
                }
            }
        }
    }

    fn tracee(&mut self, pid: RawPid) -> &mut Tracee {
        let (now, seed) = (self.now, self.seed);
        self.threads.entry(pid).or_insert_with(|| Tracee::new(now, seed))
    }

    /// Handles a stop of a traced thread and resumes it.
    fn on_stop(&mut self, pid: Pid, status: WaitStatus, is_main: bool) -> io::Result<()> {
        let number = Pid::as_raw(Some(pid));
        let first = !std::mem::replace(&mut self.tracee(number).begun, true);
        let signal = status.stopping_signal().unwrap_or(0);
        let mut deliver = 0;
        match status.as_raw() >> 16 {
            libc::PTRACE_EVENT_EXEC => {
                self.release_abandoned(number);
                patch_auxv(pid, &self.random, self.still)?;
            }
            libc::PTRACE_EVENT_SECCOMP => {
                if let Some(tracee) = self.threads.get_mut(&number)
                    && tracee.emulator.on_entry(pid, &mut self.shared)? == Resume::UntilExit
                {
                    return sys::resume_until_syscall_exit(pid);
                }
            }
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
                self.on_fork(number, sys::event_message(pid)?);
            }
            0 if signal == SYSCALL_STOP => {
                if let Some(tracee) = self.threads.get_mut(&number) {
                    tracee.emulator.on_exit(pid, &mut self.shared)?;
                }
            }
            0 if first && is_main && signal == libc::SIGTRAP => {
                // The first `exec` of the command, after it requested to be traced: the kernel sends it no SIGSTOP.
                self.tracee(number).stop_due = false;
                sys::trace_options(pid)?;
                patch_auxv(pid, &self.random, self.still)?;
            }
            0 => {
                deliver = signal;
                let tracee = self.tracee(number);
                if signal == libc::SIGSTOP && std::mem::take(&mut tracee.stop_due) {
                    deliver = 0;
                }
                // The first stop of a thread may be seen before the event of its creator (ptrace(2),
                // `PTRACE_O_TRACEFORK`), whose clock it inherits: it does not run until then.
                if first && !is_main && tracee.creator.is_none() && self.has_creator(number) {
                    self.tracee(number).held = Some(deliver);
                    return Ok(());
                }
            }
            _ => {}
        }
        sys::resume(pid, deliver)
    }

    /// A thread has created another, which inherits its clock.
    fn on_fork(&mut self, parent: RawPid, child: u64) {
        let Ok(number) = RawPid::try_from(child) else { return };
        let passed = self.tracee(parent).emulator.passed;
        let child = self.tracee(number);
        child.creator = Some(parent);
        child.inherit(number, passed);
    }

    /// A thread has ended. The clock of its parent advances to its clock: the parent may have waited for it.
    fn on_end(&mut self, pid: RawPid) {
        let Some(ended) = self.threads.remove(&pid) else { return };
        if let Some(creator) = ended.creator.and_then(|creator| self.threads.get_mut(&creator)) {
            creator.emulator.passed = creator.emulator.passed.max(ended.emulator.passed);
        }
        self.release_abandoned(pid);
    }

    /// Resumes the threads that wait for an event that will not come, because their creator was killed before it: by a
    /// signal, or as one of several threads of `gone`, a process that another of its threads has replaced by `exec`.
    fn release_abandoned(&mut self, gone: RawPid) {
        let held: Vec<_> =
            self.threads.iter().filter(|(_, tracee)| tracee.held.is_some()).map(|(pid, _)| *pid).collect();
        for pid in held {
            if creating_process(pid) == Some(gone) || !self.has_creator(pid) {
                self.tracee(pid).inherit(pid, Duration::ZERO);
            }
        }
    }

    /// Whether the process that created a thread is traced, and so has not ended. (The first process adopts orphans.)
    fn has_creator(&self, pid: RawPid) -> bool {
        creating_process(pid).is_some_and(|process| self.threads.contains_key(&process))
    }
}

/// The process that created a thread: its own, or the parent of that if it is the first thread (`proc_pid_status(5)`).
fn creating_process(pid: RawPid) -> Option<RawPid> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let number = |name| status.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    number("Tgid:").filter(|process| *process != pid).or_else(|| number("PPid:"))
}

/// The bytes at `AT_RANDOM`; glibc takes the stack guard from them, whose first byte it makes zero itself.
fn random(seed: Seed) -> [u8; 16] {
    let digest = seed.derive("AT_RANDOM", 0);
    *digest.0.first_chunk().unwrap_or(&[0; 16])
}

/// Replaces the random bytes of a new program by those of the job. With a `still` clock it also removes the vDSO from the
/// auxiliary vector, and replaces the processor features.
fn patch_auxv(pid: Pid, random: &[u8; 16], still: bool) -> io::Result<()> {
    let registers = sys::registers(pid)?;
    if !registers.is_64_bit() {
        // The filter kills a 32-bit program at its first call.
        return Ok(());
    }
    let mut stack = Stack { pid, at: registers.stack(), words: Vec::new(), next: 0 };
    // argc, argv with a null, the environment with a null, and then pairs (System V ABI, "Process Initialization").
    let arguments = stack.word()?;
    stack.skip(arguments + 1)?;
    while stack.word()? != 0 {}
    loop {
        let at = stack.position();
        let (kind, value) = (stack.word()?, stack.word()?);
        match kind {
            AT_NULL => return Ok(()),
            AT_RANDOM => sys::write_memory(pid, value, random)?,
            _ if !still => {}
            AT_SYSINFO_EHDR | AT_RSEQ_FEATURE_SIZE | AT_RSEQ_ALIGN => {
                sys::write_memory(pid, at, &AT_IGNORE.to_ne_bytes())?;
            }
            AT_HWCAP => sys::write_memory(pid, at + 8, &CPU_FEATURES.to_ne_bytes())?,
            AT_HWCAP2 => sys::write_memory(pid, at + 8, &0_u64.to_ne_bytes())?,
            AT_MINSIGSTKSZ => sys::write_memory(pid, at + 8, &value.max(SIGNAL_STACK).to_ne_bytes())?,
            _ => {}
        }
    }
}

/// The stack of a program before its first instruction, read upwards from the stack pointer.
struct Stack {
    pid: Pid,
    /// Address of the first word that was read.
    at: u64,
    words: Vec<u64>,
    next: usize,
}

impl Stack {
    fn word(&mut self) -> io::Result<u64> {
        if self.next == self.words.len() {
            self.at = self.position();
            let mut bytes = vec![0; CHUNK * 8];
            // The stack may end before that.
            let count = sys::read_memory(self.pid, self.at, &mut bytes)?;
            let words = bytes.get(..count).unwrap_or_default().chunks_exact(8);
            self.words = words
                .map(|word| word.iter().rev().fold(0, |all, &byte| all << 8 | u64::from(byte)))
                .collect();
            self.next = 0;
        }
        let word = self.words.get(self.next).copied().ok_or(io::ErrorKind::UnexpectedEof)?;
        self.next += 1;
        Ok(word)
    }

    fn skip(&mut self, words: u64) -> io::Result<()> {
        (0..words).try_for_each(|_| self.word().map(drop))
    }

    fn position(&self) -> u64 {
        self.at + self.next as u64 * 8
    }
}
