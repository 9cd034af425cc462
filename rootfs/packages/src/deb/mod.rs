//! Debian packages: archives, indexes, resolution, unpacking, dpkg's database, configuration. [`backend`] puts the parts
//! together as the program uses them.

mod apt_sources;
mod backend;
pub mod configure;
pub mod control;
pub mod database;
pub mod diversions;
pub mod file;
pub mod index;
mod installed;
mod keyring;
mod licence;
mod lock;
mod mirror;
mod over;
mod owned;
mod published;
mod records;
pub mod relation;
pub mod release;
pub mod repository;
pub mod resolve;
pub mod source;
pub mod suite_error;
#[cfg(test)]
mod testing;
pub mod unpack;

pub use backend::DebFormat;
pub use source::DebSource;
