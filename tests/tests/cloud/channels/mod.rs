//! Channels with the program against a local region with three regions: each step read back by boto3.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

mod fixture;
mod kill;
mod policy;
mod refusals;
mod story;
