//! `amiforge verify` and `amiforge-verify` against each other: whatever is changed in a bundle, both refuse it or both
//! accept it. They share no code, so a mistake of one shows as a disagreement.
//!
//! The bundles are those of version 0.1 in `fixtures/bundles`, so the suite also proves that they still verify. The
//! sweeps that are ignored run at night: the same mutations, many more of them.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::ptr_arg,
    clippy::single_range_in_vec_init,
    clippy::match_same_arms,
    clippy::format_push_string,
    clippy::collapsible_if,
    reason = "a test fails by panicking and prints its counts; its tables are read, not tuned"
)]

mod bundles;
mod edits;
mod fixture;
mod signed;
mod structures;
mod tally;
mod volumes;
