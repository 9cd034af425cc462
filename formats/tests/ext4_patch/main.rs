//! Volumes amended in place, judged by e2fsck and the kernel.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are outside test functions")]

mod bases;
mod figures;
mod fixture;
#[path = "../fixtures/mod.rs"]
#[allow(dead_code, reason = "shared with the tests of the writers")]
mod fixtures;
mod folder;
mod random;
mod refusals;
