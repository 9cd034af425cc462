//! Images of a real distribution: the examples, locked with the archive that the machine uses, built by root and users,
//! and booted.

mod attested;
mod booted;
mod determinism;
mod examples;
mod fixtures;
mod kept;
mod native;
mod over;
mod over_rpm;
mod rpm;
mod rpm_faults;
mod rpm_machines;
mod rpm_recipe;
mod secrets;
mod update;
mod updates;
mod upgraded;
mod verified;
