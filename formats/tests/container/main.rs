//! Containers of disks: what QEMU writes reads as QEMU reads it, and files that are wrong are refused.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are outside test functions")]

mod fixture;
#[path = "../fixtures/mod.rs"]
#[expect(dead_code, reason = "shared with the writers")]
mod fixtures;
mod hostile;
mod qemu;
mod random;
mod refusals;
