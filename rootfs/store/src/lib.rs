//! The store: a content-addressed folder of decompressed inputs, shared by builds that may run at once.
//!
//! An entry is one file, `<sha256 of the compressed input>-<its length>`, so that its name says whether an input can
//! be in the store before that is read. It holds the decompressed bytes and a trailer with their length and
//! digest and with the trailer's own digest. It is written under another name, synced, and renamed, so a power cut
//! leaves either nothing or all of it; the next build that opens the store removes what a killed build left.
//!
//! The trailer is checked on open, which detects an entry that was cut short; the bytes are hashed while the build
//! reads them, and the build is not finished before their digests are right (see [`deferred`]), because hashing
//! first would take longer than all the rest. So an entry is never trusted further than its digest reaches; who can
//! write the store could forge both, as they could the tool itself.

pub mod blobs;
pub mod deferred;
pub mod digests;
mod entry;
mod error;
mod gc;
mod hash;
pub mod layer;
mod objects;
pub mod stamps;
mod store;

pub use entry::{Committed, EntryWriter, OpenEntry, PendingRename};
pub use error::StoreError;
pub use gc::{StoreEntry, StoreEntryKind, StoreLock};
pub use hash::{FileDigests, FileHasher};
pub use objects::{CreatedObject, Objects, OpenObject, PartialObject};
pub use store::Store;
