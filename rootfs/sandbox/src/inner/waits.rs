//! Timeouts of system calls, and the results by which a call shows that its timeout has passed. The emulated clock
//! advances by those: otherwise a program that sleeps until a time would sleep forever.

use std::time::Duration;

use rustix::process::Pid;
use rustix::time::ClockId;

use super::super::sys;

/// Bytes of a `timespec` and of a `timeval`.
pub(super) const TIMESPEC: usize = 16;

/// Operations of `futex(2)` that wait, without their flags.
pub(super) const FUTEX_WAIT: u64 = 0;
pub(super) const FUTEX_WAIT_BITSET: u64 = 9;

/// Flags of a futex that do not change what it does.
const FUTEX_FLAGS: u64 = (libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME) as u64;

/// The timeout of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sleep {
    pub(super) length: Duration,
    /// The result of the call when the timeout has passed.
    pub(super) timeout_result: i64,
}

/// The timeout of a call with these arguments, if it has one that is relative to now, or to a clock that counts from boot.
pub(super) fn sleep(pid: Pid, call: libc::c_long, arguments: [u64; 6]) -> Option<Sleep> {
    let [first, second, third, fourth, fifth, _] = arguments;
    let timed_out = -i64::from(libc::ETIMEDOUT);
    let no_signal = -i64::from(libc::EAGAIN);
    let absolute = second & libc::TIMER_ABSTIME as u64 != 0;
    let (length, timeout_result) = match call {
        libc::SYS_nanosleep => (timespec(pid, first), 0),
        libc::SYS_clock_nanosleep if absolute => (until(first, timespec(pid, third)), 0),
        libc::SYS_clock_nanosleep | libc::SYS_ppoll => (timespec(pid, third), 0),
        libc::SYS_select => (pair(pid, fifth, 1000), 0),
        libc::SYS_pselect6 => (timespec(pid, fifth), 0),
        libc::SYS_poll => (milliseconds(third), 0),
        libc::SYS_epoll_wait | libc::SYS_epoll_pwait => (milliseconds(fourth), 0),
        libc::SYS_epoll_pwait2 => (timespec(pid, fourth), 0),
        libc::SYS_futex if second & !FUTEX_FLAGS == FUTEX_WAIT => (timespec(pid, fourth), timed_out),
        libc::SYS_futex if second & !FUTEX_FLAGS == FUTEX_WAIT_BITSET => {
            (until(libc::CLOCK_MONOTONIC as u64, timespec(pid, fourth)), timed_out)
        }
        libc::SYS_rt_sigtimedwait => (timespec(pid, third), no_signal),
        libc::SYS_semtimedop => (timespec(pid, fourth), no_signal),
        _ => (None, 0),
    };
    length.filter(|length| !length.is_zero()).map(|length| Sleep { length, timeout_result })
}

/// A number of milliseconds, as an `int`; none if negative, which waits without a timeout.
fn milliseconds(argument: u64) -> Option<Duration> {
    let count = i32::from_ne_bytes(*argument.to_ne_bytes().first_chunk()?);
    u64::try_from(count).ok().map(Duration::from_millis)
}

fn timespec(pid: Pid, at: u64) -> Option<Duration> {
    pair(pid, at, 1)
}

/// Seconds, and a fraction in units of `unit` nanoseconds; none for a null pointer, or where the kernel reports the error.
fn pair(pid: Pid, at: u64, unit: u64) -> Option<Duration> {
    if at == 0 {
        return None;
    }
    let mut bytes = [0; TIMESPEC];
    if sys::read_memory(pid, at, &mut bytes).ok() != Some(TIMESPEC) {
        return None;
    }
    length(&bytes, unit)
}

fn length(bytes: &[u8; TIMESPEC], unit: u64) -> Option<Duration> {
    let (seconds, parts) = bytes.split_first_chunk::<8>()?;
    let seconds = u64::try_from(i64::from_ne_bytes(*seconds)).ok()?;
    let parts = u64::try_from(i64::from_ne_bytes(*parts.first_chunk()?)).ok()?;
    let nanos = parts.checked_mul(unit).filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(seconds, nanos as u32))
}

/// The time left until `end` on a clock that counts from boot. A little has passed since the program computed it, so it is
/// rounded up to the duration that the program probably used.
fn until(clock: u64, end: Option<Duration>) -> Option<Duration> {
    let clock = match clock as i32 {
        libc::CLOCK_MONOTONIC => ClockId::Monotonic,
        libc::CLOCK_BOOTTIME => ClockId::Boottime,
        _ => return None,
    };
    let now = rustix::time::clock_gettime(clock);
    let now = Duration::new(now.tv_sec.try_into().ok()?, now.tv_nsec.try_into().ok()?);
    Some(rounded(end?.checked_sub(now)?))
}

/// Rounded up to a multiple of 10 ms, or of 100 ms from a second on.
fn rounded(length: Duration) -> Duration {
    let step = if length < Duration::from_secs(1) { 10 } else { 100 };
    let count = length.as_nanos().div_ceil(step * 1_000_000);
    u64::try_from(count * step).map_or(length, Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_as_long_as_its_argument_says() {
        assert_eq!(milliseconds(250), Some(Duration::from_millis(250)));
        assert_eq!(milliseconds(0xffff_ffff), None);
        let of = |seconds: i64, parts: i64, unit| {
            let bytes = [seconds.to_ne_bytes(), parts.to_ne_bytes()].concat();
            length(bytes.first_chunk().unwrap(), unit)
        };
        assert_eq!(of(1, 500_000_000, 1), Some(Duration::from_millis(1500)));
        assert_eq!(of(1, 500_000, 1000), Some(Duration::from_millis(1500)));
        assert_eq!(of(-1, 0, 1), None);
        assert_eq!(of(0, 1_000_000_000, 1), None);
    }

    #[test]
    fn a_wait_until_a_time_is_rounded_up() {
        assert_eq!(rounded(Duration::from_micros(499_200)), Duration::from_millis(500));
        assert_eq!(rounded(Duration::from_micros(2_950_001)), Duration::from_secs(3));
        assert_eq!(rounded(Duration::from_micros(1)), Duration::from_millis(10));
    }
}
