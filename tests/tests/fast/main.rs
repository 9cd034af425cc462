//! Suites without oracles, which run in seconds.

mod golden;
mod secrets;
mod small_update;
mod stable_layout;
