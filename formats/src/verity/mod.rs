//! dm-verity: a hash tree over a read-only device, behind a superblock as veritysetup writes it.
//!
//! The formats are in the kernel's `Documentation/admin-guide/device-mapper/verity.rst` (version 1 of the tree), and in
//! cryptsetup's `lib/verity/verity.c` (the superblock). Only SHA-256 and blocks of 4096 bytes on both sides are known here:
//! what veritysetup chooses, and what every kernel that has dm-verity takes. Reader and writer share the constants of
//! `spec.rs` and nothing else.
//!
//! Neither the writer nor the checker reads by itself: who has the bytes of many blocks at hand gives them, on as many
//! threads as there are.

pub mod check;
mod fields;
mod format;
mod map;
pub mod read;
mod residue;
mod spec;
pub mod write;

#[cfg(test)]
mod tests;

pub(crate) use format::VerityFormat;
pub use spec::{BLOCK, HASHES, LEAF_SPAN};
