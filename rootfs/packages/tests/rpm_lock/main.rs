//! Locks of rpm packages, made from repositories in folders: the test distribution (`tests/inputs/rpm.sh`), whose metadata is
//! `createrepo_c`'s, and damaged variants of it. dnf says what a repository has.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it skips"
)]

mod access;
mod hostile;
mod listed;
mod locks;
mod repository;
