//! What encoding and decoding an index share: its first bytes, the tags of nodes, the entries that it references; and why
//! a layer could not be saved or loaded.

use amiforge_formats::digest::Digest;

use crate::error::StoreError;

/// The first bytes of an index; the digit is the version.
pub(super) const MAGIC: &[u8; 16] = b"amiforge layer 2";

/// Tags of nodes in an index.
pub(super) mod tag {
    pub(in crate::layer) const DIR: u8 = 0;
    pub(in crate::layer) const FILE: u8 = 1;
    pub(in crate::layer) const SYMLINK: u8 = 2;
    pub(in crate::layer) const CHAR: u8 = 3;
    pub(in crate::layer) const BLOCK: u8 = 4;
    pub(in crate::layer) const FIFO: u8 = 5;
    pub(in crate::layer) const SOCKET: u8 = 6;
    /// One more name of an earlier node.
    pub(in crate::layer) const LINK: u8 = 7;
}

/// What a tree is encoded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It is loaded later; the index has the digests of files.
    Layer,
    /// Only its digest counts, or it has no files.
    Fingerprint,
}

/// An entry of the store that a layer references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) len: u64,
    pub(super) digest: Digest,
}

/// Why a layer could not be saved or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// An entry of the store is damaged, or the store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A content of the tree cannot be read.
    #[error("reading the contents of the layer")]
    Read(#[source] std::io::Error),
}
