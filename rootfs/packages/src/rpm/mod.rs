//! rpm packages: repositories, resolution, unpacking, rpm's database, configuration.

pub mod available;
mod backend;
pub mod distributions;
pub mod evr;
pub mod header;
mod mirror;
pub mod package;
pub mod relation;
pub mod source;
#[cfg(test)]
mod testing;

pub use backend::RpmFormat;
pub use source::RpmSource;
