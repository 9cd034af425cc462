//! What the stable layouts of file systems have in common: identities of paths, slots chosen by consistent hashing, lists cut
//! into clusters by their content, the walk of a tree, and the bytes that a planner makes. Knows no file system.
//!
//! All of it is part of the byte contract: a change here moves the blocks of every image.

pub(crate) mod arena;
pub(crate) mod cluster;
pub(crate) mod content;
pub(crate) mod identity;
pub(crate) mod items;
pub(crate) mod nodes;
pub(crate) mod pieces;
pub(crate) mod slots;

/// Blocks of a slot, the part of a file system that is one block of the image.
pub(crate) const SLOT: u32 = 128;
