//! Images of a real distribution: the examples, locked with the archive that the machine uses, built by root and users,
//! and booted.

mod attested;
mod booted;
mod determinism;
mod examples;
mod fixtures;
mod native;
mod over;
mod rpm;
mod rpm_faults;
mod secrets;
mod update;
mod updates;
mod upgraded;
mod verified;
