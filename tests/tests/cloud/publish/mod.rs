//! Uploads to a local region in the test's own process: kills, injected faults, resumed uploads, and snapshots that are
//! read back.

mod bundles;
mod delta;
mod faults;
mod kill;
pub(crate) mod others;
mod readback;
mod resume;
mod zeros;
