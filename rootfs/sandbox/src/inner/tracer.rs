//! A clock that stands still and a machine that is the same everywhere: programs that ask for the time of day get the
//! epoch of the job, each time, and those that ask for the machine get [`super::kernel`]'s.
//!
//! The kernel lets a program read the clock without a system call, from code and data that it maps into every program
//! (vdso(7)). So commands are traced (ptrace(2)) by a process beside the first one: after each `exec` the place of that
//! code is struck from what the program is told (getauxval(3)), and then it has to call; the filter of system calls
//! hands those few calls to the tracer, which answers them ([`super::clock_emulator`]). Clocks that measure how long something
//! takes go on, or whoever waits would wait forever. Random numbers come from here too: getrandom(2), and the sixteen
//! bytes that the kernel gives every program; with the real clock these are all that is answered.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};

use amiforge_formats::time::Time;
use rustix::process::{Pid, RawPid, WaitOptions, WaitStatus};

use super::super::sys::{self, ForkSide};
use super::super::{SandboxClock, SandboxJob, Seed};
use super::attributes::{AttributeEmulator, FsOrigin};
use super::clock_emulator::{ClockEmulator, SharedState, Then};
use super::{During as _, InnerError};

/// Entries of the auxiliary vector (`linux/auxvec.h`): its end, one that is passed over, the abilities of the processor,
/// the random bytes, the size of restartable sequences, the vDSO, and the stack that a signal takes.
const AT_NULL: u64 = 0;
const AT_IGNORE: u64 = 1;
const AT_HWCAP: u64 = 16;
const AT_RANDOM: u64 = 25;
const AT_HWCAP2: u64 = 26;
const AT_RSEQ_FEATURE_SIZE: u64 = 27;
const AT_RSEQ_ALIGN: u64 = 28;
const AT_SYSINFO_EHDR: u64 = 33;
const AT_MINSIGSTKSZ: u64 = 51;

/// What every processor for x86-64 can do, by the bits of `cpuid` 1 in EDX: fpu, tsc, msr, pae, cx8, apic, sep, cmov,
/// mmx, fxsr, sse, sse2.
const ABILITIES: u64 = 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 9 | 1 << 11 | 1 << 15 | 0b1111 << 23;

/// More than the registers of any processor of today take on the stack of a signal.
const SIGNAL_STACK: u64 = 16 << 10;

/// Words read at a time from a new program's stack.
const CHUNK: usize = 512;

/// The signal that stands for the end of a system call (`PTRACE_O_TRACESYSGOOD`).
const MADE: i32 = libc::SIGTRAP | 0x80;

/// Wait for children of every kind (waitpid(2), `__WALL`).
const ALL: WaitOptions = WaitOptions::from_bits_retain(0x4000_0000);

/// A tracer that was started, with the command that it runs.
pub(super) struct Tracer {
    pub(super) pid: Pid,
    /// Says why the command could not be started, if so.
    said: io::PipeReader,
}

impl Tracer {
    /// Starts a process that starts a command and traces it. It ends as the command does.
    pub(super) fn start(
        job: &SandboxJob,
        origin: FsOrigin,
        command: impl FnOnce() -> io::Result<Pid>,
    ) -> Result<Self, InnerError> {
        let what = || "starting a command".to_owned();
        let (said, mut tell) = io::pipe().during(what)?;
        match sys::fork().during(what)? {
            ForkSide::Parent(pid) => Ok(Self { pid, said }),
            ForkSide::Child => {
                drop(said);
                let limits = &job.limits;
                let attributes = AttributeEmulator::new(origin, job.epoch.secs, limits.time, limits.disk);
                let nice = rustix::process::getpriority_process(None).unwrap_or(0).into();
                let machine = SharedState { attributes, memory: limits.memory, nice };
                let outcome = Tracees::new(job, machine).trace(command);
                if let Err(error) = &outcome {
                    // If it cannot be told, the status still says that it failed.
                    let _ = tell.write_all(error.to_string().as_bytes());
                }
                sys::exit_like(outcome.ok())
            }
        }
    }

    /// Why the command could not be started, or traced; asked when the tracer has ended.
    pub(super) fn fault(mut self) -> Option<String> {
        let mut said = String::new();
        let read = self.said.read_to_string(&mut said);
        (read.is_ok() && !said.is_empty()).then_some(said)
    }
}

/// A thread that is traced.
struct Tracee {
    emulator: ClockEmulator,
    /// Which one made it.
    parent: Option<RawPid>,
    /// Whether it has stopped before.
    begun: bool,
}

/// All threads of a command.
struct Tracees {
    epoch: Time,
    seed: Seed,
    /// What every program gets at `AT_RANDOM`.
    random: [u8; 16],
    /// Whether the time and the machine are the same for all, too.
    still: bool,
    known: BTreeMap<RawPid, Tracee>,
    machine: SharedState,
}

impl Tracees {
    fn new(job: &SandboxJob, machine: SharedState) -> Self {
        let (epoch, seed, still) = (job.epoch, job.seed, job.clock == SandboxClock::Still);
        Self { epoch, seed, random: random(seed), still, known: BTreeMap::new(), machine }
    }

    /// Starts the command and answers its threads until it ends.
    fn trace(&mut self, command: impl FnOnce() -> io::Result<Pid>) -> io::Result<WaitStatus> {
        let main = command()?;
        loop {
            let (pid, status) = match rustix::process::wait(ALL) {
                Ok(Some(found)) => found,
                Ok(None) | Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if !status.stopped() {
                if pid == main {
                    return Ok(status);
                }
                self.ended(Pid::as_raw(Some(pid)));
                continue;
            }
            if let Err(error) = self.stopped(pid, status, pid == main) {
                // A program may be killed while it stands here; its end is seen next. One that still stands would for ever.
                if sys::registers(pid).is_ok() {
                    return Err(error);
                }
            }
        }
    }

    fn tracee(&mut self, pid: RawPid) -> &mut Tracee {
        let (epoch, seed) = (self.epoch, self.seed);
        let new = || Tracee { emulator: ClockEmulator::new(epoch, seed), parent: None, begun: false };
        self.known.entry(pid).or_insert_with(new)
    }

    /// Deals with a traced thread that stands, and lets it go on.
    fn stopped(&mut self, pid: Pid, status: WaitStatus, is_main: bool) -> io::Result<()> {
        let number = Pid::as_raw(Some(pid));
        let first = !std::mem::replace(&mut self.tracee(number).begun, true);
        let signal = status.stopping_signal().unwrap_or(0);
        let mut deliver = 0;
        match status.as_raw() >> 16 {
            libc::PTRACE_EVENT_EXEC => hide_machine(pid, &self.random, self.still)?,
            libc::PTRACE_EVENT_SECCOMP => {
                let (epoch, seed) = (self.epoch, self.seed);
                let new = || Tracee { emulator: ClockEmulator::new(epoch, seed), parent: None, begun: true };
                let tracee = self.known.entry(number).or_insert_with(new);
                if tracee.emulator.asked(pid, &mut self.machine)? == Then::Make {
                    return sys::resume_until_syscall_exit(pid);
                }
            }
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
                self.made_another(number, sys::event_message(pid)?);
            }
            0 if signal == MADE => {
                if let Some(tracee) = self.known.get_mut(&number) {
                    tracee.emulator.made(pid, &mut self.machine)?;
                }
            }
            0 if first && is_main && signal == libc::SIGTRAP => {
                // It asked to be traced, and this is its first `exec`.
                sys::trace_options(pid)?;
                hide_machine(pid, &self.random, self.still)?;
            }
            // So every new process and thread begins.
            0 if first && signal == libc::SIGSTOP => {}
            0 => deliver = signal,
            _ => {}
        }
        sys::resume(pid, deliver)
    }

    /// A thread has made another, which has its time.
    fn made_another(&mut self, parent: RawPid, child: u64) {
        let Ok(child) = RawPid::try_from(child) else { return };
        let passed = self.tracee(parent).emulator.passed;
        let child = self.tracee(child);
        child.parent = Some(parent);
        child.emulator.passed = child.emulator.passed.max(passed);
    }

    /// A thread has ended. Whoever made it and waited for it has waited as long.
    fn ended(&mut self, pid: RawPid) {
        let Some(ended) = self.known.remove(&pid) else { return };
        if let Some(parent) = ended.parent.and_then(|parent| self.known.get_mut(&parent)) {
            parent.emulator.passed = parent.emulator.passed.max(ended.emulator.passed);
        }
    }
}

/// The bytes at `AT_RANDOM`; glibc takes the stack guard from them, whose first byte it makes zero itself.
fn random(seed: Seed) -> [u8; 16] {
    let digest = seed.derive("AT_RANDOM", 0);
    *digest.0.first_chunk().unwrap_or(&[0; 16])
}

/// Makes the random bytes of a new program those of the job; with a `still` clock also strikes the vDSO from what it is
/// told, and makes what it is told of the processor the same for all.
fn hide_machine(pid: Pid, random: &[u8; 16], still: bool) -> io::Result<()> {
    let registers = sys::registers(pid)?;
    if !registers.is_64_bit() {
        // The filter ends a 32-bit program at its first call.
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
            AT_HWCAP => sys::write_memory(pid, at + 8, &ABILITIES.to_ne_bytes())?,
            AT_HWCAP2 => sys::write_memory(pid, at + 8, &0_u64.to_ne_bytes())?,
            AT_MINSIGSTKSZ => sys::write_memory(pid, at + 8, &value.max(SIGNAL_STACK).to_ne_bytes())?,
            _ => {}
        }
    }
}

/// The stack of a program that has not begun, read from its end upwards.
struct Stack {
    pid: Pid,
    /// Where the words that were read begin.
    at: u64,
    words: Vec<u64>,
    next: usize,
}

impl Stack {
    fn word(&mut self) -> io::Result<u64> {
        if self.next == self.words.len() {
            self.at = self.position();
            let mut bytes = vec![0; CHUNK * 8];
            // The end of the stack may be nearer than that.
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
