//! ext4: what mke2fs makes is read back and found clean, and what e2fsck finds in a damaged image we find.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod corpus;
mod hostile;
mod images;
mod patch;
mod sweep;
