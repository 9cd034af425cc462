//! Our client of EC2: its calls against the model of the service, its endpoints against botocore's rules, and answers
//! that no service should give.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

mod archived;
mod endpoints;
mod hostile;
mod keys;
mod model;
mod server;
mod trust;
