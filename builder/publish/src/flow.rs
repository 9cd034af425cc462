//! How many requests are under way at a time, and how many in a second: more while all goes well, half as many when
//! the service throttles (additive increase, multiplicative decrease), no more than are of use ([`super::width`]), and
//! never more in a second than a snapshot's quota.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::backoff::Pace;
use super::fault::{ServiceError, ServiceErrorKind};
use super::retry::FaultListener;
use super::width::Concurrency;

/// Requests under way at first, and at most: what the memory for blocks allows.
pub const MOST: u32 = 64;

/// Requests of a kind that a snapshot takes in a second, less a margin for what else the account does.
pub const RATE: u32 = 950;

/// Throttles within this time of a cut are answers to requests that were under way before it.
const SETTLE: Duration = Duration::from_secs(1);

/// A gate that every request passes.
#[derive(Debug)]
pub struct RateLimiter {
    pace: Pace,
    /// Time between two requests.
    gap: Duration,
    state: Mutex<FlowState>,
    left: Notify,
}

#[derive(Debug)]
struct FlowState {
    limit: f64,
    width: Concurrency,
    active: u32,
    /// When the next request may pass.
    next: Duration,
    /// When the limit was last cut.
    cut: Option<Duration>,
    throttled: u64,
}

/// A request that is under way.
#[derive(Debug)]
pub struct Passed<'a>(&'a RateLimiter);

impl RateLimiter {
    /// A gate for `rate` requests in a second; no limit when zero.
    pub fn new(pace: Pace, rate: u32) -> Self {
        let gap = if rate == 0 { Duration::ZERO } else { Duration::from_secs(1) / rate };
        let state = FlowState {
            limit: f64::from(MOST),
            width: Concurrency::new(MOST),
            active: 0,
            next: Duration::ZERO,
            cut: None,
            throttled: 0,
        };
        Self { pace, gap, state: Mutex::new(state), left: Notify::new() }
    }

    /// Waits until one more request may be made.
    pub async fn pass(&self) -> Passed<'_> {
        let wait = loop {
            let left = self.left.notified();
            if let Some(wait) = self.try_pass() {
                break wait;
            }
            left.await;
        };
        // From here on the request counts, also when this future is dropped while it waits.
        let passed = Passed(self);
        if !wait.is_zero() {
            self.pace.sleep(wait).await;
        }
        passed
    }

    /// Throttles that were met.
    pub fn throttled(&self) -> u64 {
        self.state().throttled
    }

    /// How many requests may be under way now.
    pub fn room(&self) -> u32 {
        self.state().room()
    }

    /// Takes a place if there is one; tells how long to wait for its turn.
    fn try_pass(&self) -> Option<Duration> {
        let mut state = self.state();
        if state.active >= state.room() {
            return None;
        }
        state.active += 1;
        if self.gap.is_zero() {
            return Some(Duration::ZERO);
        }
        let now = self.pace.now();
        let turn = state.next.max(now);
        state.next = turn + self.gap;
        Some(turn.saturating_sub(now))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, FlowState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FlowState {
    fn room(&self) -> u32 {
        (self.limit as u32).min(self.width.get())
    }

    /// A request was answered well.
    fn well(&mut self, now: Duration) {
        self.limit = (self.limit + 1.0 / self.limit).min(f64::from(MOST));
        self.width.answered(now);
    }
}

impl Passed<'_> {
    /// The request was answered well.
    pub fn well(self) {
        let now = self.0.pace.now();
        self.0.state().well(now);
    }
}

impl Drop for Passed<'_> {
    fn drop(&mut self) {
        self.0.state().active -= 1;
        self.0.left.notify_one();
    }
}

impl FaultListener for RateLimiter {
    fn met(&self, fault: &ServiceError) {
        if !matches!(fault.kind, ServiceErrorKind::Throttled | ServiceErrorKind::TimedOut) {
            return;
        }
        let now = self.pace.now();
        let mut state = self.state();
        state.throttled += u64::from(fault.kind == ServiceErrorKind::Throttled);
        if state.cut.is_none_or(|cut| now >= cut + SETTLE) {
            state.limit = (state.limit / 2.0).max(1.0);
            state.cut = Some(now);
            state.width.disturbed();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::backoff::MonotonicClock;

    fn flow(rate: u32) -> RateLimiter {
        RateLimiter::new(Pace::new(Arc::new(MonotonicClock::default()), 1), rate)
    }

    fn limit(flow: &RateLimiter) -> f64 {
        flow.state().limit
    }

    #[test]
    fn a_throttle_halves_and_a_burst_of_them_counts_once() {
        let flow = flow(0);
        let throttle = ServiceError::own(ServiceErrorKind::Throttled, "");
        for _ in 0..20 {
            flow.met(&throttle);
        }
        assert!((limit(&flow) - 32.0).abs() < f64::EPSILON, "{}", limit(&flow));
        assert_eq!(flow.throttled(), 20);
        flow.met(&ServiceError::own(ServiceErrorKind::Service, ""));
        assert!((limit(&flow) - 32.0).abs() < f64::EPSILON);
        for _ in 0..33 {
            flow.state().well(Duration::ZERO);
        }
        assert!(limit(&flow) > 33.0 && limit(&flow) < 33.1, "one more for a round of answers");
    }

    #[test]
    fn no_more_pass_than_the_limit_and_a_place_that_is_left_is_taken() {
        let flow = flow(0);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut passed = Vec::new();
            for _ in 0..MOST {
                passed.push(flow.pass().await);
            }
            assert!(flow.try_pass().is_none());
            passed.pop();
            let _next = flow.pass().await;
            assert!(flow.try_pass().is_none());
        });
    }

    #[test]
    fn turns_are_a_gap_apart() {
        let flow = flow(100);
        let waits: Vec<_> = (0..4).map(|_| flow.try_pass().unwrap()).collect();
        assert!(waits[0].is_zero() && waits[3] > Duration::from_millis(20), "{waits:?}");
        assert!(waits.is_sorted() && waits[3] <= Duration::from_millis(30), "{waits:?}");
    }
}
