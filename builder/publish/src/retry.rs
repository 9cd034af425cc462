//! The one layer that repeats calls, with one budget of time per step. What each step repeats, and what it hands up
//! at once, stands in [`CallStep::answer`].

use std::future::Future;
use std::time::Duration;

use super::backoff::{Backoff, Pace, Waited};
use super::fault::{ServiceError, ServiceErrorKind};

/// How long a snapshot that was begun may be unknown to the part of the service that takes blocks.
pub const FRESH: Duration = Duration::from_mins(2);

/// How long a completed snapshot may be unknown to the part of the service that gives blocks.
const UNREADABLE: Duration = Duration::from_mins(3);

/// The budget of a step whose failure is settled later or by the user.
const PROBE: Duration = Duration::from_secs(15);

/// A step of publishing, as far as repeating goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallStep {
    /// Begins a snapshot; repeatable because of its token.
    Start,
    /// Writes a block of a snapshot that was begun when the clock showed `born`.
    Put {
        /// Time on the clock of [`Pace`].
        born: Duration,
    },
    /// Seals a snapshot.
    Complete,
    /// Lists or reads blocks of a completed snapshot.
    Read,
    /// Asks EC2 for something that may not be known there yet.
    AskFresh,
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
    Ask,
}

/// What to do about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RetryAction {
    Again,
    /// Others come first: again, which does not count towards the budget.
    Queue,
    /// Once in a step.
    Once,
    HandUp,
}

/// A step that was given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", story(*tries, *after))]
pub struct GaveUp {
    /// Calls made.
    pub tries: u32,
    /// Time since the first.
    pub after: Duration,
    /// What the last one said.
    #[source]
    pub fault: Box<ServiceError>,
}

fn story(tries: u32, after: Duration) -> String {
    match tries {
        1 => "calling the service".to_owned(),
        tries => format!("giving up after {tries} tries in {} s", after.as_secs()),
    }
}

/// Hears of every fault that a step meets, repeated or not.
pub trait FaultListener: Sync {
    /// A call failed.
    fn met(&self, fault: &ServiceError);
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoListener;

impl FaultListener for NoListener {
    fn met(&self, _fault: &ServiceError) {}
}

impl CallStep {
    /// The time within which the step is done or given up.
    pub fn budget(self) -> Duration {
        match self {
            Self::Read => UNREADABLE,
            Self::Probe => PROBE,
            _ => Duration::from_mins(2),
        }
    }

    fn backoff(self) -> Backoff {
        let millis = Duration::from_millis;
        match self {
            Self::Start | Self::Complete | Self::Copy { .. } => {
                Backoff { first: millis(500), most: Duration::from_secs(15) }
            }
            _ => Backoff { first: millis(200), most: Duration::from_secs(10) },
        }
    }

    fn answer(self, kind: ServiceErrorKind, now: Duration) -> RetryAction {
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
            | (ServiceErrorKind::NotFound, Self::Read | Self::AskFresh | Self::Probe | Self::Copy { .. }) => {
                RetryAction::Again
            }
            (ServiceErrorKind::Pending, Self::Copy { .. }) => RetryAction::Queue,
            (ServiceErrorKind::NotFound, Self::Put { born }) if now.saturating_sub(born) < FRESH => {
                RetryAction::Again
            }
            // Credentials are fetched anew and the clock is corrected for the next call.
            (ServiceErrorKind::Signature, _) => RetryAction::Once,
            _ => RetryAction::HandUp,
        }
    }
}

/// Calls until it succeeds, fails for good, the step's budget is spent, or the work is stopped ([`Pace::stopped_by`]).
///
/// # Errors
/// [`GaveUp`], with what the last call said; [`ServiceErrorKind::Interrupted`] when the work was stopped.
pub async fn retry<T, F, C>(
    pace: &Pace,
    step: CallStep,
    watch: &impl FaultListener,
    mut call: C,
) -> Result<T, GaveUp>
where
    C: FnMut() -> F,
    F: Future<Output = Result<T, ServiceError>>,
{
    let begun = pace.now();
    // When the calls began that the budget is for.
    let mut since = begun;
    let mut once = false;
    let mut tries = 0;
    loop {
        tries += 1;
        let fault = match pace.finish(call()).await {
            Some(Ok(done)) => return Ok(done),
            Some(Err(fault)) => fault,
            None => ServiceError::own(ServiceErrorKind::Interrupted, "interrupted"),
        };
        watch.met(&fault);
        let now = pace.now();
        let after = now.saturating_sub(begun);
        let delay = pace.delay(step.backoff(), tries);
        let within = now.saturating_sub(since) + delay <= step.budget();
        let again = match (step.answer(fault.kind, now), step) {
            (RetryAction::Again, _) => within,
            (RetryAction::Once, _) => within && !std::mem::replace(&mut once, true),
            (RetryAction::Queue, CallStep::Copy { wait }) => {
                since = now;
                after + delay <= wait
            }
            (RetryAction::Queue | RetryAction::HandUp, _) => false,
        };
        if !again {
            return Err(GaveUp { tries, after, fault: Box::new(fault) });
        }
        if pace.wait(delay).await == Waited::Stopped {
            let fault = Box::new(ServiceError::own(ServiceErrorKind::Interrupted, "interrupted"));
            return Err(GaveUp { tries, after, fault });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::backoff::PublishClock;
    use amiforge_progress::CancelToken;

    /// A clock that only moves when somebody waits.
    #[derive(Debug, Default)]
    struct Patient(AtomicU64);

    impl PublishClock for Patient {
        fn now(&self) -> Duration {
            Duration::from_micros(self.0.load(Ordering::Relaxed))
        }

        fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
            self.0.fetch_add(time.as_micros() as u64, Ordering::Relaxed);
            Box::pin(std::future::ready(()))
        }
    }

    fn run(step: CallStep, kind: ServiceErrorKind, failures: u32) -> Result<u32, GaveUp> {
        run_at(&Pace::new(Arc::new(Patient::default()), 3), step, kind, failures)
    }

    fn run_at(pace: &Pace, step: CallStep, kind: ServiceErrorKind, failures: u32) -> Result<u32, GaveUp> {
        let mut tries = 0;
        let call = || {
            tries += 1;
            let now = tries;
            async move { if now > failures { Ok(now) } else { Err(ServiceError::own(kind, "no")) } }
        };
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(retry(
            pace,
            step,
            &NoListener,
            call,
        ))
    }

    const PUT: CallStep = CallStep::Put { born: Duration::ZERO };

    #[test]
    fn what_passes_is_repeated_until_the_budget_is_spent() {
        for kind in [
            ServiceErrorKind::Throttled,
            ServiceErrorKind::Service,
            ServiceErrorKind::Transport,
            ServiceErrorKind::TimedOut,
        ] {
            for step in
                [CallStep::Start, PUT, CallStep::Complete, CallStep::Read, CallStep::AskFresh, CallStep::Ask]
            {
                assert_eq!(run(step, kind, 5), Ok(6));
                let gave_up = run(step, kind, u32::MAX).unwrap_err();
                assert!(gave_up.after <= step.budget() && gave_up.after > step.budget() / 2, "{gave_up:?}");
                assert!(gave_up.to_string().starts_with("giving up after "), "{gave_up}");
            }
        }
    }

    #[test]
    fn what_does_not_pass_is_handed_up_at_once() {
        use ServiceErrorKind::{Checksum, Conflict, Denied, Quota, Refused, Sealed, Unreachable, Unreadable};
        for kind in [Denied, Quota, Conflict, Refused, Sealed, Checksum, Unreachable, Unreadable] {
            for step in [CallStep::Start, PUT, CallStep::Complete, CallStep::Read, CallStep::Ask] {
                assert_eq!(run(step, kind, 1).unwrap_err().tries, 1, "{kind:?} {step:?}");
            }
        }
    }

    #[test]
    fn a_snapshot_that_is_not_known_yet_is_waited_for_and_one_that_is_gone_is_not() {
        assert_eq!(run(PUT, ServiceErrorKind::NotFound, 10), Ok(11));
        assert_eq!(run(CallStep::Read, ServiceErrorKind::NotFound, 10), Ok(11));
        assert_eq!(run(CallStep::Ask, ServiceErrorKind::NotFound, 1).unwrap_err().tries, 1);
        assert!(run(PUT, ServiceErrorKind::NotFound, u32::MAX).unwrap_err().after <= FRESH);
        assert_eq!(PUT.answer(ServiceErrorKind::NotFound, FRESH), RetryAction::HandUp);
    }

    #[test]
    fn a_signature_is_tried_twice_and_an_unread_body_only_for_blocks() {
        assert_eq!(run(PUT, ServiceErrorKind::Signature, 1), Ok(2));
        assert_eq!(run(PUT, ServiceErrorKind::Signature, 2).unwrap_err().tries, 2);
        assert_eq!(run(PUT, ServiceErrorKind::BodyUnread, 3), Ok(4));
        assert_eq!(run(CallStep::Start, ServiceErrorKind::BodyUnread, 3).unwrap_err().tries, 1);
        assert_eq!(run(CallStep::Start, ServiceErrorKind::Pending, 3), Ok(4));
    }

    #[test]
    fn what_is_still_in_use_is_deleted_later() {
        assert_eq!(run(CallStep::Delete, ServiceErrorKind::InUse, 3), Ok(4));
        assert_eq!(run(CallStep::Ask, ServiceErrorKind::InUse, 1).unwrap_err().tries, 1);
    }

    #[test]
    fn a_full_quota_of_copies_is_waited_for_and_other_faults_have_their_own_budget() {
        let wait = Duration::from_hours(6);
        assert_eq!(run(CallStep::Copy { wait }, ServiceErrorKind::Pending, 500), Ok(501));
        let gave_up = run(CallStep::Copy { wait }, ServiceErrorKind::Pending, u32::MAX).unwrap_err();
        assert!(gave_up.after > wait / 2 && gave_up.after <= wait, "{gave_up:?}");
        let gave_up = run(CallStep::Copy { wait }, ServiceErrorKind::Service, u32::MAX).unwrap_err();
        assert!(gave_up.after <= CallStep::Ask.budget(), "{gave_up:?}");
        assert_eq!(run(CallStep::Ask, ServiceErrorKind::Pending, 1).unwrap_err().tries, 1);
    }

    #[test]
    fn what_can_be_done_without_is_soon_given_up() {
        for kind in [ServiceErrorKind::Service, ServiceErrorKind::NotFound] {
            assert!(run(CallStep::Probe, kind, u32::MAX).unwrap_err().after <= PROBE);
        }
    }

    #[test]
    fn an_interrupt_ends_waiting_and_calls_that_hang() {
        let cancel = CancelToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let pace = Pace::default().stopped_by(&cancel);
        let stop = || {
            cancel.flag().store(false, Ordering::Relaxed);
            let flag = cancel.flag();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(100));
                flag.store(true, Ordering::Relaxed);
            });
            std::time::Instant::now()
        };
        let begun = stop();
        let throttled =
            || async { Err::<(), _>(ServiceError::own(ServiceErrorKind::Throttled, "slow down")) };
        let gave_up = runtime.block_on(retry(&pace, CallStep::Ask, &NoListener, throttled)).unwrap_err();
        assert_eq!(gave_up.fault.kind, ServiceErrorKind::Interrupted);
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        let begun = stop();
        let gave_up =
            runtime.block_on(retry(&pace, CallStep::Ask, &NoListener, std::future::pending::<Result<(), _>>));
        assert_eq!(gave_up.unwrap_err().fault.kind, ServiceErrorKind::Interrupted);
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        // A call that ends in time is heard of; none is made after it.
        let begun = stop();
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            Ok(begun)
        };
        assert!(runtime.block_on(retry(&pace, CallStep::Ask, &NoListener, slow)).is_ok());
        assert_eq!(
            run_at(&pace, CallStep::Ask, ServiceErrorKind::Service, 0).unwrap_err().fault.kind,
            ServiceErrorKind::Interrupted
        );
    }
}
