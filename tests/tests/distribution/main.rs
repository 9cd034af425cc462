//! Images of a real distribution: the examples, locked against the archive at hand, built by everybody and anywhere.

mod booted;
mod determinism;
mod examples;
mod native;
mod secrets;
mod upgraded;
mod yard;
