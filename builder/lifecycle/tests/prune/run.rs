//! Runs of the clean-up against the made-up account, on a clock that only sleeping advances.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use amiforge_lifecycle::inventory::{ImageError, ImageRegion};
use amiforge_lifecycle::prune::{self, KeepReason, Outcome, PruneOptions, PrunePlan, PruneReport, Verdict};
use amiforge_progress::Monitor;
use amiforge_publish::timer::{PublishClock, Timer};
use tokio::runtime::Runtime;

use super::fake::Fake;
use super::state::DAY;

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

/// How a run ended.
#[derive(Debug)]
pub(crate) enum Ended<T> {
    Killed,
    Returned(Result<T, ImageError>),
}

/// The options of the tests.
pub(crate) fn options(fake: &Fake) -> PruneOptions {
    PruneOptions {
        name: None,
        keep: 2,
        older_than: 30 * DAY,
        unused_for: 14 * DAY,
        grace: 7 * DAY,
        channels: Vec::new(),
        channels_below: "/amiforge/".to_owned(),
        other_accounts: true,
        report_wait: Duration::from_mins(10),
        now: fake.state().now,
    }
}

/// A runtime without threads.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// Runs work on the region until it returns or is killed.
pub(crate) fn run<T>(
    runtime: &Runtime,
    fake: &Fake,
    work: impl AsyncFnOnce(&ImageRegion<'_, Fake>) -> Result<T, ImageError>,
) -> Ended<T> {
    let timer = Timer::new(Arc::new(SimulatedClock::default()), 3);
    let region = ImageRegion { name: "local", ec2: fake, timer: &timer, monitor: Monitor::none() };
    runtime.block_on(async {
        tokio::select! {
            biased;
            result = work(&region) => Ended::Returned(result),
            () = fake.killed() => Ended::Killed,
        }
    })
}

/// Plans and performs, as the command does.
pub(crate) fn prune(runtime: &Runtime, fake: &Fake) -> Ended<PruneReport> {
    prune_with(runtime, fake, options(fake))
}

/// The same with other options.
pub(crate) fn prune_with(runtime: &Runtime, fake: &Fake, options: PruneOptions) -> Ended<PruneReport> {
    run(runtime, fake, async |region| {
        let plan = prune::plan(region, fake, &options).await?;
        prune::perform(region, fake, &plan, &options).await
    })
}

/// A plan.
pub(crate) fn plan(runtime: &Runtime, fake: &Fake) -> PrunePlan {
    let options = options(fake);
    match run(runtime, fake, async |region| prune::plan(region, fake, &options).await) {
        Ended::Returned(plan) => plan.unwrap_or_else(|error| panic!("{}", error.line())),
        Ended::Killed => panic!("nothing kills it"),
    }
}

/// The verdicts of a plan by image, in a word.
pub(crate) fn verdicts(plan: &PrunePlan) -> BTreeMap<String, String> {
    let word = |verdict: &Verdict| match verdict {
        Verdict::Keep { because } => because.iter().map(KeepReason::kind).collect::<Vec<_>>().join(" "),
        Verdict::Wait { step, .. } => format!("wait to {}", step.word()),
        Verdict::Go { step } => step.word().to_owned(),
    };
    plan.images.iter().map(|image| (image.image_id.clone(), word(&image.verdict))).collect()
}

/// The outcomes of a run that has to succeed.
pub(crate) fn must(ended: Ended<PruneReport>) -> Vec<(String, Outcome)> {
    let Ended::Returned(report) = ended else { panic!("it was killed") };
    let report = report.unwrap_or_else(|error| panic!("{}", error.line()));
    let outcome = |one: prune::ImageOutcome| match one.outcome {
        Ok(outcome) => (one.image_id, outcome),
        Err(error) => panic!("{}: {}", one.image_id, error.line()),
    };
    report.images.into_iter().map(outcome).collect()
}
