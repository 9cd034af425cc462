//! Our client of EC2: its calls compared with the model of the service, its endpoints with botocore's rules, and
//! malformed responses.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

mod archived;
mod endless;
mod endpoints;
mod hostile;
mod keys;
mod model;
mod s3_model;
mod server;
mod trust;
