//! Publishing against a local region in the test's own process: uploads that are killed, faults that are scripted,
//! snapshots that are read back.

mod bundles;
mod delta;
mod faults;
mod kill;
mod others;
mod readback;
mod resume;
mod zeros;
