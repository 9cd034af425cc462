//! The script that makes a kernel upgrade take effect in a machine: it writes what the build would write, byte for byte,
//! and wherever it is cut off, either the old or the new kernel can be started.
#![expect(clippy::unwrap_used, reason = "a test's own steps must not fail")]

mod failures;
mod guest;
mod images;
mod lint;
mod upgrades;
