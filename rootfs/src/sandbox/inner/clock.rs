//! A clock that stands still: programs that ask for the time of day get the epoch of the job, each time.
//!
//! The kernel lets a program read the clock without a system call, from code and data that it maps into every program
//! (vdso(7)). So commands are traced (ptrace(2)) by a process beside the first one: after each `exec` the place of that
//! code is struck from what the program is told (getauxval(3)), and then it has to call; the filter of system calls
//! hands those few calls to the tracer, which answers them ([`super::answers`]). Clocks that measure how long something
//! takes go on, or whoever waits would wait forever. Random numbers come from here too: getrandom(2), and the sixteen
//! bytes that the kernel gives every program.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};

use amiforge_formats::time::Time;
use rustix::process::{Pid, WaitOptions, WaitStatus};

use super::super::sys::{self, Side};
use super::answers::{Asker, Then};
use super::{During as _, Fault};

/// Entries of the auxiliary vector (`linux/auxvec.h`): its end, one that is passed over, the random bytes, the vDSO.
const AT_NULL: u64 = 0;
const AT_IGNORE: u64 = 1;
const AT_RANDOM: u64 = 25;
const AT_SYSINFO_EHDR: u64 = 33;

/// Words read at a time from a new program's stack.
const CHUNK: usize = 512;

/// The bytes at `AT_RANDOM`; glibc takes the stack guard from them, whose first byte it makes zero itself.
const RANDOM: &[u8; 16] = b"amiforge no dice";

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
    pub(super) fn start(epoch: Time, command: impl FnOnce() -> io::Result<Pid>) -> Result<Self, Fault> {
        let what = || "starting a command".to_owned();
        let (said, mut tell) = io::pipe().during(what)?;
        match sys::fork().during(what)? {
            Side::Parent(pid) => Ok(Self { pid, said }),
            Side::Child => {
                drop(said);
                let outcome = trace(epoch, command);
                if let Err(error) = &outcome {
                    // If it cannot be told, the status still says that it failed.
                    let _ = tell.write_all(error.to_string().as_bytes());
                }
                sys::end_as(outcome.ok())
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

/// Starts the command and answers for the clock until it ends.
fn trace(epoch: Time, command: impl FnOnce() -> io::Result<Pid>) -> io::Result<WaitStatus> {
    let main = command()?;
    // The processes and threads that were seen, and what each was told.
    let mut known = BTreeMap::new();
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
            known.remove(&pid.as_raw_nonzero());
            continue;
        }
        let first = !known.contains_key(&pid.as_raw_nonzero());
        let asker = known.entry(pid.as_raw_nonzero()).or_insert_with(|| Asker::new(epoch));
        if let Err(error) = stopped(pid, status, first && pid == main, first, asker) {
            // A program may be killed while it stands here; its end is seen next. One that still stands would for ever.
            if sys::registers(pid).is_ok() {
                return Err(error);
            }
        }
    }
}

/// Deals with a traced program that stands, and lets it go on.
fn stopped(pid: Pid, status: WaitStatus, begins: bool, first: bool, asker: &mut Asker) -> io::Result<()> {
    let signal = status.stopping_signal().unwrap_or(0);
    let mut deliver = 0;
    match status.as_raw() >> 16 {
        libc::PTRACE_EVENT_EXEC => hide_clock(pid)?,
        libc::PTRACE_EVENT_SECCOMP => match asker.asked(pid)? {
            Then::GoOn => {}
            Then::Wait => return sys::resume_until_made(pid),
        },
        0 if signal == MADE => asker.waited(pid)?,
        0 if begins && signal == libc::SIGTRAP => {
            // It asked to be traced, and this is its first `exec`.
            sys::trace_options(pid)?;
            hide_clock(pid)?;
        }
        // So every new process and thread begins.
        0 if first && signal == libc::SIGSTOP => {}
        0 => deliver = signal,
        _ => {}
    }
    sys::resume(pid, deliver)
}

/// Strikes the vDSO from what a new program is told, and makes its random bytes the same for all.
fn hide_clock(pid: Pid) -> io::Result<()> {
    let registers = sys::registers(pid)?;
    if !registers.are_wide() {
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
            AT_SYSINFO_EHDR => sys::write_memory(pid, at, &AT_IGNORE.to_ne_bytes())?,
            AT_RANDOM => sys::write_memory(pid, value, RANDOM)?,
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
