//! Suites without oracles, which run in seconds.

mod golden;
mod secrets;
mod stable_layout;
