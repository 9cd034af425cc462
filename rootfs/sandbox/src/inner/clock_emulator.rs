//! Emulated system calls: the time of day, random numbers and facts about the shared, and waits until a time of day.
//!
//! Each thread has a clock of its own. It starts at the time of day of the job and advances only by the thread's waits: after a
//! wait of a second, relative or absolute, a second has passed. A new thread or process inherits the clock of its
//! parent, and when it ends the parent's clock advances to the child's: so a shell script sees the time that `sleep`, a
//! program of its own, has slept. After many queries the clock advances with each further one, because a program that
//! polls until a time would otherwise poll forever. The random numbers of every process are the same stream, which a
//! program that needs a new number reads on.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use amiforge_formats::time::Time;
use rustix::process::Pid;

use super::super::Seed;
use super::super::sys::{self, Argument, Registers};
use super::attributes::{AttributeEmulator, STAT, STATFS, STATX};
use super::kernel;
use super::waits::{self, FUTEX_WAIT_BITSET, Sleep, TIMESPEC};

/// Most random bytes of one call; programs call again for more (getrandom(2)).
const DRAW: u64 = 1 << 16;

/// Queries of the time after which each further one advances the clock by [`STEP`].
const FREE_QUERIES: u64 = 10_000;

/// By how much the clock advances with each query after [`FREE_QUERIES`].
const STEP: Duration = Duration::from_millis(1);

/// Bytes below the stack pointer that a program may use (System V ABI for x86-64, "The Stack Frame").
const RED_ZONE: u64 = 128;

/// `ERESTART_RESTARTBLOCK` of the kernel's `linux/errno.h`: a signal interrupted a wait, which continues with
/// `restart_syscall`.
const RESTARTS: i64 = -516;

/// How to resume a tracee after a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resume {
    /// Until its next stop.
    Continue,
    /// Until its call returns; then [`ClockEmulator::on_exit`] is called.
    UntilExit,
}

/// State that all threads of a command share.
pub(super) struct SharedState {
    /// Attributes of files, as programs see them.
    pub(super) attributes: AttributeEmulator,
    /// Reported memory in bytes.
    pub(super) memory: u64,
    /// The nice value that commands start with, inherited from this program.
    pub(super) nice: i64,
}

/// The emulated clock and random numbers of a thread.
pub(super) struct ClockEmulator {
    start: Time,
    /// How far its clock is past its start.
    pub(super) passed: Duration,
    /// Queries of the time.
    queries: u64,
    /// Seed of its random numbers.
    seed: u64,
    /// Random words that it has read.
    drawn: u64,
    pending: Option<PendingCall>,
}

/// A call that the kernel executes and whose result is changed, or advances the clock.
enum PendingCall {
    Until(Wait),
    Sleep(Sleep),
    /// `stat`, `lstat`, `fstat` or `newfstatat`; the address of the structure.
    Stat(u64),
    Statx(u64),
    Statfs(u64),
    Priority,
}

/// A wait until a time of day.
struct Wait {
    argument: Argument,
    /// The original argument.
    pointer: u64,
    /// The time past the start at its end.
    until: Duration,
}

impl ClockEmulator {
    pub(super) fn new(start: Time, seed: Seed) -> Self {
        let seed = seed.derive("getrandom", 0).0.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        Self { start, passed: Duration::ZERO, queries: 0, seed, drawn: 0, pending: None }
    }

    /// Emulates the call that the thread is stopped at, or prepares the kernel's.
    pub(super) fn on_entry(&mut self, pid: Pid, shared: &mut SharedState) -> io::Result<Resume> {
        let mut registers = sys::registers(pid)?;
        let [first, second, third, fourth, fifth, _] = registers.arguments();
        let put = |at: u64, bytes: &[u8]| if at == 0 { Ok(()) } else { sys::write_memory(pid, at, bytes) };
        let (written, result) = match registers.call() {
            libc::SYS_futex if is_until_time_of_day(second) => {
                return self.wait(pid, registers, Argument::Fourth, fourth);
            }
            libc::SYS_clock_nanosleep if second & 1 == 1 && first == 0 => {
                return self.wait(pid, registers, Argument::Third, third);
            }
            libc::SYS_stat | libc::SYS_lstat => return Ok(self.execute(PendingCall::Stat(second))),
            libc::SYS_fstat => match stat_open(pid, first, shared) {
                Some(bytes) => (sys::write_memory(pid, second, &bytes), 0),
                None => return Ok(self.execute(PendingCall::Stat(second))),
            },
            libc::SYS_newfstatat => match stat_open_at(pid, [first, second, fourth], shared) {
                Some(bytes) => (sys::write_memory(pid, third, &bytes), 0),
                None => return Ok(self.execute(PendingCall::Stat(third))),
            },
            libc::SYS_statx => return Ok(self.execute(PendingCall::Statx(fifth))),
            libc::SYS_statfs | libc::SYS_fstatfs => return Ok(self.execute(PendingCall::Statfs(second))),
            libc::SYS_getpriority => return Ok(self.execute(PendingCall::Priority)),
            // Continues the wait that a signal interrupted.
            libc::SYS_restart_syscall => {
                return Ok(if self.pending.is_some() { Resume::UntilExit } else { Resume::Continue });
            }
            libc::SYS_clock_gettime => (sys::write_memory(pid, second, &self.query(1)), 0),
            libc::SYS_gettimeofday => {
                let time = self.query(1000);
                (put(first, &time).and_then(|()| put(second, &[0; 8])), 0)
            }
            libc::SYS_getrandom => {
                let bytes = self.draw(second.min(DRAW));
                (sys::write_memory(pid, first, &bytes), bytes.len() as i64)
            }
            libc::SYS_uname => (sys::write_memory(pid, first, &kernel::utsname()), 0),
            libc::SYS_sysinfo => (sys::write_memory(pid, first, &kernel::sysinfo(shared.memory)), 0),
            libc::SYS_getcpu => (put(first, &[0; 4]).and_then(|()| put(second, &[0; 4])), 0),
            libc::SYS_sched_getaffinity => affinity(second, |bytes| sys::write_memory(pid, third, bytes)),
            // The emulated processors cannot be chosen: accepted without effect.
            libc::SYS_sched_setaffinity => (Ok(()), 0),
            libc::SYS_time => {
                let seconds = self.query(1)[..8].try_into().map_or(self.start.secs, i64::from_ne_bytes);
                (put(first, &seconds.to_ne_bytes()), seconds)
            }
            call => match waits::sleep(pid, call, registers.arguments()) {
                Some(sleep) => return Ok(self.execute(PendingCall::Sleep(sleep))),
                None => return Ok(Resume::Continue),
            },
        };
        registers.skip_call(if written.is_ok() { result } else { -i64::from(libc::EFAULT) });
        sys::set_registers(pid, &registers)?;
        Ok(Resume::Continue)
    }

    fn execute(&mut self, call: PendingCall) -> Resume {
        self.pending = Some(call);
        Resume::UntilExit
    }

    /// The emulated time: seconds, and the fraction in units of `unit` nanoseconds.
    fn query(&mut self, unit: u32) -> Vec<u8> {
        self.queries += 1;
        if self.queries > FREE_QUERIES {
            self.passed += STEP;
        }
        let seconds = self.start.secs.saturating_add_unsigned(self.passed.as_secs());
        [seconds.to_ne_bytes(), i64::from(self.passed.subsec_nanos() / unit).to_ne_bytes()].concat()
    }

    /// Lets a thread wait, in real time, for the time from its clock to the end of the wait.
    fn wait(
        &mut self,
        pid: Pid,
        mut registers: Registers,
        argument: Argument,
        pointer: u64,
    ) -> io::Result<Resume> {
        let mut bytes = [0; TIMESPEC];
        let complete = sys::read_memory(pid, pointer, &mut bytes).is_ok_and(|count| count == TIMESPEC);
        let Some(until) = duration(&bytes, self.start).filter(|_| complete) else {
            return Ok(Resume::Continue);
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let Some(end) = now.checked_add(until.saturating_sub(self.passed)) else {
            return Ok(Resume::Continue);
        };
        let written =
            [(end.as_secs() as i64).to_ne_bytes(), i64::from(end.subsec_nanos()).to_ne_bytes()].concat();
        // Written below the red zone, because the program may use its own structure for the next wait.
        let at = (registers.stack().saturating_sub(RED_ZONE) & !15).saturating_sub(TIMESPEC as u64);
        if sys::write_memory(pid, at, &written).is_err() {
            return Ok(Resume::Continue);
        }
        registers.set_argument(argument, at);
        sys::set_registers(pid, &registers)?;
        Ok(self.execute(PendingCall::Until(Wait { argument, pointer, until })))
    }

    /// Changes the result of a call that has returned, and advances the clock by its wait.
    pub(super) fn on_exit(&mut self, pid: Pid, shared: &mut SharedState) -> io::Result<()> {
        let Some(call) = self.pending.take() else { return Ok(()) };
        let mut registers = sys::registers(pid)?;
        let result = registers.result();
        match call {
            PendingCall::Until(wait) => {
                let complete = match wait.argument {
                    Argument::Third => 0,
                    Argument::Fourth => -i64::from(libc::ETIMEDOUT),
                };
                if result == complete {
                    self.passed = self.passed.max(wait.until);
                }
                // The program may rely on the register being unchanged.
                registers.set_argument(wait.argument, wait.pointer);
                return sys::set_registers(pid, &registers);
            }
            PendingCall::Sleep(sleep) if result == sleep.timeout_result => self.passed += sleep.length,
            PendingCall::Sleep(_) if result == RESTARTS => self.pending = Some(call),
            PendingCall::Stat(at) if result == 0 => {
                change::<STAT>(pid, at, |bytes| shared.attributes.stat(bytes))?;
            }
            PendingCall::Statx(at) if result == 0 => {
                change::<STATX>(pid, at, |bytes| shared.attributes.statx(bytes))?;
            }
            PendingCall::Statfs(at) if result == 0 => {
                change::<STATFS>(pid, at, |bytes| shared.attributes.statfs(bytes))?;
            }
            // The call itself returns 20 less the nice value (`getpriority(2)`, "C library/kernel differences").
            PendingCall::Priority if result > 0 => {
                registers.set_result((result + shared.nice).min(40));
                return sys::set_registers(pid, &registers);
            }
            _ => {}
        }
        Ok(())
    }

    /// The next pseudorandom bytes, by `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number
    /// generators", 2014).
    fn draw(&mut self, len: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < len {
            self.drawn += 1;
            let mut word = self.seed.wrapping_add(self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend((word ^ (word >> 31)).to_le_bytes());
        }
        bytes.truncate(len as usize);
        bytes
    }
}

/// Whether a futex waits until a time of day. (`FUTEX_WAIT` has a relative timeout.)
fn is_until_time_of_day(operation: u64) -> bool {
    operation & libc::FUTEX_CLOCK_REALTIME as u64 != 0
        && operation & !((libc::FUTEX_CLOCK_REALTIME | libc::FUTEX_PRIVATE_FLAG) as u64) >= FUTEX_WAIT_BITSET
}

/// The attributes of an open file, without a second stop of the tracee; none where the kernel has to execute the call.
fn stat_open(pid: Pid, file: u64, shared: &mut SharedState) -> Option<[u8; STAT]> {
    let file = i32::from_ne_bytes(*file.to_ne_bytes().first_chunk()?);
    let file = u32::try_from(file).ok()?;
    let stat = rustix::fs::stat(format!("/proc/{}/fd/{file}", pid.as_raw_nonzero())).ok()?;
    Some(shared.attributes.of(&stat))
}

/// The same for a file given by an empty path (`AT_EMPTY_PATH`): descriptor, path and flags.
fn stat_open_at(pid: Pid, [file, path, flags]: [u64; 3], shared: &mut SharedState) -> Option<[u8; STAT]> {
    if flags & libc::AT_EMPTY_PATH as u64 == 0 {
        return None;
    }
    let mut first = [1];
    let empty = path == 0 || (sys::read_memory(pid, path, &mut first).is_ok() && first == [0]);
    empty.then(|| stat_open(pid, file, shared)).flatten()
}

/// The set of emulated processors, for a buffer of `len` bytes.
fn affinity(len: u64, write: impl FnOnce(&[u8]) -> io::Result<()>) -> (io::Result<()>, i64) {
    let bytes = kernel::affinity();
    let size = bytes.len() as u64;
    if len < size || !len.is_multiple_of(size) {
        return (Ok(()), -i64::from(libc::EINVAL));
    }
    (write(&bytes), bytes.len() as i64)
}

/// Changes a structure that the kernel wrote into the tracee.
fn change<const LEN: usize>(pid: Pid, at: u64, with: impl FnOnce(&mut [u8; LEN])) -> io::Result<()> {
    let mut bytes = [0; LEN];
    if sys::read_memory(pid, at, &mut bytes)? == LEN {
        with(&mut bytes);
        sys::write_memory(pid, at, &bytes)?;
    }
    Ok(())
}

/// How long after the start a `timespec` is; none if it is invalid, which the kernel reports.
fn duration(timespec: &[u8; TIMESPEC], start: Time) -> Option<Duration> {
    let (seconds, nanos) = timespec.split_first_chunk::<8>()?;
    let nanos = i64::from_ne_bytes(*nanos.first_chunk()?);
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    let seconds = i64::from_ne_bytes(*seconds).saturating_sub(start.secs);
    Some(u64::try_from(seconds).map_or(Duration::ZERO, |seconds| Duration::new(seconds, nanos)))
}
