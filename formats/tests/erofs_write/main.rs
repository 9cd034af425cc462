//! The EROFS writer, judged by our reader and checker, by erofs-utils, and by the kernel where the test runs as root: trees
//! of every shape are planned, written to a file, checked, extracted, mounted and compared.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are outside test functions")]

mod compare;
mod figures;
mod fixture;
#[path = "../fixtures/mod.rs"]
mod fixtures;
mod foreign;
mod golden;
mod nodes;
mod random;
mod refusals;
mod sizes;
mod updates;
