//! The script that installs an upgraded kernel for the loaders of a machine: it writes the bytes that a build writes,
//! and when it is cut off anywhere, the old or the new kernel still starts.
#![expect(clippy::unwrap_used, reason = "a test's own steps must not fail")]

mod failures;
mod guest;
mod images;
mod lint;
mod upgrades;
