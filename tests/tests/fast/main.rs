//! Suites that need no program of others: they run in seconds.

mod golden;
mod secrets;
mod stable_layout;
