//! The useful number of concurrent requests: the smallest one that reaches the same rate.
//!
//! A service with a latency of tens of milliseconds needs many concurrent requests. A near service or a slow line does
//! not: there, queued blocks leave the processor's cache, fill buffers at both ends and may time out. The rate is the
//! only measure of which case applies: half as many requests are tried for a while, and kept if the rate stays; after a
//! rest, twice as many are tried, and kept if the rate grows. Does not handle throttling.

use std::time::Duration;

/// Minimum number of concurrent requests.
const MIN: u32 = 8;

/// A rate is measured over this many responses per concurrent request, so that all of them contribute.
const ANSWERS_PER_SLOT: u32 = 3;

/// Minimum duration of a measurement.
const MIN_WINDOW: Duration = Duration::from_millis(40);

/// Relative difference below which two rates count as equal.
const TOLERANCE: f64 = 0.05;

/// Rest after a trial that was not kept; doubled each time.
const REST: Duration = Duration::from_secs(1);

/// Maximum rest.
const MAX_REST: Duration = Duration::from_secs(30);

/// The current number of concurrent requests.
#[derive(Debug)]
pub(super) struct Concurrency {
    current: u32,
    max: u32,
    phase: WindowPhase,
    /// Start of the measurement, and responses since.
    window: Option<(Duration, u32)>,
    /// The trial after the next rest.
    next: Trial,
    rest: Duration,
}

/// Purpose of the current window.
#[derive(Debug, Clone, Copy, PartialEq)]
enum WindowPhase {
    /// Ignored: connections are being made, or the number has just changed.
    Settle { then: Measure },
    /// Measures a rate.
    Measure(Measure),
    /// Rests until this time.
    Rest { until: Duration },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Measure {
    /// Rate of the current number.
    Base,
    /// Rate of a trial, with the rate of the previous number.
    Trial { trial: Trial, base: f64 },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Trial {
    Half,
    Twice,
}

impl Concurrency {
    /// Starts with the maximum.
    pub(super) fn new(max: u32) -> Self {
        let phase = WindowPhase::Settle { then: Measure::Base };
        Self { current: max, max, phase, window: None, next: Trial::Half, rest: REST }
    }

    /// The number of concurrent requests.
    pub(super) fn get(&self) -> u32 {
        self.current
    }

    /// Records a successful response.
    pub(super) fn record_success(&mut self, now: Duration) {
        if let WindowPhase::Rest { until } = self.phase {
            if now >= until {
                self.enter(WindowPhase::Measure(Measure::Base));
            }
            return;
        }
        let (since, answers) = self.window.get_or_insert((now, 0));
        *answers += 1;
        let time = now.saturating_sub(*since);
        if *answers < ANSWERS_PER_SLOT * self.current || time < MIN_WINDOW {
            return;
        }
        let rate = f64::from(*answers) / time.as_secs_f64();
        self.decide(rate, now);
    }

    /// Discards a measurement that was disturbed.
    pub(super) fn discard_window(&mut self) {
        self.window = None;
    }

    fn decide(&mut self, rate: f64, now: Duration) {
        match self.phase {
            WindowPhase::Settle { then } => self.enter(WindowPhase::Measure(then)),
            WindowPhase::Measure(Measure::Base) => self.start_trial(rate, now),
            WindowPhase::Measure(Measure::Trial { trial, base }) => {
                let keep = match trial {
                    Trial::Half => rate >= base * (1.0 - TOLERANCE),
                    Trial::Twice => rate >= base * (1.0 + TOLERANCE),
                };
                if keep {
                    self.rest = REST;
                    self.next = trial;
                    self.start_trial(rate, now);
                } else {
                    self.current = match trial {
                        Trial::Half => self.current * 2,
                        Trial::Twice => self.current / 2,
                    };
                    self.next = if trial == Trial::Half { Trial::Twice } else { Trial::Half };
                    self.start_rest(now);
                }
            }
            WindowPhase::Rest { .. } => {}
        }
    }

    /// Starts the next trial, unless it would leave the bounds.
    fn start_trial(&mut self, base: f64, now: Duration) {
        let (concurrency, other) = match self.next {
            Trial::Half => (self.current / 2, Trial::Twice),
            Trial::Twice => (self.current * 2, Trial::Half),
        };
        if concurrency < MIN || concurrency > self.max {
            self.next = other;
            self.start_rest(now);
            return;
        }
        self.current = concurrency;
        self.enter(WindowPhase::Settle { then: Measure::Trial { trial: self.next, base } });
    }

    fn start_rest(&mut self, now: Duration) {
        self.enter(WindowPhase::Rest { until: now + self.rest });
        self.rest = (self.rest * 2).min(MAX_REST);
    }

    fn enter(&mut self, phase: WindowPhase) {
        self.phase = phase;
        self.window = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Simulates responses for a time at the rate of the current number, and returns the number at the end.
    fn run_for(
        concurrency: &mut Concurrency,
        now: &mut Duration,
        time: Duration,
        rate: impl Fn(u32) -> f64,
    ) -> u32 {
        let end = *now + time;
        while *now < end {
            *now += Duration::from_secs_f64(1.0 / rate(concurrency.get()));
            concurrency.record_success(*now);
        }
        concurrency.get()
    }

    #[test]
    fn a_near_service_gets_few_concurrent_requests_and_a_far_one_many() {
        let mut nearby = Concurrency::new(64);
        let mut now = Duration::ZERO;
        let settled = run_for(&mut nearby, &mut now, Duration::from_secs(3), |_| 1700.0);
        assert!((8..=16).contains(&settled), "{settled}");
        let mut distant = Concurrency::new(64);
        now = Duration::ZERO;
        for _ in 0..50 {
            let settled = run_for(&mut distant, &mut now, Duration::from_secs(1), |concurrency| {
                f64::from(concurrency) * 20.0
            });
            assert!(settled >= 32, "{settled}");
        }
        assert_eq!(distant.get(), 64);
    }

    #[test]
    fn concurrency_grows_again_with_latency() {
        let mut concurrency = Concurrency::new(64);
        let mut now = Duration::ZERO;
        run_for(&mut concurrency, &mut now, Duration::from_secs(3), |_| 1700.0);
        let settled = run_for(&mut concurrency, &mut now, Duration::from_mins(1), |concurrency| {
            f64::from(concurrency) * 20.0
        });
        assert!(settled >= 32, "{settled}");
    }

    #[test]
    fn trials_become_rare_when_they_are_not_kept() {
        let mut concurrency = Concurrency::new(64);
        let mut now = Duration::ZERO;
        let rate = |concurrency: u32| f64::from(concurrency) * 20.0;
        run_for(&mut concurrency, &mut now, Duration::from_secs(100), rate);
        let mut narrow = 0;
        for _ in 0..1000 {
            narrow += u32::from(run_for(&mut concurrency, &mut now, Duration::from_millis(100), rate) < 64);
        }
        assert!(narrow < 50, "{narrow} of 1000 looks");
    }
}
