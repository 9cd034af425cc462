//! Images of a real distribution: the examples, locked against the archive at hand, built by everybody and anywhere.

mod booted;
mod determinism;
mod examples;
mod fixtures;
mod native;
mod secrets;
mod upgraded;
