//! The library behind the `amiforge` program.

pub mod build;
#[cfg(feature = "fetch")]
pub mod fetch;
pub mod lock;
pub mod recipe;
pub mod repro;
pub mod sbom;
pub mod vendor;
