//! Damaged partition tables: a field corrupted, its checksums repaired, and the exact finding expected.
#![expect(clippy::unwrap_used, reason = "a test's own steps must not fail")]

mod fatal;
mod fixture;
mod random;
mod refusals;
mod untidy;
