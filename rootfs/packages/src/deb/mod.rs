//! Debian packages: archives, indexes, resolution, unpacking, dpkg's database, configuration.

pub mod configure;
pub mod control;
pub mod database;
pub mod diversions;
pub mod file;
pub mod index;
pub mod relation;
pub mod release;
pub mod resolve;
pub mod unpack;
