//! `publish --via import`: an image becomes a snapshot by way of an object of S3.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

mod altered;
mod clients;
mod ends;
mod faults;
mod fixture;
mod kill;
mod moto;
pub(super) mod policy;
mod story;
