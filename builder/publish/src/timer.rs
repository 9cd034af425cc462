//! How long to wait before asking again: exponential with full jitter, by a clock and a source of chance that tests
//! replace.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use amiforge_progress::CancelToken;

/// Time as publishing sees it. Tests bring a clock on which waiting takes no time.
pub trait PublishClock: fmt::Debug + Send + Sync {
    /// Time since some moment in the past; never goes back.
    fn now(&self) -> Duration;
    /// Waits.
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The machine's clock.
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

/// How often an interrupt is looked at while something else is awaited.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long a call that is under way when an interrupt comes may take to end, so that what it achieves is noted.
const GRACE_PERIOD: Duration = Duration::from_secs(1);

/// A clock and a source of chance, shared by everything that waits, and what stops the waiting.
#[derive(Debug, Clone)]
pub struct Timer {
    clock: Arc<dyn PublishClock>,
    random: Arc<AtomicU64>,
    cancel: Option<CancelToken>,
}

impl Default for Timer {
    /// The machine's clock, and chance that no two processes share: clients that were throttled together should not
    /// come back together.
    fn default() -> Self {
        Self::new(Arc::new(MonotonicClock::default()), RandomState::new().hash_one(std::process::id()))
    }
}

impl Timer {
    /// Any clock, and chance that follows from a seed.
    pub fn new(clock: Arc<dyn PublishClock>, seed: u64) -> Self {
        Self { clock, random: Arc::new(AtomicU64::new(seed)), cancel: None }
    }

    /// The same, for work that ends when `cancel` is cancelled.
    #[must_use]
    pub fn with_cancel(&self, cancel: &CancelToken) -> Self {
        Self { cancel: Some(cancel.clone()), ..self.clone() }
    }

    /// Whether work should stop now.
    pub fn is_interrupted(&self) -> bool {
        self.cancel.as_ref().is_some_and(CancelToken::is_cancelled)
    }

    /// What a call gives; nothing if the work is stopped before it begins, or for longer than a second while it runs.
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

    /// Waits, unless the work is stopped meanwhile; tells which.
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

    /// Time since some moment in the past.
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Waits.
    pub async fn sleep(&self, time: Duration) {
        self.clock.sleep(time).await;
    }

    /// A number of 64 bits (`SplitMix64`: every state of the counter gives another).
    pub fn random(&self) -> u64 {
        let mut z = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// How long to wait after `tries` tries that failed, at least one: anything from zero to a ceiling that doubles
    /// with every try.
    pub fn delay(&self, backoff: Backoff, tries: u32) -> Duration {
        let ceiling = backoff.ceiling(tries).as_micros() as u64;
        Duration::from_micros(self.random() % (ceiling + 1))
    }
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitOutcome {
    /// All of it passed.
    Elapsed,
    /// The work was stopped before its end.
    Interrupted,
}

/// Returns when an interrupt is raised, by the machine's clock: signal handlers can raise a flag and wake no task.
pub async fn until_cancelled(cancel: &CancelToken) {
    while !cancel.is_cancelled() {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Bounds of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Ceiling of the first wait.
    pub initial: Duration,
    /// Ceiling of every wait.
    pub max: Duration,
}

impl Backoff {
    fn ceiling(self, tries: u32) -> Duration {
        let doublings = tries.saturating_sub(1).min(20);
        self.initial.saturating_mul(1 << doublings).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(200), max: Duration::from_secs(10) };

    #[test]
    fn waits_spread_over_a_ceiling_that_doubles_and_ends() {
        let timer = Timer::new(Arc::new(MonotonicClock::default()), 7);
        for (tries, ceiling) in [(1, 200), (2, 400), (3, 800), (6, 6400), (7, 10_000), (40, 10_000)] {
            let waits: Vec<_> = (0..500).map(|_| timer.delay(BACKOFF, tries).as_millis()).collect();
            let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
            assert!(*most <= ceiling && *most > ceiling * 9 / 10, "{tries}: {most}");
            assert!(*least < ceiling / 10, "{tries}: {least}");
        }
    }

    #[test]
    fn chance_follows_from_its_seed() {
        let draw = |seed| {
            let timer = Timer::new(Arc::new(MonotonicClock::default()), seed);
            [timer.random(), timer.random()]
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
