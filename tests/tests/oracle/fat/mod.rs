//! FAT32 volumes: fsck.fat, mtools and the crate `fatfs` agree with what we write, and we with what they write.
#![expect(clippy::unwrap_used, reason = "a test's own steps must not fail")]

mod fixture;
mod random;
mod tools;
mod writing;
