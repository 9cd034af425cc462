//! rpm packages: repositories, resolution, unpacking, rpm's database, configuration.

pub mod available;
mod backend;
pub mod database;
pub mod distributions;
pub mod evr;
pub mod header;
pub mod installed;
mod licence;
mod mirror;
pub mod owned;
pub mod package;
pub mod published;
pub mod relation;
pub mod source;
#[cfg(test)]
mod testing;

pub use backend::RpmFormat;
pub use source::RpmSource;
