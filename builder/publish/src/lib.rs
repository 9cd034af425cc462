//! Publishing: uploads blocks as a snapshot, registers snapshots as an AMI, and verifies both against the image that
//! was built.
//!
//! Calls the service through the traits of [`api`], which the crate `amiforge-aws` implements for AWS. Errors are
//! classified by [`service_error::ServiceErrorKind`], and [`retry`] is the only layer that retries. Facts about the
//! service are documented where they are used.

pub mod ami;
pub mod api;
mod concurrency;
pub mod download;
pub mod error;
pub mod folder;
pub mod import;
pub mod journal;
pub mod keys;
pub mod pages;
pub mod plan;
pub mod rate_limiter;
mod readback;
pub mod request;
pub mod retry;
pub mod service_error;
pub mod services;
pub mod snapshot_reader;
pub mod source;
pub mod source_copy;
pub mod tags;
pub mod timer;
pub mod upload;
pub mod verify;
pub mod volume;
mod wait;
