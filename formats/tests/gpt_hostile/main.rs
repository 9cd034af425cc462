//! Damaged partition tables: a field is corrupted and its checksums are repaired; the exact finding is expected.
#![expect(clippy::unwrap_used, reason = "a test's own steps must not fail")]

mod fatal;
mod fixture;
mod random;
mod refusals;
mod untidy;
