//! Sharing after the publication: the program against a local region with two accounts, read back by boto3.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

mod allowed;
mod faults;
pub(crate) mod fixture;
mod share;
