//! ext4: what mke2fs makes is read back and found clean.

mod corpus;
mod images;
