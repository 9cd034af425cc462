//! Publishing: blocks into a snapshot, a snapshot into an image that can be launched, and the proof that both hold
//! what was built.
//!
//! It speaks of the service through the traits of [`api`], which the crate `amiforge-aws` has for AWS; errors are told apart by
//! [`fault::ServiceErrorKind`], repeated by [`retry`] and by nothing else. Facts of the service stand where they are used.

pub mod ami;
pub mod api;
pub mod backoff;
pub mod download;
pub mod error;
pub mod fault;
pub mod flow;
pub mod folder;
pub mod journal;
pub mod keys;
mod parent;
pub mod plan;
mod prove;
mod readback;
mod reader;
pub mod request;
pub mod retry;
mod send;
pub mod services;
pub mod sieve;
pub mod source;
pub mod tags;
pub mod upload;
pub mod verify;
pub mod volume;
mod wait;
mod width;
