//! The library behind the `amiforge` program.

pub mod base_digests;
pub mod embedded;
#[cfg(feature = "fetch")]
pub mod fetch;
pub mod import;
pub mod leaks;
pub mod lock;
#[cfg(feature = "fetch")]
pub mod outdated;
pub mod pipeline;
pub mod provenance;
pub mod rebuild;
pub mod recipe;
pub mod repro;
pub mod sbom;
pub mod signer;
#[cfg(all(feature = "aws", feature = "fetch"))]
pub mod update;
pub mod vendor;
