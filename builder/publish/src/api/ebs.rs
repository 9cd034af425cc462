//! The EBS direct APIs (API version 2019-11-02).

use std::future::Future;

use amiforge_formats::digest::Digest;
use amiforge_image::image::Aggregate;
use bytes::Bytes;

use crate::service_error::ServiceError;

/// The six calls of EBS direct. Blocks are those of [`amiforge_formats::digest::BLOCK`]; an implementation refuses
/// a service that has others.
pub trait Ebs: Send + Sync + 'static {
    /// Begins a snapshot. Repeated with an equal request it gives the same snapshot.
    fn start_snapshot(
        &self,
        request: &StartSnapshot,
    ) -> impl Future<Output = Result<StartedSnapshot, ServiceError>> + Send;

    /// Writes a block of a snapshot that is not complete. The service compares the bytes with the digest.
    fn put_block(
        &self,
        snapshot: &str,
        put: PutBlock,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Seals a snapshot. Whether the service agrees with the aggregate is told by [`super::SnapshotCalls`], later.
    fn complete_snapshot(
        &self,
        snapshot: &str,
        written: Aggregate,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// A page of the blocks that a completed snapshot holds, in order, from block `from` on; with a token the page
    /// after the one that gave it.
    fn list_blocks(
        &self,
        snapshot: &str,
        from: u64,
        page: Option<String>,
    ) -> impl Future<Output = Result<ListedPage, ServiceError>> + Send;

    /// A page of the blocks in which `second` differs from `first`; as [`Ebs::list`]. A page may be empty and not
    /// the last.
    fn list_changed_blocks(
        &self,
        first: &str,
        second: &str,
        page: Option<String>,
    ) -> impl Future<Output = Result<ChangedPage, ServiceError>> + Send;

    /// The bytes of a block, which have the digest that the service states for them.
    fn read_block(
        &self,
        snapshot: &str,
        index: u64,
        token: &str,
    ) -> impl Future<Output = Result<FetchedBlock, ServiceError>> + Send;
}

/// What a snapshot is begun with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartSnapshot {
    /// Length of the volume in GiB.
    pub volume_gib: u32,
    /// The snapshot that it continues.
    pub parent: Option<String>,
    /// At most 255 characters.
    pub description: Option<String>,
    /// At most 50.
    pub tags: Vec<(String, String)>,
    /// Makes the call repeatable: at most 64 characters, none of them white.
    pub token: String,
    /// What is asked of encryption.
    pub encryption: Encryption,
    /// Minutes without a request after which the service may give the snapshot up: 10 to 4320.
    pub timeout_minutes: u16,
}

/// What is asked of encryption when a snapshot is begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Whatever the parent or the account's default makes of it.
    #[default]
    AsAccount,
    /// Encrypted with the account's default key.
    DefaultKey,
    /// Encrypted with the key of this ARN.
    Key(String),
}

/// A snapshot that was begun. When the call was a repetition, everything is as of the first one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedSnapshot {
    /// Its id.
    pub snapshot: String,
    /// Whether the answer names a key. An answer that names none does not promise that nothing is encrypted.
    pub names_key: bool,
}

/// A block to be written.
#[derive(Debug, Clone)]
pub struct PutBlock {
    /// Which.
    pub index: u64,
    /// 512 KiB.
    pub bytes: Bytes,
    /// SHA-256 of the bytes, as far as the sender knows.
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
    /// Which.
    pub index: u64,
    /// What [`Ebs::block`] wants to be shown.
    pub token: String,
}

/// Some of the blocks of a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedPage {
    /// The blocks, in order.
    pub blocks: Vec<ListedBlock>,
    /// Length of the volume in GiB.
    pub volume_gib: u64,
    /// Asks for the next page; nothing after the last.
    pub next: Option<String>,
}

/// A block that two snapshots do not share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedBlock {
    /// Which.
    pub index: u64,
    /// Asks for the block of the first snapshot, if it holds one.
    pub first: Option<String>,
    /// Asks for the block of the second snapshot, if it holds one.
    pub second: Option<String>,
}

/// Some of the blocks that two snapshots do not share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedPage {
    /// The blocks, in order.
    pub blocks: Vec<ChangedBlock>,
    /// Asks for the next page; nothing after the last.
    pub next: Option<String>,
}
