//! Uploads to a local region in the test's own process: kills, injected faults, resumed uploads, and snapshots that are
//! read back.

pub(crate) mod bundles;
mod delta;
mod faults;
mod kill;
mod others;
mod readback;
mod resume;
mod zeros;
