//! How many requests are under way at a time, and how many in a second: more while all goes well, half as many when
//! the service throttles (additive increase, multiplicative decrease), no more than are of use ([`super::concurrency`]), and
//! never more in a second than a snapshot's quota.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::concurrency::Concurrency;
use super::retry::ErrorObserver;
use super::service_error::{ServiceError, ServiceErrorKind};
use super::timer::Timer;

/// Requests under way at first, and at most: what the memory for blocks allows.
pub const MAX_IN_FLIGHT: u32 = 64;

/// Requests of a kind that a snapshot takes in a second, less a margin for what else the account does.
pub const DEFAULT_RATE: u32 = 950;

/// Throttles within this time of a cut are answers to requests that were under way before it.
const CUT_COOLDOWN: Duration = Duration::from_secs(1);

/// A gate that every request passes.
#[derive(Debug)]
pub struct RateLimiter {
    timer: Timer,
    /// Time between two requests.
    interval: Duration,
    state: Mutex<LimiterState>,
    released: Notify,
}

#[derive(Debug)]
struct LimiterState {
    limit: f64,
    concurrency: Concurrency,
    active: u32,
    /// When the next request may pass.
    next: Duration,
    /// When the limit was last cut.
    last_cut: Option<Duration>,
    throttled: u64,
}

/// A request that is under way.
#[derive(Debug)]
pub struct Permit<'a>(&'a RateLimiter);

impl RateLimiter {
    /// A gate for `rate` requests in a second; no limit when zero.
    pub fn new(timer: Timer, rate: u32) -> Self {
        let interval = if rate == 0 { Duration::ZERO } else { Duration::from_secs(1) / rate };
        let state = LimiterState {
            limit: f64::from(MAX_IN_FLIGHT),
            concurrency: Concurrency::new(MAX_IN_FLIGHT),
            active: 0,
            next: Duration::ZERO,
            last_cut: None,
            throttled: 0,
        };
        Self { timer, interval, state: Mutex::new(state), released: Notify::new() }
    }

    /// Waits until one more request may be made.
    pub async fn acquire(&self) -> Permit<'_> {
        let wait = loop {
            let released = self.released.notified();
            if let Some(wait) = self.try_acquire() {
                break wait;
            }
            released.await;
        };
        // From here on the request counts, also when this future is dropped while it waits.
        let permit = Permit(self);
        if !wait.is_zero() {
            self.timer.sleep(wait).await;
        }
        permit
    }

    /// Throttles that were met.
    pub fn throttled(&self) -> u64 {
        self.state().throttled
    }

    /// How many requests may be under way now.
    pub fn in_flight_limit(&self) -> u32 {
        self.state().in_flight_limit()
    }

    /// Takes a place if there is one; tells how long to wait for its turn.
    fn try_acquire(&self) -> Option<Duration> {
        let mut state = self.state();
        if state.active >= state.in_flight_limit() {
            return None;
        }
        state.active += 1;
        if self.interval.is_zero() {
            return Some(Duration::ZERO);
        }
        let now = self.timer.now();
        let start = state.next.max(now);
        state.next = start + self.interval;
        Some(start.saturating_sub(now))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, LimiterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LimiterState {
    fn in_flight_limit(&self) -> u32 {
        (self.limit as u32).min(self.concurrency.get())
    }

    /// A request was answered well.
    fn succeeded(&mut self, now: Duration) {
        self.limit = (self.limit + 1.0 / self.limit).min(f64::from(MAX_IN_FLIGHT));
        self.concurrency.record_success(now);
    }
}

impl Permit<'_> {
    /// The request was answered well.
    pub fn succeeded(self) {
        let now = self.0.timer.now();
        self.0.state().succeeded(now);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.state().active -= 1;
        self.0.released.notify_one();
    }
}

impl ErrorObserver for RateLimiter {
    fn on_error(&self, error: &ServiceError) {
        if !matches!(error.kind, ServiceErrorKind::Throttled | ServiceErrorKind::TimedOut) {
            return;
        }
        let now = self.timer.now();
        let mut state = self.state();
        state.throttled += u64::from(error.kind == ServiceErrorKind::Throttled);
        if state.last_cut.is_none_or(|last_cut| now >= last_cut + CUT_COOLDOWN) {
            state.limit = (state.limit / 2.0).max(1.0);
            state.last_cut = Some(now);
            state.concurrency.discard_window();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::timer::MonotonicClock;

    fn limiter(rate: u32) -> RateLimiter {
        RateLimiter::new(Timer::new(Arc::new(MonotonicClock::default()), 1), rate)
    }

    fn limit(limiter: &RateLimiter) -> f64 {
        limiter.state().limit
    }

    #[test]
    fn a_throttle_halves_and_a_burst_of_them_counts_once() {
        let limiter = limiter(0);
        let throttle = ServiceError::local(ServiceErrorKind::Throttled, "");
        for _ in 0..20 {
            limiter.on_error(&throttle);
        }
        assert!((limit(&limiter) - 32.0).abs() < f64::EPSILON, "{}", limit(&limiter));
        assert_eq!(limiter.throttled(), 20);
        limiter.on_error(&ServiceError::local(ServiceErrorKind::Service, ""));
        assert!((limit(&limiter) - 32.0).abs() < f64::EPSILON);
        for _ in 0..33 {
            limiter.state().succeeded(Duration::ZERO);
        }
        assert!(limit(&limiter) > 33.0 && limit(&limiter) < 33.1, "one more for a round of answers");
    }

    #[test]
    fn no_more_pass_than_the_limit_and_a_place_that_is_left_is_taken() {
        let limiter = limiter(0);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut permit = Vec::new();
            for _ in 0..MAX_IN_FLIGHT {
                permit.push(limiter.acquire().await);
            }
            assert!(limiter.try_acquire().is_none());
            permit.pop();
            let _next = limiter.acquire().await;
            assert!(limiter.try_acquire().is_none());
        });
    }

    #[test]
    fn turns_are_a_gap_apart() {
        let limiter = limiter(100);
        let waits: Vec<_> = (0..4).map(|_| limiter.try_acquire().unwrap()).collect();
        assert!(waits[0].is_zero() && waits[3] > Duration::from_millis(20), "{waits:?}");
        assert!(waits.is_sorted() && waits[3] <= Duration::from_millis(30), "{waits:?}");
    }
}
