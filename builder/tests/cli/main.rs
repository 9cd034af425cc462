//! The program as a user meets it: output, streams and exit codes of each command and each way to fail.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

mod build;
mod build_errors;
mod fixture;
mod generated;
mod leaks;
mod recipe;
mod signed;
mod snapshot;
mod usage;
mod verify;
