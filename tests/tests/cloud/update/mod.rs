//! `outdated` and `update` with archives that the tests sign and a local region: versions that follow one another, failures at
//! each step, names, and the scripts of the action for CI.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

mod action;
mod ci_page;
mod faults;
mod fixture;
mod kill;
mod life;
mod names;
mod outdated;
