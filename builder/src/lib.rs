//! The library behind the `amiforge` program.

pub mod boot;
pub mod build;
pub mod bundle;
pub mod diff;
pub mod disk;
#[cfg(feature = "fetch")]
pub mod fetch;
pub mod image;
pub mod inspect;
pub mod interrupt;
pub mod lock;
pub mod manifest;
pub mod preflight;
pub mod progress;
#[cfg(feature = "aws")]
pub mod publish;
pub mod recipe;
pub mod repro;
pub mod sbom;
pub mod vendor;
pub mod verify;
