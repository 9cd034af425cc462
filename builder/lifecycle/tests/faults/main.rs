//! Deterministic runs of sharing and backup: seeds of failing calls, lost answers and deaths at every call, against
//! fakes of the service, and the next run without faults.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

mod backup;
#[path = "../chance/mod.rs"]
mod chance;
mod operator;
mod sharing;
mod world;

use std::future::Future;

/// Number of seeds of each run: `LIFECYCLE_SEEDS`, or 500.
fn seeds() -> u64 {
    std::env::var("LIFECYCLE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(500)
}

fn block_on<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}
