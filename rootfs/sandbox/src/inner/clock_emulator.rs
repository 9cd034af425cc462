//! What programs are told when they ask for the time of day, for random numbers, or what machine they run on, and how
//! long they wait where they wait until a time of day.
//!
//! Each thread has a clock of its own. It stands at the epoch of the job, and goes on only by what the thread waited
//! for: whoever waits until in a second, or for a second, is woken after a second, and a second has passed. A new thread
//! or process begins with the clock of the one that made it, whose clock is set to that of its child when that ends: so
//! the sleep of a shell script, which is a program of its own, is over for the script too. One that asks without end is
//! told of time that goes by, or what spins until a time has come would spin for ever. Random numbers are the same for
//! every process; what loops until its number is a new one draws on.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use amiforge_formats::time::Time;
use rustix::process::Pid;

use super::super::Seed;
use super::super::sys::{self, Argument, Registers};
use super::attributes::{AttributeEmulator, STAT, STATFS, STATX};
use super::kernel;
use super::waits::{self, FUTEX_WAIT_BITSET, Sleep, TIMESPEC};

/// The most random bytes given at a time; whoever wants more asks again (getrandom(2)).
const DRAW: u64 = 1 << 16;

/// Questions for the time after which each further one takes [`STEP`].
const PATIENCE: u64 = 10_000;

/// How far a clock moves by being looked at too often.
const STEP: Duration = Duration::from_millis(1);

/// Bytes below the stack that a program may use without telling (System V ABI for x86-64, "The Stack Frame").
const RED_ZONE: u64 = 128;

/// `ERESTART_RESTARTBLOCK` of the kernel's `linux/errno.h`: a wait was interrupted and goes on with `restart_syscall`.
const GOES_ON: i64 = -516;

/// What is to be done with a program that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// It goes on.
    GoOn,
    /// It makes its call, and [`ClockEmulator::made`] is called when that is over.
    Make,
}

/// What all programs of a command have in common.
pub(super) struct SharedState {
    /// Files as programs see them.
    pub(super) attributes: AttributeEmulator,
    /// Bytes of memory.
    pub(super) memory: u64,
    /// The priority that commands begin with, which is that of the program that builds.
    pub(super) nice: i64,
}

/// A thread, and what it was told so far.
pub(super) struct ClockEmulator {
    epoch: Time,
    /// How far its clock has gone on.
    pub(super) passed: Duration,
    /// Questions for the time.
    looks: u64,
    /// Where its random numbers begin.
    seed: u64,
    /// Random words that it was given.
    drawn: u64,
    making: Option<PendingCall>,
}

/// A call that is being made, of which the answer matters.
enum PendingCall {
    Until(Wait),
    Sleep(Sleep),
    /// `stat` and its kin, with the address of their structure.
    Stat(u64),
    Statx(u64),
    Statfs(u64),
    Priority,
}

/// A wait until a time of day.
struct Wait {
    argument: Argument,
    /// What the argument was.
    pointer: u64,
    /// Where the clock will be when it is over.
    until: Duration,
}

impl ClockEmulator {
    pub(super) fn new(epoch: Time, seed: Seed) -> Self {
        let seed = seed.derive("getrandom", 0).0.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        Self { epoch, passed: Duration::ZERO, looks: 0, seed, drawn: 0, making: None }
    }

    /// Answers the call that the thread stands at.
    pub(super) fn asked(&mut self, pid: Pid, machine: &mut SharedState) -> io::Result<Then> {
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
            libc::SYS_stat | libc::SYS_lstat => return Ok(self.make(PendingCall::Stat(second))),
            libc::SYS_fstat => match opened(pid, first, machine) {
                Some(bytes) => (sys::write_memory(pid, second, &bytes), 0),
                None => return Ok(self.make(PendingCall::Stat(second))),
            },
            libc::SYS_newfstatat => match opened_at(pid, [first, second, fourth], machine) {
                Some(bytes) => (sys::write_memory(pid, third, &bytes), 0),
                None => return Ok(self.make(PendingCall::Stat(third))),
            },
            libc::SYS_statx => return Ok(self.make(PendingCall::Statx(fifth))),
            libc::SYS_statfs | libc::SYS_fstatfs => return Ok(self.make(PendingCall::Statfs(second))),
            libc::SYS_getpriority => return Ok(self.make(PendingCall::Priority)),
            // It goes on with the wait that it was interrupted in.
            libc::SYS_restart_syscall => {
                return Ok(if self.making.is_some() { Then::Make } else { Then::GoOn });
            }
            libc::SYS_clock_gettime => (sys::write_memory(pid, second, &self.look(1)), 0),
            libc::SYS_gettimeofday => {
                let time = self.look(1000);
                (put(first, &time).and_then(|()| put(second, &[0; 8])), 0)
            }
            libc::SYS_getrandom => {
                let bytes = self.draw(second.min(DRAW));
                (sys::write_memory(pid, first, &bytes), bytes.len() as i64)
            }
            libc::SYS_uname => (sys::write_memory(pid, first, &kernel::utsname()), 0),
            libc::SYS_sysinfo => (sys::write_memory(pid, first, &kernel::sysinfo(machine.memory)), 0),
            libc::SYS_getcpu => (put(first, &[0; 4]).and_then(|()| put(second, &[0; 4])), 0),
            libc::SYS_sched_getaffinity => affinity(second, |bytes| sys::write_memory(pid, third, bytes)),
            // There are no such processors; whoever chooses some runs where it did.
            libc::SYS_sched_setaffinity => (Ok(()), 0),
            libc::SYS_time => {
                let seconds = self.look(1)[..8].try_into().map_or(self.epoch.secs, i64::from_ne_bytes);
                (put(first, &seconds.to_ne_bytes()), seconds)
            }
            call => match waits::sleep(pid, call, registers.arguments()) {
                Some(sleep) => return Ok(self.make(PendingCall::Sleep(sleep))),
                None => return Ok(Then::GoOn),
            },
        };
        registers.answer(if written.is_ok() { result } else { -i64::from(libc::EFAULT) });
        sys::set_registers(pid, &registers)?;
        Ok(Then::GoOn)
    }

    fn make(&mut self, call: PendingCall) -> Then {
        self.making = Some(call);
        Then::Make
    }

    /// The time: seconds, and so many nanoseconds at a time.
    fn look(&mut self, unit: u32) -> Vec<u8> {
        self.looks += 1;
        if self.looks > PATIENCE {
            self.passed += STEP;
        }
        let seconds = self.epoch.secs.saturating_add_unsigned(self.passed.as_secs());
        [seconds.to_ne_bytes(), i64::from(self.passed.subsec_nanos() / unit).to_ne_bytes()].concat()
    }

    /// Has a thread wait as long as it is from its time to the one that it wants to wait for.
    fn wait(
        &mut self,
        pid: Pid,
        mut registers: Registers,
        argument: Argument,
        pointer: u64,
    ) -> io::Result<Then> {
        let mut bytes = [0; TIMESPEC];
        let whole = sys::read_memory(pid, pointer, &mut bytes).is_ok_and(|count| count == TIMESPEC);
        let Some(until) = duration(&bytes, self.epoch).filter(|_| whole) else { return Ok(Then::GoOn) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let Some(end) = now.checked_add(until.saturating_sub(self.passed)) else { return Ok(Then::GoOn) };
        let written =
            [(end.as_secs() as i64).to_ne_bytes(), i64::from(end.subsec_nanos()).to_ne_bytes()].concat();
        // Its own memory stays as it is: it may wait for the same time again.
        let at = (registers.stack().saturating_sub(RED_ZONE) & !15).saturating_sub(TIMESPEC as u64);
        if sys::write_memory(pid, at, &written).is_err() {
            return Ok(Then::GoOn);
        }
        registers.set_argument(argument, at);
        sys::set_registers(pid, &registers)?;
        Ok(self.make(PendingCall::Until(Wait { argument, pointer, until })))
    }

    /// A call was made.
    pub(super) fn made(&mut self, pid: Pid, machine: &mut SharedState) -> io::Result<()> {
        let Some(call) = self.making.take() else { return Ok(()) };
        let mut registers = sys::registers(pid)?;
        let result = registers.result();
        match call {
            PendingCall::Until(wait) => {
                let whole = match wait.argument {
                    Argument::Third => 0,
                    Argument::Fourth => -i64::from(libc::ETIMEDOUT),
                };
                if result == whole {
                    self.passed = self.passed.max(wait.until);
                }
                // Whoever called may take it for unchanged.
                registers.set_argument(wait.argument, wait.pointer);
                return sys::set_registers(pid, &registers);
            }
            PendingCall::Sleep(sleep) if result == sleep.over => self.passed += sleep.length,
            PendingCall::Sleep(_) if result == GOES_ON => self.making = Some(call),
            PendingCall::Stat(at) if result == 0 => {
                change::<STAT>(pid, at, |bytes| machine.attributes.stat(bytes))?;
            }
            PendingCall::Statx(at) if result == 0 => {
                change::<STATX>(pid, at, |bytes| machine.attributes.statx(bytes))?;
            }
            PendingCall::Statfs(at) if result == 0 => {
                change::<STATFS>(pid, at, |bytes| machine.attributes.statfs(bytes))?;
            }
            // The call itself answers 20 less the priority (`getpriority(2)`, "C library/kernel differences").
            PendingCall::Priority if result > 0 => {
                registers.set_result((result + machine.nice).min(40));
                return sys::set_registers(pid, &registers);
            }
            _ => {}
        }
        Ok(())
    }

    /// Bytes that look random and follow from the seed and how many were drawn (Steele, Lea and Flood, "Fast splittable
    /// pseudorandom number generators", 2014).
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

/// Whether a futex waits until a time of day. (Without `FUTEX_WAIT_BITSET` it waits for some time.)
fn is_until_time_of_day(operation: u64) -> bool {
    operation & libc::FUTEX_CLOCK_REALTIME as u64 != 0
        && operation & !((libc::FUTEX_CLOCK_REALTIME | libc::FUTEX_PRIVATE_FLAG) as u64) >= FUTEX_WAIT_BITSET
}

/// What an open file is, without a second stop; nothing where the program has to ask by itself.
fn opened(pid: Pid, file: u64, machine: &mut SharedState) -> Option<[u8; STAT]> {
    let file = i32::from_ne_bytes(*file.to_ne_bytes().first_chunk()?);
    let file = u32::try_from(file).ok()?;
    let stat = rustix::fs::stat(format!("/proc/{}/fd/{file}", pid.as_raw_nonzero())).ok()?;
    Some(machine.attributes.of(&stat))
}

/// The same where the file is given by an empty path (`AT_EMPTY_PATH`): directory, path and flags.
fn opened_at(pid: Pid, [file, path, flags]: [u64; 3], machine: &mut SharedState) -> Option<[u8; STAT]> {
    if flags & libc::AT_EMPTY_PATH as u64 == 0 {
        return None;
    }
    let mut first = [1];
    let empty = path == 0 || (sys::read_memory(pid, path, &mut first).is_ok() && first == [0]);
    empty.then(|| opened(pid, file, machine)).flatten()
}

/// The processors of every machine, for a buffer of so many bytes.
fn affinity(len: u64, write: impl FnOnce(&[u8]) -> io::Result<()>) -> (io::Result<()>, i64) {
    let bytes = kernel::affinity();
    let size = bytes.len() as u64;
    if len < size || !len.is_multiple_of(size) {
        return (Ok(()), -i64::from(libc::EINVAL));
    }
    (write(&bytes), bytes.len() as i64)
}

/// Changes a structure that the kernel wrote.
fn change<const LEN: usize>(pid: Pid, at: u64, with: impl FnOnce(&mut [u8; LEN])) -> io::Result<()> {
    let mut bytes = [0; LEN];
    if sys::read_memory(pid, at, &mut bytes)? == LEN {
        with(&mut bytes);
        sys::write_memory(pid, at, &bytes)?;
    }
    Ok(())
}

/// How long after the epoch a `timespec` is; nothing where it is none, and the call says so itself.
fn duration(timespec: &[u8; TIMESPEC], epoch: Time) -> Option<Duration> {
    let (seconds, nanos) = timespec.split_first_chunk::<8>()?;
    let nanos = i64::from_ne_bytes(*nanos.first_chunk()?);
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    let seconds = i64::from_ne_bytes(*seconds).saturating_sub(epoch.secs);
    Some(u64::try_from(seconds).map_or(Duration::ZERO, |seconds| Duration::new(seconds, nanos)))
}
