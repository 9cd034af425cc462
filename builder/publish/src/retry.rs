//! The one layer that repeats calls, with one budget of time per step. What each step repeats, and what it hands up
//! at once, stands in [`CallStep::answer`].

use std::future::Future;
use std::time::Duration;

use super::service_error::{ServiceError, ServiceErrorKind};
use super::timer::{Backoff, Timer, WaitOutcome};

/// How long a snapshot that was begun may be unknown to the part of the service that takes blocks.
pub const CREATION_LAG: Duration = Duration::from_mins(2);

/// How long a completed snapshot may be unknown to the part of the service that gives blocks.
const READ_BUDGET: Duration = Duration::from_mins(3);

/// The budget of a step whose failure is settled later or by the user.
const PROBE_BUDGET: Duration = Duration::from_secs(15);

/// A step of publishing, as far as repeating goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallStep {
    /// Begins a snapshot; repeatable because of its token.
    Start,
    /// Writes a block of a snapshot that was begun when the clock showed `created_at`.
    Put {
        /// Time on the clock of [`Timer`].
        created_at: Duration,
    },
    /// Seals a snapshot.
    Complete,
    /// Lists or reads blocks of a completed snapshot.
    Read,
    /// Asks EC2 for something that may not be known there yet.
    EventuallyConsistent,
    /// Asks for something that the user names, or whose answer can be done without: soon given up.
    Probe,
    /// Copies an image; the quota of copies under way at a time is waited for.
    Copy {
        /// For how long.
        wait: Duration,
    },
    /// Deletes something whose users were deleted a moment ago.
    Delete,
    /// Any other call that may be repeated and whose object should be there.
    Idempotent,
}

/// What to do about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RetryAction {
    Retry,
    /// Others come first: again, which does not count towards the budget.
    RetryOutsideBudget,
    /// Once in a step.
    RetryOnce,
    Fail,
}

/// A step that was given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", summary(*attempts, *elapsed))]
pub struct RetryExhausted {
    /// Calls made.
    pub attempts: u32,
    /// Time since the first.
    pub elapsed: Duration,
    /// What the last one said.
    #[source]
    pub error: Box<ServiceError>,
}

fn summary(attempts: u32, elapsed: Duration) -> String {
    match attempts {
        1 => "calling the service".to_owned(),
        attempts => format!("giving up after {attempts} tries in {} s", elapsed.as_secs()),
    }
}

/// Hears of every fault that a step meets, repeated or not.
pub trait ErrorObserver: Sync {
    /// A call failed.
    fn on_error(&self, error: &ServiceError);
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl ErrorObserver for NoObserver {
    fn on_error(&self, _fault: &ServiceError) {}
}

impl CallStep {
    /// The time within which the step is done or given up.
    pub fn budget(self) -> Duration {
        match self {
            Self::Read => READ_BUDGET,
            Self::Probe => PROBE_BUDGET,
            _ => Duration::from_mins(2),
        }
    }

    fn backoff(self) -> Backoff {
        let millis = Duration::from_millis;
        match self {
            Self::Start | Self::Complete | Self::Copy { .. } => {
                Backoff { initial: millis(500), max: Duration::from_secs(15) }
            }
            _ => Backoff { initial: millis(200), max: Duration::from_secs(10) },
        }
    }

    fn action(self, kind: ServiceErrorKind, now: Duration) -> RetryAction {
        match (kind, self) {
            (
                ServiceErrorKind::Throttled
                | ServiceErrorKind::Service
                | ServiceErrorKind::Transport
                | ServiceErrorKind::TimedOut,
                _,
            )
            | (ServiceErrorKind::BodyUnread, Self::Put { .. })
            | (ServiceErrorKind::Pending, Self::Start)
            | (ServiceErrorKind::InUse, Self::Delete)
            | (
                ServiceErrorKind::NotFound,
                Self::Read | Self::EventuallyConsistent | Self::Probe | Self::Copy { .. },
            ) => RetryAction::Retry,
            (ServiceErrorKind::Pending, Self::Copy { .. }) => RetryAction::RetryOutsideBudget,
            (ServiceErrorKind::NotFound, Self::Put { created_at })
                if now.saturating_sub(created_at) < CREATION_LAG =>
            {
                RetryAction::Retry
            }
            // Credentials are fetched anew and the clock is corrected for the next call.
            (ServiceErrorKind::Signature, _) => RetryAction::RetryOnce,
            _ => RetryAction::Fail,
        }
    }
}

/// Calls until it succeeds, fails for good, the step's budget is spent, or the work is stopped ([`Timer::with_cancel`]).
///
/// # Errors
/// [`RetryExhausted`], with what the last call said; [`ServiceErrorKind::Interrupted`] when the work was stopped.
pub async fn retry<T, F, C>(
    timer: &Timer,
    step: CallStep,
    observer: &impl ErrorObserver,
    mut call: C,
) -> Result<T, RetryExhausted>
where
    C: FnMut() -> F,
    F: Future<Output = Result<T, ServiceError>>,
{
    let started = timer.now();
    // When the calls began that the budget is for.
    let mut budget_start = started;
    let mut retried_once = false;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let error = match timer.run(call()).await {
            Some(Ok(done)) => return Ok(done),
            Some(Err(error)) => error,
            None => ServiceError::local(ServiceErrorKind::Interrupted, "interrupted"),
        };
        observer.on_error(&error);
        let now = timer.now();
        let elapsed = now.saturating_sub(started);
        let delay = timer.delay(step.backoff(), attempts);
        let within = now.saturating_sub(budget_start) + delay <= step.budget();
        let again = match (step.action(error.kind, now), step) {
            (RetryAction::Retry, _) => within,
            (RetryAction::RetryOnce, _) => within && !std::mem::replace(&mut retried_once, true),
            (RetryAction::RetryOutsideBudget, CallStep::Copy { wait }) => {
                budget_start = now;
                elapsed + delay <= wait
            }
            (RetryAction::RetryOutsideBudget | RetryAction::Fail, _) => false,
        };
        if !again {
            return Err(RetryExhausted { attempts, elapsed, error: Box::new(error) });
        }
        if timer.wait(delay).await == WaitOutcome::Interrupted {
            let error = Box::new(ServiceError::local(ServiceErrorKind::Interrupted, "interrupted"));
            return Err(RetryExhausted { attempts, elapsed, error });
        }
    }
}

#[cfg(test)]
mod tests {
    use amiforge_progress::CancelToken;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::timer::PublishClock;

    /// A clock that only moves when somebody waits.
    #[derive(Debug, Default)]
    struct SimulatedClock(AtomicU64);

    impl PublishClock for SimulatedClock {
        fn now(&self) -> Duration {
            Duration::from_micros(self.0.load(Ordering::Relaxed))
        }

        fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
            self.0.fetch_add(time.as_micros() as u64, Ordering::Relaxed);
            Box::pin(std::future::ready(()))
        }
    }

    fn run(step: CallStep, kind: ServiceErrorKind, failures: u32) -> Result<u32, RetryExhausted> {
        run_at(&Timer::new(Arc::new(SimulatedClock::default()), 3), step, kind, failures)
    }

    fn run_at(
        timer: &Timer,
        step: CallStep,
        kind: ServiceErrorKind,
        failures: u32,
    ) -> Result<u32, RetryExhausted> {
        let mut attempts = 0;
        let call = || {
            attempts += 1;
            let now = attempts;
            async move { if now > failures { Ok(now) } else { Err(ServiceError::local(kind, "no")) } }
        };
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(retry(
            timer,
            step,
            &NoObserver,
            call,
        ))
    }

    const PUT: CallStep = CallStep::Put { created_at: Duration::ZERO };

    #[test]
    fn what_passes_is_repeated_until_the_budget_is_spent() {
        for kind in [
            ServiceErrorKind::Throttled,
            ServiceErrorKind::Service,
            ServiceErrorKind::Transport,
            ServiceErrorKind::TimedOut,
        ] {
            for step in [
                CallStep::Start,
                PUT,
                CallStep::Complete,
                CallStep::Read,
                CallStep::EventuallyConsistent,
                CallStep::Idempotent,
            ] {
                assert_eq!(run(step, kind, 5), Ok(6));
                let exhausted = run(step, kind, u32::MAX).unwrap_err();
                assert!(
                    exhausted.elapsed <= step.budget() && exhausted.elapsed > step.budget() / 2,
                    "{exhausted:?}"
                );
                assert!(exhausted.to_string().starts_with("giving up after "), "{exhausted}");
            }
        }
    }

    #[test]
    fn what_does_not_pass_is_handed_up_at_once() {
        use ServiceErrorKind::{Checksum, Conflict, Denied, Quota, Refused, Sealed, Unreachable, Unreadable};
        for kind in [Denied, Quota, Conflict, Refused, Sealed, Checksum, Unreachable, Unreadable] {
            for step in [CallStep::Start, PUT, CallStep::Complete, CallStep::Read, CallStep::Idempotent] {
                assert_eq!(run(step, kind, 1).unwrap_err().attempts, 1, "{kind:?} {step:?}");
            }
        }
    }

    #[test]
    fn a_snapshot_that_is_not_known_yet_is_waited_for_and_one_that_is_gone_is_not() {
        assert_eq!(run(PUT, ServiceErrorKind::NotFound, 10), Ok(11));
        assert_eq!(run(CallStep::Read, ServiceErrorKind::NotFound, 10), Ok(11));
        assert_eq!(run(CallStep::Idempotent, ServiceErrorKind::NotFound, 1).unwrap_err().attempts, 1);
        assert!(run(PUT, ServiceErrorKind::NotFound, u32::MAX).unwrap_err().elapsed <= CREATION_LAG);
        assert_eq!(PUT.action(ServiceErrorKind::NotFound, CREATION_LAG), RetryAction::Fail);
    }

    #[test]
    fn a_signature_is_tried_twice_and_an_unread_body_only_for_blocks() {
        assert_eq!(run(PUT, ServiceErrorKind::Signature, 1), Ok(2));
        assert_eq!(run(PUT, ServiceErrorKind::Signature, 2).unwrap_err().attempts, 2);
        assert_eq!(run(PUT, ServiceErrorKind::BodyUnread, 3), Ok(4));
        assert_eq!(run(CallStep::Start, ServiceErrorKind::BodyUnread, 3).unwrap_err().attempts, 1);
        assert_eq!(run(CallStep::Start, ServiceErrorKind::Pending, 3), Ok(4));
    }

    #[test]
    fn what_is_still_in_use_is_deleted_later() {
        assert_eq!(run(CallStep::Delete, ServiceErrorKind::InUse, 3), Ok(4));
        assert_eq!(run(CallStep::Idempotent, ServiceErrorKind::InUse, 1).unwrap_err().attempts, 1);
    }

    #[test]
    fn a_full_quota_of_copies_is_waited_for_and_other_faults_have_their_own_budget() {
        let wait = Duration::from_hours(6);
        assert_eq!(run(CallStep::Copy { wait }, ServiceErrorKind::Pending, 500), Ok(501));
        let exhausted = run(CallStep::Copy { wait }, ServiceErrorKind::Pending, u32::MAX).unwrap_err();
        assert!(exhausted.elapsed > wait / 2 && exhausted.elapsed <= wait, "{exhausted:?}");
        let exhausted = run(CallStep::Copy { wait }, ServiceErrorKind::Service, u32::MAX).unwrap_err();
        assert!(exhausted.elapsed <= CallStep::Idempotent.budget(), "{exhausted:?}");
        assert_eq!(run(CallStep::Idempotent, ServiceErrorKind::Pending, 1).unwrap_err().attempts, 1);
    }

    #[test]
    fn what_can_be_done_without_is_soon_given_up() {
        for kind in [ServiceErrorKind::Service, ServiceErrorKind::NotFound] {
            assert!(run(CallStep::Probe, kind, u32::MAX).unwrap_err().elapsed <= PROBE_BUDGET);
        }
    }

    #[test]
    fn an_interrupt_ends_waiting_and_calls_that_hang() {
        let cancel = CancelToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let timer = Timer::default().with_cancel(&cancel);
        let raise_soon = || {
            cancel.flag().store(false, Ordering::Relaxed);
            let flag = cancel.flag();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(100));
                flag.store(true, Ordering::Relaxed);
            });
            std::time::Instant::now()
        };
        let started = raise_soon();
        let throttled =
            || async { Err::<(), _>(ServiceError::local(ServiceErrorKind::Throttled, "slow down")) };
        let exhausted =
            runtime.block_on(retry(&timer, CallStep::Idempotent, &NoObserver, throttled)).unwrap_err();
        assert_eq!(exhausted.error.kind, ServiceErrorKind::Interrupted);
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        let started = raise_soon();
        let exhausted = runtime.block_on(retry(
            &timer,
            CallStep::Idempotent,
            &NoObserver,
            std::future::pending::<Result<(), _>>,
        ));
        assert_eq!(exhausted.unwrap_err().error.kind, ServiceErrorKind::Interrupted);
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        // A call that ends in time is heard of; none is made after it.
        let started = raise_soon();
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            Ok(started)
        };
        assert!(runtime.block_on(retry(&timer, CallStep::Idempotent, &NoObserver, slow)).is_ok());
        assert_eq!(
            run_at(&timer, CallStep::Idempotent, ServiceErrorKind::Service, 0).unwrap_err().error.kind,
            ServiceErrorKind::Interrupted
        );
    }
}
