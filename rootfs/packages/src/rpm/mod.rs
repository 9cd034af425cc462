//! rpm packages: repositories, resolution, unpacking, rpm's database, configuration.

pub mod available;
mod backend;
pub mod configure;
pub mod database;
pub mod distributions;
pub mod evr;
pub mod file;
pub mod file_list;
mod groups;
pub mod header;
pub mod installed;
mod keys;
mod licence;
mod lock;
mod mirror;
pub mod over;
pub mod owned;
pub mod package;
mod place;
pub mod published;
pub mod relation;
pub mod repository;
pub mod resolve;
pub mod signature;
pub mod source;
mod stated;
#[cfg(test)]
mod testing;
pub mod unpack;
mod unpacked;
mod upgrade_sources;
mod verify;

pub use backend::RpmFormat;
pub use source::RpmSource;
