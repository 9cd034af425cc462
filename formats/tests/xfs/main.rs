//! XFS: images that mkfs.xfs and a kernel made are read as that kernel shows them; damaged ones are refused with what is
//! wrong and where, and never make a reader panic, loop, or give bytes from outside the image.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are outside test functions")]

mod figures;
mod fixture;
mod geometries;
mod hostile;
mod listing;
mod log;
mod random;
mod refusals;
mod seeds;
