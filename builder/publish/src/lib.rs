//! Publishing: blocks into a snapshot, a snapshot into an image that can be launched, and the proof that both hold
//! what was built.
//!
//! It speaks of the service through the traits of [`api`], which the crate `amiforge-aws` has for AWS; errors are told apart by
//! [`service_error::ServiceErrorKind`], repeated by [`retry`] and by nothing else. Facts of the service stand where they are used.

pub mod ami;
pub mod api;
mod concurrency;
pub mod download;
pub mod error;
pub mod folder;
pub mod journal;
pub mod keys;
pub mod plan;
pub mod rate_limiter;
mod readback;
pub mod request;
pub mod retry;
pub mod service_error;
pub mod services;
pub mod source;
pub mod tags;
pub mod timer;
pub mod upload;
pub mod verify;
pub mod volume;
mod wait;
