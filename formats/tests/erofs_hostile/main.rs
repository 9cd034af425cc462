//! Damaged and hostile EROFS images: each structure is corrupted and the checksum repaired. The reader refuses with what is
//! wrong and where, the checker has a finding, and neither ever panics, loops, or gives bytes from outside the image.
#![expect(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]

mod directories;
mod fixture;
mod random;
mod structures;
mod superblock;
