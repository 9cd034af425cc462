//! Pairs of images with one change each: `diff` reports exactly that change.
//!
//! Images are made and changed by tools that others wrote: mke2fs, debugfs, tune2fs, sgdisk, mtools, mkswap, dd.
#![expect(
    clippy::unwrap_used,
    clippy::semicolon_if_nothing_returned,
    reason = "a test fails where it cannot go on; cases are one call each"
)]

mod cases;
mod report;
pub(crate) mod sample;
mod xfs;
