//! AMIs in a local region in the test's own process: registered, shared, copied, verified, killed half-way, abandoned.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

mod abandon;
mod copies;
mod faults;
mod fields;
pub(crate) mod fixture;
mod kill;
mod policy;
mod preflight;
mod race;
mod same;
mod sharing;
mod verify;
