//! The only layer that retries calls, with a time budget per step. The rules of each step are in [`CallStep::action`].

use std::future::Future;
use std::time::Duration;

use super::service_error::{ServiceError, ServiceErrorKind};
use super::timer::{Backoff, Timer, WaitOutcome};

/// How long the EBS direct APIs may not know a snapshot after `StartSnapshot`.
pub const CREATION_LAG: Duration = Duration::from_mins(2);

/// How long the EBS direct APIs may not know a snapshot after its completion.
const READ_BUDGET: Duration = Duration::from_mins(3);

/// Budget of a part: several attempts on a slow line.
const PART_BUDGET: Duration = Duration::from_mins(5);

/// Budget of a step whose failure is handled later, or by the user.
const PROBE_BUDGET: Duration = Duration::from_secs(15);

/// A step of publishing, with its retry rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallStep {
    /// Starts a snapshot; idempotent by its client token.
    Start,
    /// Writes a block of a snapshot.
    Put {
        /// When the snapshot was started, on the clock of [`Timer`].
        created_at: Duration,
    },
    /// Seals a snapshot.
    Complete,
    /// Lists or reads blocks of a completed snapshot.
    Read,
    /// Calls EC2 about a resource that it may not know yet.
    EventuallyConsistent,
    /// Reads a resource that the user names, or a value that is optional: given up soon.
    Probe,
    /// Copies an image; waits while the quota of concurrent copies is exhausted.
    Copy {
        /// Maximum time to wait.
        wait: Duration,
    },
    /// Sends a part of an object: some seconds on a slow line.
    Part,
    /// Deletes a resource that was in use until a moment ago.
    Delete,
    /// Any other idempotent call on an existing resource.
    Idempotent,
}

/// What to do after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RetryAction {
    Retry,
    /// Waits for the quota, and retries outside of the budget.
    RetryOutsideBudget,
    /// Retries once per step.
    RetryOnce,
    Fail,
}

/// A step that failed, after its retries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", summary(*attempts, *elapsed))]
pub struct RetryExhausted {
    /// Number of calls.
    pub attempts: u32,
    /// Time since the first call.
    pub elapsed: Duration,
    /// The error of the last call.
    #[source]
    pub error: Box<ServiceError>,
}

impl RetryExhausted {
    /// A step whose first answer cannot be used.
    pub fn after_one_call(error: ServiceError) -> Self {
        Self { attempts: 1, elapsed: Duration::ZERO, error: Box::new(error) }
    }
}

fn summary(attempts: u32, elapsed: Duration) -> String {
    match attempts {
        1 => "calling the service".to_owned(),
        attempts => format!("giving up after {attempts} tries in {} s", elapsed.as_secs()),
    }
}

/// Observes every error of a step, whether it is retried or not.
pub trait ErrorObserver: Sync {
    /// A call failed.
    fn on_error(&self, error: &ServiceError);
}

/// Ignores all errors.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl ErrorObserver for NoObserver {
    fn on_error(&self, _error: &ServiceError) {}
}

impl CallStep {
    /// Maximum duration of the step, with all retries.
    pub fn budget(self) -> Duration {
        match self {
            Self::Read => READ_BUDGET,
            Self::Probe => PROBE_BUDGET,
            Self::Part => PART_BUDGET,
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
            // Credentials are refreshed and the clock is corrected before the next call.
            (ServiceErrorKind::Signature, _) => RetryAction::RetryOnce,
            _ => RetryAction::Fail,
        }
    }
}

/// Calls until it succeeds, fails for good, the step's budget is spent, or the work is stopped ([`Timer::with_cancel`]).
///
/// # Errors
/// [`RetryExhausted`], with the error of the last call; [`ServiceErrorKind::Interrupted`] after an interrupt.
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
    // Start of the calls that count towards the budget.
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

    /// A clock that advances only by sleeping.
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
    fn transient_errors_are_retried_until_the_budget_is_exhausted() {
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
    fn permanent_errors_are_not_retried() {
        use ServiceErrorKind::{Checksum, Conflict, Denied, Quota, Refused, Sealed, Unreachable, Unreadable};
        for kind in [Denied, Quota, Conflict, Refused, Sealed, Checksum, Unreachable, Unreadable] {
            for step in [CallStep::Start, PUT, CallStep::Complete, CallStep::Read, CallStep::Idempotent] {
                assert_eq!(run(step, kind, 1).unwrap_err().attempts, 1, "{kind:?} {step:?}");
            }
        }
    }

    #[test]
    fn a_new_snapshot_that_is_not_found_is_retried_and_an_old_one_is_not() {
        assert_eq!(run(PUT, ServiceErrorKind::NotFound, 10), Ok(11));
        assert_eq!(run(CallStep::Read, ServiceErrorKind::NotFound, 10), Ok(11));
        assert_eq!(run(CallStep::Idempotent, ServiceErrorKind::NotFound, 1).unwrap_err().attempts, 1);
        assert!(run(PUT, ServiceErrorKind::NotFound, u32::MAX).unwrap_err().elapsed <= CREATION_LAG);
        assert_eq!(PUT.action(ServiceErrorKind::NotFound, CREATION_LAG), RetryAction::Fail);
    }

    #[test]
    fn a_signature_error_is_retried_once_and_an_unread_body_only_for_blocks() {
        assert_eq!(run(PUT, ServiceErrorKind::Signature, 1), Ok(2));
        assert_eq!(run(PUT, ServiceErrorKind::Signature, 2).unwrap_err().attempts, 2);
        assert_eq!(run(PUT, ServiceErrorKind::BodyUnread, 3), Ok(4));
        assert_eq!(run(CallStep::Start, ServiceErrorKind::BodyUnread, 3).unwrap_err().attempts, 1);
        assert_eq!(run(CallStep::Start, ServiceErrorKind::Pending, 3), Ok(4));
    }

    #[test]
    fn a_deletion_is_retried_while_the_resource_is_in_use() {
        assert_eq!(run(CallStep::Delete, ServiceErrorKind::InUse, 3), Ok(4));
        assert_eq!(run(CallStep::Idempotent, ServiceErrorKind::InUse, 1).unwrap_err().attempts, 1);
    }

    #[test]
    fn an_exhausted_copy_quota_is_waited_for_and_other_errors_have_the_usual_budget() {
        let wait = Duration::from_hours(6);
        assert_eq!(run(CallStep::Copy { wait }, ServiceErrorKind::Pending, 500), Ok(501));
        let exhausted = run(CallStep::Copy { wait }, ServiceErrorKind::Pending, u32::MAX).unwrap_err();
        assert!(exhausted.elapsed > wait / 2 && exhausted.elapsed <= wait, "{exhausted:?}");
        let exhausted = run(CallStep::Copy { wait }, ServiceErrorKind::Service, u32::MAX).unwrap_err();
        assert!(exhausted.elapsed <= CallStep::Idempotent.budget(), "{exhausted:?}");
        assert_eq!(run(CallStep::Idempotent, ServiceErrorKind::Pending, 1).unwrap_err().attempts, 1);
    }

    #[test]
    fn probes_have_a_short_budget() {
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
        // A call that completes within the grace period is returned; no further call is made.
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
