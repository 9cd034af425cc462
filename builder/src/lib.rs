//! The library behind the `amiforge` program.

pub mod build;
pub mod bundle;
pub mod diff;
pub mod disk;
pub mod image;
pub mod inspect;
pub mod interrupt;
pub mod manifest;
pub mod progress;
#[cfg(feature = "aws")]
pub mod publish;
pub mod recipe;
pub mod repro;
pub mod verify;
