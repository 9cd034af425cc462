//! What a directory has, as its blocks and its hash tree are both compared with it.

use alloc::vec::Vec;

/// An entry in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DirectoryEntry {
    pub(super) at: u64,
    pub(super) inode: u32,
    pub(super) kind: u8,
    pub(super) name: Vec<u8>,
}

/// A directory: its entries by logical block.
pub(super) struct Directory {
    pub(super) leaves: Vec<(u64, Vec<DirectoryEntry>)>,
}
