//! ext4: what mke2fs makes is read back and found clean, what e2fsck finds in a damaged image we find, and random
//! trees come back from the writer as they went in.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![expect(
    clippy::print_stderr,
    reason = "what an oracle said and where we are stricter is for whoever runs the suite"
)]

mod cases;
mod corpus;
mod hostile;
mod images;
mod patch;
mod roundtrip;
mod sweep;
