//! Damaged FAT volumes: a field corrupted, what repeats it repaired, and the exact findings expected.
#![expect(clippy::unwrap_used, reason = "a test's own steps must not fail")]

mod boot_sector;
mod fixture;
mod random;
mod trees;
mod untidy;
