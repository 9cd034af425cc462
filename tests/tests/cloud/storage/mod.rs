//! Backup, copies, and storage of snapshots: the program against a local region, read back by boto3, killed half-way.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

mod backup;
mod copies;
mod killed;
mod partitions;
mod snapshots;
