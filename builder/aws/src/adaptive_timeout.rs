//! How long the transfer of a block is waited for: little at first, so that a request that hangs costs little, and more
//! after each that took longer, so that a slow line, whose rate all blocks share, gets everything through.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many times the first wait the longest one is: five attempts fit into the two minutes of a step.
const MAX_FACTOR: u64 = 3;

/// How long to wait for a block, in milliseconds.
#[derive(Debug)]
pub(super) struct AdaptiveTimeout {
    initial: u64,
    current: AtomicU64,
}

impl AdaptiveTimeout {
    pub(super) fn new(initial: Duration) -> Self {
        let initial = u64::try_from(initial.as_millis()).unwrap_or(u64::MAX);
        Self { initial, current: AtomicU64::new(initial) }
    }

    /// How long to wait now.
    pub(super) fn get(&self) -> Duration {
        Duration::from_millis(self.current.load(Ordering::Relaxed))
    }

    /// A transfer took longer than `timeout`. Of many that were begun together only the first counts.
    pub(super) fn record_timeout(&self, timeout: Duration) {
        if timeout >= self.get() {
            let longer = self.current.load(Ordering::Relaxed).saturating_mul(3) / 2;
            self.current.store(longer.min(self.initial.saturating_mul(MAX_FACTOR)), Ordering::Relaxed);
        }
    }

    /// A transfer took so long: well within the first wait, there is no need of more.
    pub(super) fn record_transfer(&self, time: Duration) {
        if time < Duration::from_millis(self.initial / 2) {
            self.current.store(self.initial, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_line_is_given_more_time_and_a_quick_one_less() {
        let second = Duration::from_secs(1);
        let timeout = AdaptiveTimeout::new(10 * second);
        timeout.record_timeout(10 * second);
        timeout.record_timeout(10 * second);
        assert_eq!(timeout.get(), 15 * second, "one burst counts once");
        for _ in 0..5 {
            timeout.record_timeout(timeout.get());
        }
        assert_eq!(timeout.get(), 30 * second);
        timeout.record_transfer(8 * second);
        assert_eq!(timeout.get(), 30 * second);
        timeout.record_transfer(second);
        assert_eq!(timeout.get(), 10 * second);
    }
}
