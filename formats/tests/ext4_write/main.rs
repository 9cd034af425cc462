//! The ext4 writer, judged by e2fsprogs: trees of every shape are planned, written to a file and checked.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are outside test functions")]

mod fixture;
#[path = "../fixtures/mod.rs"]
mod fixtures;
mod nodes;
mod random;
mod refusals;
mod sizes;
mod stability;
mod updates;
