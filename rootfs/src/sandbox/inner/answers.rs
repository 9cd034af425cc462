//! What programs are told when they ask for the time of day or for random numbers, and how long they wait where they
//! wait until a time of day.
//!
//! Each thread has a clock of its own. It stands at the epoch of the job, and goes on only by what the thread waited
//! for: whoever waits until in a second is woken after a second, and a second has passed. One that asks without end is
//! told of time that goes by, or what spins until a time has come would spin for ever. Random numbers are the same for
//! every process; what loops until its number is a new one draws on.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use amiforge_formats::time::Time;
use rustix::process::Pid;

use super::super::sys::{self, Argument, Registers};

/// The most random bytes given at a time; whoever wants more asks again (getrandom(2)).
const DRAW: u64 = 1 << 16;

/// Questions for the time after which each further one takes [`STEP`].
const PATIENCE: u64 = 10_000;

/// How far a clock moves by being looked at too often.
const STEP: Duration = Duration::from_millis(1);

/// Bytes below the stack that a program may use without telling (System V ABI for x86-64, "The Stack Frame").
const RED_ZONE: u64 = 128;

/// Bytes of a `timespec`.
const TIMESPEC: usize = 16;

/// What is to be done with a program that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// It goes on.
    GoOn,
    /// It makes its call, a wait, and [`Asker::waited`] is called when that is over.
    Wait,
}

/// A thread, and what it was told so far.
pub(super) struct Asker {
    epoch: Time,
    /// How far its clock has gone on.
    passed: Duration,
    /// Questions for the time.
    looks: u64,
    /// Random words that it was given.
    drawn: u64,
    waiting: Option<Wait>,
}

/// A wait until a time of day.
struct Wait {
    argument: Argument,
    /// What the argument was.
    pointer: u64,
    /// Where the clock will be when it is over.
    until: Duration,
}

impl Asker {
    pub(super) fn new(epoch: Time) -> Self {
        Self { epoch, passed: Duration::ZERO, looks: 0, drawn: 0, waiting: None }
    }

    /// Answers the call that the thread stands at.
    pub(super) fn asked(&mut self, pid: Pid) -> io::Result<Then> {
        let mut registers = sys::registers(pid)?;
        let [first, second, third, fourth] = registers.arguments();
        let put = |at: u64, bytes: &[u8]| if at == 0 { Ok(()) } else { sys::write_memory(pid, at, bytes) };
        let (written, result) = match registers.call() {
            libc::SYS_futex => return self.wait(pid, registers, Argument::Fourth, fourth),
            libc::SYS_clock_nanosleep => return self.wait(pid, registers, Argument::Third, third),
            libc::SYS_clock_gettime => (sys::write_memory(pid, second, &self.look(1)), 0),
            libc::SYS_gettimeofday => {
                let time = self.look(1000);
                (put(first, &time).and_then(|()| put(second, &[0; 8])), 0)
            }
            libc::SYS_getrandom => {
                let bytes = self.draw(second.min(DRAW));
                (sys::write_memory(pid, first, &bytes), bytes.len() as i64)
            }
            // `time`, on machines that have it.
            _ => {
                let seconds = self.look(1)[..8].try_into().map_or(self.epoch.secs, i64::from_ne_bytes);
                (put(first, &seconds.to_ne_bytes()), seconds)
            }
        };
        registers.answer(if written.is_ok() { result } else { -i64::from(libc::EFAULT) });
        sys::set_registers(pid, &registers)?;
        Ok(Then::GoOn)
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
        self.waiting = Some(Wait { argument, pointer, until });
        Ok(Then::Wait)
    }

    /// A wait is over.
    pub(super) fn waited(&mut self, pid: Pid) -> io::Result<()> {
        let Some(wait) = self.waiting.take() else { return Ok(()) };
        let mut registers = sys::registers(pid)?;
        let whole = match wait.argument {
            Argument::Third => 0,
            Argument::Fourth => -i64::from(libc::ETIMEDOUT),
        };
        if registers.result() == whole {
            self.passed = self.passed.max(wait.until);
        }
        // Whoever called may take it for unchanged.
        registers.set_argument(wait.argument, wait.pointer);
        sys::set_registers(pid, &registers)
    }

    /// Bytes that look random and follow from how many were drawn (Steele, Lea and Flood, "Fast splittable
    /// pseudorandom number generators", 2014).
    fn draw(&mut self, len: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < len {
            self.drawn += 1;
            let mut word = self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend((word ^ (word >> 31)).to_le_bytes());
        }
        bytes.truncate(len as usize);
        bytes
    }
}

/// How long after the epoch a `timespec` is; nothing where it is none, and the call says so itself.
fn duration(timespec: &[u8; TIMESPEC], epoch: Time) -> Option<Duration> {
    let (seconds, nanos) = timespec.split_first_chunk::<8>()?;
    let nanos = i64::from_ne_bytes(*nanos.first_chunk()?);
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    let seconds = i64::from_ne_bytes(*seconds).saturating_sub(epoch.secs);
    Some(u64::try_from(seconds).map_or(Duration::ZERO, |seconds| Duration::new(seconds, nanos)))
}
