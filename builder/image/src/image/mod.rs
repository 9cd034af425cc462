//! The image: a plan written out as the bytes of a disk, with every digest taken in the same pass.
//!
//! Owns the blocks and their digests, and how bytes reach a file. Knows no format and no partition: a plan is all
//! that it sees. The aggregate over blocks follows the checksums of EBS direct APIs (`CompleteSnapshot`, LINEAR),
//! the Merkle tree follows RFC 9162 section 2.1.

mod blocks;
mod digester;
mod emission;
mod emit;
mod hash_tree;
mod sha256;
mod target;
mod window;

use std::io;
use std::path::PathBuf;

use amiforge_formats::digest::Digest;
use amiforge_formats::verity::write::VerityWriteError;

pub use blocks::{Aggregate, Block, BlockMap, BlockSpan};
pub use emit::{digest, emit, write};
pub use hash_tree::hash_tree;

/// How to write an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmitOptions {
    /// Threads that read, write and hash; at least one. The bytes do not depend on it.
    pub threads: usize,
}

impl Default for EmitOptions {
    /// One thread for each core that this process may use.
    fn default() -> Self {
        Self { threads: std::thread::available_parallelism().map_or(1, usize::from) }
    }
}

/// What is known of an image that was written before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownImage {
    /// Merkle root of its blocks.
    pub root: Digest,
    /// SHA-256 of the whole file.
    pub plain: Digest,
}

/// What came of writing an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// Digest or kind of every block, in order.
    pub blocks: BlockMap,
    /// SHA-256 of the whole file.
    pub plain: Digest,
    /// Length of the file in bytes.
    pub len: u64,
    /// Bytes written; the rest of the file are holes.
    pub written: u64,
    /// Whether `plain` was taken from the cache, because the blocks have the Merkle root that is known there.
    pub plain_from_cache: bool,
}

impl Emitted {
    /// What is known of the image from now on.
    pub fn known(&self) -> KnownImage {
        KnownImage { root: self.blocks.merkle_root(), plain: self.plain }
    }
}

/// Why an image could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The file could not be made.
    #[error("creating `{}`", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A source did not give its bytes. The cause names the source and the byte in it.
    #[error("reading what belongs at byte {offset} of the image")]
    Read {
        /// Where in the image the bytes belong.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// The file system is full.
    #[error(
        "`{}` needs {needed} bytes of disk space, and its file system has {available} left", path.display()
    )]
    NoSpace {
        /// The file.
        path: PathBuf,
        /// Bytes that the image takes.
        needed: u64,
        /// Bytes that were free for it.
        available: u64,
    },
    /// The file did not take the bytes.
    #[error("writing byte {offset} of `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Where in the image.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// A hash tree cannot be made over a plan of that length.
    #[error("making a hash tree")]
    HashTree(#[source] VerityWriteError),
    /// The caller requested to stop.
    #[error("interrupted")]
    Interrupted,
}

#[cfg(test)]
mod tests;
