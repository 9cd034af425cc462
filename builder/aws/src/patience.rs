//! How long the transfer of a block is waited for: little at first, so that a request that hangs costs little, and more
//! after each that took longer, so that a slow line, whose rate all blocks share, gets everything through.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many times the first wait the longest one is: five attempts fit into the two minutes of a step.
const MOST: u64 = 3;

/// How long to wait for a block, in milliseconds.
#[derive(Debug)]
pub(super) struct Patience {
    first: u64,
    now: AtomicU64,
}

impl Patience {
    pub(super) fn new(first: Duration) -> Self {
        let first = u64::try_from(first.as_millis()).unwrap_or(u64::MAX);
        Self { first, now: AtomicU64::new(first) }
    }

    /// How long to wait now.
    pub(super) fn get(&self) -> Duration {
        Duration::from_millis(self.now.load(Ordering::Relaxed))
    }

    /// A transfer took longer than `waited`. Of many that were begun together only the first counts.
    pub(super) fn lost(&self, waited: Duration) {
        if waited >= self.get() {
            let longer = self.now.load(Ordering::Relaxed).saturating_mul(3) / 2;
            self.now.store(longer.min(self.first.saturating_mul(MOST)), Ordering::Relaxed);
        }
    }

    /// A transfer took so long: well within the first wait, there is no need of more.
    pub(super) fn took(&self, time: Duration) {
        if time < Duration::from_millis(self.first / 2) {
            self.now.store(self.first, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_line_is_given_more_time_and_a_quick_one_less() {
        let second = Duration::from_secs(1);
        let patience = Patience::new(10 * second);
        patience.lost(10 * second);
        patience.lost(10 * second);
        assert_eq!(patience.get(), 15 * second, "one burst counts once");
        for _ in 0..5 {
            patience.lost(patience.get());
        }
        assert_eq!(patience.get(), 30 * second);
        patience.took(8 * second);
        assert_eq!(patience.get(), 30 * second);
        patience.took(second);
        assert_eq!(patience.get(), 10 * second);
    }
}
