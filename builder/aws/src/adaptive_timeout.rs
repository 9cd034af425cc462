//! The timeout for the transfer of a block: short at first, so that a request that hangs costs little, and longer after
//! each timeout, so that a slow line, whose rate all blocks share, transfers all of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Ratio of the longest timeout to the initial one: five attempts fit into the two minutes of a step.
const MAX_FACTOR: u64 = 3;

/// The current timeout for a block, in milliseconds.
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

    /// The current timeout.
    pub(super) fn get(&self) -> Duration {
        Duration::from_millis(self.current.load(Ordering::Relaxed))
    }

    /// Records that a transfer exceeded `timeout`. Of several transfers that were started together only the first
    /// counts.
    pub(super) fn record_timeout(&self, timeout: Duration) {
        if timeout >= self.get() {
            let longer = self.current.load(Ordering::Relaxed).saturating_mul(3) / 2;
            self.current.store(longer.min(self.initial.saturating_mul(MAX_FACTOR)), Ordering::Relaxed);
        }
    }

    /// Records the time of a transfer. Well within the initial timeout, the timeout is reset.
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
    fn a_slow_line_gets_a_longer_timeout_and_a_fast_one_a_shorter() {
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
