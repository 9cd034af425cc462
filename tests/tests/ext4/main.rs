//! ext4: what mke2fs makes is read back and found clean, what e2fsck finds in a damaged image we find, and random
//! trees come back from the writer as they went in.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod corpus;
mod hostile;
mod images;
mod patch;
mod roundtrip;
mod sweep;
