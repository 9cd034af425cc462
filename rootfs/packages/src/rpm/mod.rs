//! rpm packages: repositories, resolution, unpacking, rpm's database, configuration.

pub mod available;
pub mod configure;
pub mod evr;
pub mod header;
pub mod package;
pub mod relation;
