//! How many requests under way are of use: as few as bring the same rate.
//!
//! A service that answers in tens of milliseconds needs many requests at a time; a near one, or a slow line, does not,
//! and what waits on its way has left the processor's cache, fills buffers at both ends and may run into a timeout.
//! Nothing but the rate itself tells which it is: half as many are tried for a while, and kept when as much gets
//! through; after a rest twice as many are tried, and kept when more does. Knows nothing of throttling.

use std::time::Duration;

/// Fewer are never tried.
const MIN: u32 = 8;

/// A rate is taken over so many answers for each request under way, so that all of them count.
const ANSWERS_PER_SLOT: u32 = 3;

/// And over this time at least.
const MIN_WINDOW: Duration = Duration::from_millis(40);

/// Rates that differ by less than this are the same.
const TOLERANCE: f64 = 0.05;

/// Rest after a trial that did not help, doubled each time.
const REST: Duration = Duration::from_secs(1);

/// The longest rest.
const MAX_REST: Duration = Duration::from_secs(30);

/// The number of requests that are let under way.
#[derive(Debug)]
pub(super) struct Concurrency {
    current: u32,
    max: u32,
    phase: WindowPhase,
    /// When the window began, and answers since.
    window: Option<(Duration, u32)>,
    /// Where the next trial goes, after the next rest.
    next: Trial,
    rest: Duration,
}

/// What the window that is open is for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum WindowPhase {
    /// For nothing: connections are being made, or another width has just been taken.
    Settle { then: Measure },
    /// To learn the rate.
    Measure(Measure),
    /// For nothing until this moment.
    Rest { until: Duration },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Measure {
    /// Of the width that is in use.
    Base,
    /// Of another, beside the rate of the one that was in use before.
    Trial { trial: Trial, base: f64 },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Trial {
    Half,
    Twice,
}

impl Concurrency {
    /// Begins with as many as may ever be.
    pub(super) fn new(max: u32) -> Self {
        let phase = WindowPhase::Settle { then: Measure::Base };
        Self { current: max, max, phase, window: None, next: Trial::Half, rest: REST }
    }

    /// How many requests may be under way.
    pub(super) fn get(&self) -> u32 {
        self.current
    }

    /// A request was answered well.
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

    /// What was measured was disturbed.
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

    /// Takes the next width on trial, if there is one.
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

    /// Answers for a time at the rate that a width has, and what the width is then.
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
    fn a_near_service_gets_few_at_a_time_and_a_far_one_keeps_many() {
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
    fn a_service_that_moves_away_gets_more_again() {
        let mut concurrency = Concurrency::new(64);
        let mut now = Duration::ZERO;
        run_for(&mut concurrency, &mut now, Duration::from_secs(3), |_| 1700.0);
        let settled = run_for(&mut concurrency, &mut now, Duration::from_mins(1), |concurrency| {
            f64::from(concurrency) * 20.0
        });
        assert!(settled >= 32, "{settled}");
    }

    #[test]
    fn trials_become_rare_when_they_do_not_help() {
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
