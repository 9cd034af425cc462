//! Damaged FAT volumes: a field is corrupted and its copies are updated; the exact findings are expected.
#![expect(clippy::unwrap_used, reason = "a test's own steps must not fail")]

mod boot_sector;
mod fixture;
mod random;
mod trees;
mod untidy;
