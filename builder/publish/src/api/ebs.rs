//! The EBS direct APIs (API version 2019-11-02).

use std::future::Future;

use amiforge_formats::digest::Digest;
use amiforge_image::image::Aggregate;
use bytes::Bytes;

use crate::service_error::ServiceError;

/// The EBS direct APIs. Blocks have the length [`amiforge_formats::digest::BLOCK`]; an implementation refuses a service
/// with other blocks.
pub trait Ebs: Send + Sync + 'static {
    /// `StartSnapshot`. An equal request returns the same snapshot.
    fn start_snapshot(
        &self,
        request: &StartSnapshot,
    ) -> impl Future<Output = Result<StartedSnapshot, ServiceError>> + Send;

    /// `PutSnapshotBlock`, for a snapshot that is not sealed. The service compares the bytes with the digest.
    fn put_block(
        &self,
        snapshot: &str,
        put: PutBlock,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// `CompleteSnapshot`: seals a snapshot. The service verifies the aggregate later; [`super::SnapshotCalls`] reports
    /// the result.
    fn complete_snapshot(
        &self,
        snapshot: &str,
        written: Aggregate,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// `ListSnapshotBlocks`: a page of the blocks of a completed snapshot, in order, from block `from` on, or after the
    /// page that returned the token `page`.
    fn list_blocks(
        &self,
        snapshot: &str,
        from: u64,
        page: Option<String>,
    ) -> impl Future<Output = Result<ListedPage, ServiceError>> + Send;

    /// `ListChangedBlocks`: a page of the blocks in which `second` differs from `first`. A page may be empty and not
    /// the last.
    fn list_changed_blocks(
        &self,
        first: &str,
        second: &str,
        page: Option<String>,
    ) -> impl Future<Output = Result<ChangedPage, ServiceError>> + Send;

    /// `GetSnapshotBlock`: the bytes of a block, verified against the digest that the service states.
    fn read_block(
        &self,
        snapshot: &str,
        index: u64,
        token: &str,
    ) -> impl Future<Output = Result<FetchedBlock, ServiceError>> + Send;
}

/// Parameters of `StartSnapshot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartSnapshot {
    /// Length of the volume in GiB.
    pub volume_gib: u32,
    /// The parent snapshot.
    pub parent: Option<String>,
    /// Description, at most 255 characters.
    pub description: Option<String>,
    /// Tags, at most 50.
    pub tags: Vec<(String, String)>,
    /// Client token: at most 64 characters, without white space. An equal token makes the call idempotent.
    pub token: String,
    /// Requested encryption.
    pub encryption: Encryption,
    /// Minutes without a request after which the service may cancel the snapshot: 10 to 4320.
    pub timeout_minutes: u16,
}

/// Requested encryption of a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Encryption {
    /// That of the parent, or the account's default.
    #[default]
    AsAccount,
    /// Encrypted with the account's default key.
    DefaultKey,
    /// Encrypted with the key with this ARN.
    Key(String),
}

/// A started snapshot. A repeated call returns the values of the first one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedSnapshot {
    /// Its id.
    pub snapshot: String,
    /// Whether the response names a key. A response without a key does not mean that the snapshot is not encrypted.
    pub names_key: bool,
}

/// A block to write.
#[derive(Debug, Clone)]
pub struct PutBlock {
    /// Block index.
    pub index: u64,
    /// 512 KiB.
    pub bytes: Bytes,
    /// SHA-256 of the bytes, as the sender computed it.
    pub digest: Digest,
}

/// A block that was read.
#[derive(Debug, Clone)]
pub struct FetchedBlock {
    /// 512 KiB.
    pub bytes: Bytes,
    /// Their SHA-256, computed from the bytes.
    pub digest: Digest,
}

/// A block that a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedBlock {
    /// Block index.
    pub index: u64,
    /// Token for [`Ebs::read_block`].
    pub token: String,
}

/// A page of blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedPage {
    /// The blocks, in order.
    pub blocks: Vec<ListedBlock>,
    /// Length of the volume in GiB.
    pub volume_gib: u64,
    /// Token of the next page; `None` on the last one.
    pub next: Option<String>,
}

/// A block in which two snapshots differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedBlock {
    /// Block index.
    pub index: u64,
    /// Token for the block of the first snapshot, if it holds one.
    pub first: Option<String>,
    /// Token for the block of the second snapshot, if it holds one.
    pub second: Option<String>,
}

/// A page of changed blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedPage {
    /// The blocks, in order.
    pub blocks: Vec<ChangedBlock>,
    /// Token of the next page; `None` on the last one.
    pub next: Option<String>,
}
