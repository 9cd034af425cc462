//! Inventory and clean-up of an account in the local region: the program as a user runs it, read back by boto3.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

mod account;
mod clean_up;
mod inventory;
mod policy;
