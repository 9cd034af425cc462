//! The library behind the `amiforge` program.

#[cfg(feature = "fetch")]
pub mod fetch;
pub mod lock;
pub mod pipeline;
pub mod recipe;
pub mod repro;
pub mod sbom;
pub mod vendor;
