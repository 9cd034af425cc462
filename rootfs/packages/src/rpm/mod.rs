//! rpm packages: repositories, resolution, unpacking, rpm's database, configuration.

pub mod available;
mod backend;
pub mod distributions;
pub mod evr;
pub mod file;
pub mod file_list;
pub mod header;
mod mirror;
pub mod package;
pub mod relation;
pub mod signature;
pub mod source;
#[cfg(test)]
mod testing;
pub mod unpack;

pub use backend::RpmFormat;
pub use source::RpmSource;
