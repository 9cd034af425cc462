//! Waiting between retries: exponential backoff with full jitter, on a clock and with a random source that tests
//! replace.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use amiforge_progress::CancelToken;

/// A clock. Tests use one on which sleeping takes no time.
pub trait PublishClock: fmt::Debug + Send + Sync {
    /// Time since a fixed moment; never decreases.
    fn now(&self) -> Duration;
    /// Sleeps.
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The monotonic clock of the machine.
#[derive(Debug, Clone, Copy)]
pub struct MonotonicClock(Instant);

impl Default for MonotonicClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl PublishClock for MonotonicClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// Interval at which an interrupt is checked while something else is awaited.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Maximum time that a call in progress may take after an interrupt, so that its result is recorded.
const GRACE_PERIOD: Duration = Duration::from_secs(1);

/// A clock, a random source, and the interrupt that ends waiting. Clones share the random source.
#[derive(Debug, Clone)]
pub struct Timer {
    clock: Arc<dyn PublishClock>,
    random: Arc<AtomicU64>,
    cancel: Option<CancelToken>,
}

impl Default for Timer {
    /// The machine's clock, and a random seed per process: clients that were throttled together must not retry
    /// together.
    fn default() -> Self {
        Self::new(Arc::new(MonotonicClock::default()), RandomState::new().hash_one(std::process::id()))
    }
}

impl Timer {
    /// A timer with this clock, whose random numbers follow from the seed.
    pub fn new(clock: Arc<dyn PublishClock>, seed: u64) -> Self {
        Self { clock, random: Arc::new(AtomicU64::new(seed)), cancel: None }
    }

    /// The same, for work that ends when `cancel` is cancelled.
    #[must_use]
    pub fn with_cancel(&self, cancel: &CancelToken) -> Self {
        Self { cancel: Some(cancel.clone()), ..self.clone() }
    }

    /// Whether the work should stop.
    pub fn is_interrupted(&self) -> bool {
        self.cancel.as_ref().is_some_and(CancelToken::is_cancelled)
    }

    /// The output of a call; `None` if the work is interrupted before it begins, or more than `GRACE_PERIOD` before
    /// it ends.
    pub async fn run<F: Future>(&self, call: F) -> Option<F::Output> {
        let Some(interrupt) = &self.cancel else { return Some(call.await) };
        if interrupt.is_cancelled() {
            return None;
        }
        tokio::select! {
            biased;
            done = call => Some(done),
            () = async {
                until_cancelled(interrupt).await;
                tokio::time::sleep(GRACE_PERIOD).await;
            } => None,
        }
    }

    /// Waits until the time has elapsed or the work is interrupted.
    pub async fn wait(&self, time: Duration) -> WaitOutcome {
        let Some(interrupt) = &self.cancel else {
            self.sleep(time).await;
            return WaitOutcome::Elapsed;
        };
        if interrupt.is_cancelled() {
            return WaitOutcome::Interrupted;
        }
        tokio::select! {
            biased;
            () = self.sleep(time) => WaitOutcome::Elapsed,
            () = until_cancelled(interrupt) => WaitOutcome::Interrupted,
        }
    }

    /// Time since a fixed moment.
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Sleeps.
    pub async fn sleep(&self, time: Duration) {
        self.clock.sleep(time).await;
    }

    /// A random number of 64 bits (`SplitMix64`, which maps each state of the counter to a different number).
    pub fn random(&self) -> u64 {
        let mut z = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The delay after `attempts` failed attempts, at least one: uniform between zero and a ceiling that doubles with
    /// every attempt.
    pub fn delay(&self, backoff: Backoff, attempts: u32) -> Duration {
        let ceiling = backoff.ceiling(attempts).as_micros() as u64;
        Duration::from_micros(self.random() % (ceiling + 1))
    }
}

/// The outcome of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitOutcome {
    /// The whole time elapsed.
    Elapsed,
    /// The work was interrupted.
    Interrupted,
}

/// Returns when an interrupt is raised, by the machine's clock: signal handlers can raise a flag and wake no task.
pub async fn until_cancelled(cancel: &CancelToken) {
    while !cancel.is_cancelled() {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Bounds of a delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Ceiling of the first delay.
    pub initial: Duration,
    /// Maximum ceiling.
    pub max: Duration,
}

impl Backoff {
    fn ceiling(self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(20);
        self.initial.saturating_mul(1 << doublings).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(200), max: Duration::from_secs(10) };

    #[test]
    fn delays_are_uniform_below_a_doubling_ceiling() {
        let timer = Timer::new(Arc::new(MonotonicClock::default()), 7);
        for (attempts, ceiling) in [(1, 200), (2, 400), (3, 800), (6, 6400), (7, 10_000), (40, 10_000)] {
            let waits: Vec<_> = (0..500).map(|_| timer.delay(BACKOFF, attempts).as_millis()).collect();
            let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
            assert!(*most <= ceiling && *most > ceiling * 9 / 10, "{attempts}: {most}");
            assert!(*least < ceiling / 10, "{attempts}: {least}");
        }
    }

    #[test]
    fn random_numbers_follow_from_the_seed() {
        let draw = |seed| {
            let timer = Timer::new(Arc::new(MonotonicClock::default()), seed);
            [timer.random(), timer.random()]
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
