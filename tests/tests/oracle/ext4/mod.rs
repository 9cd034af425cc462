//! ext4: images of mke2fs are read and found clean, the checker finds an error in a damaged image where e2fsck does,
//! and random trees are written and read back equal.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![expect(
    clippy::print_stderr,
    reason = "the suite prints the output of oracles, and where the checker is stricter"
)]

mod cases;
mod corpus;
mod hostile;
mod images;
mod patch;
mod roundtrip;
mod sweep;
