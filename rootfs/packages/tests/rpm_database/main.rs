//! rpm's database as written here, judged by rpm, dnf and SQLite.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are outside test functions")]

mod built;
mod damaged;
mod distribution;
mod fixture;
mod real;
