//! What is inside an AMI: recipe and lock in its root file system, held against tags, watermarks and blocks, and built again.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

mod fixture;
mod rebuild;
mod whois;
