//! The shape of every node: how long its inode is with all that stands behind it, and which blocks its content takes. Follows
//! from the tree alone; knows no address.
//!
//! Content that fits a block with its inode is behind the inode. Other short content is in one run of whole blocks: the rest of
//! a length by blocks is another one with each version of a file, and an inode of another length moves, which dirties its
//! directory. Longer files are in chunks with an address each, so that they can be laid out like those of any other file
//! system: full slots on their own, the rest in clusters. The length alone decides, so that an inode keeps its length
//! wherever its content goes.

use super::error::ErofsWriteError;
use super::{BLOCK, dirs, xattrs};
use crate::erofs::spec::{EXTENDED_SIZE, NID_UNIT};
use crate::stable::SLOT;
use crate::stable::content::touched;
use crate::stable::nodes::{Nodes, Walked, segments_fit, symlink_fits};
use crate::stable::pieces::DataRun;
use crate::tree::{Content, NodeKind};

/// Most full blocks of a file in one run.
const RUN_MAX: u64 = 8;

/// Most chunks of a file before its chunks become larger, so that a map takes half a block.
const CHUNKS: u64 = 512;

/// Most chunks of a file: the map has to stay within a slot of inodes.
const CHUNKS_MAX: u64 = 120_000;

/// Longest inode with all behind it: a slot without the two blocks of superblock and root.
const INODE_MAX: usize = (SLOT as usize - 2) * BLOCK;

/// Longest file.
const FILE_MAX: u64 = CHUNKS_MAX * SLOT as u64 * BLOCK as u64;

/// Where the content of a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentForm {
    /// Blocks in one run, and bytes behind the inode.
    Run {
        /// Blocks.
        blocks: u32,
        /// Bytes behind the inode.
        tail: u32,
    },
    /// Chunks of `1 << bits` blocks, with an address each.
    Chunks {
        /// Logarithm of a chunk's blocks.
        bits: u8,
        /// Chunks, holes included.
        count: u32,
    },
}

/// A node's shape.
#[derive(Debug)]
pub(super) struct InodeShape {
    /// Length of the content.
    pub size: u64,
    /// Its form.
    pub form: ContentForm,
    /// Attributes as they are behind the inode.
    pub xattrs: Box<[u8]>,
}

impl InodeShape {
    /// Bytes of inode and attributes.
    pub(super) fn head(&self) -> usize {
        EXTENDED_SIZE + self.xattrs.len()
    }

    /// Bytes of all that stands together with the inode.
    pub(super) fn len(&self) -> usize {
        self.head()
            + match self.form {
                ContentForm::Run { tail, .. } => tail as usize,
                ContentForm::Chunks { count, .. } => count as usize * 4,
            }
    }

    /// Units of 32 bytes that [`InodeShape::len`] takes.
    pub(super) fn units(&self) -> u32 {
        self.len().div_ceil(NID_UNIT as usize) as u32
    }
}

/// The shapes of all nodes, and the ranges of blocks that their content takes, by node and block.
#[derive(Debug)]
pub(super) struct Shapes {
    /// By index in the walk.
    pub of: Vec<InodeShape>,
    /// Content in chunks.
    pub chunked: Vec<DataRun>,
    /// Content in one run: it may not be cut.
    pub runs: Vec<DataRun>,
}

impl Shapes {
    /// Shapes all nodes.
    ///
    /// # Errors
    /// [`ErofsWriteError`] for what EROFS cannot hold.
    pub(super) fn new(nodes: &Nodes<'_>) -> Result<Self, ErofsWriteError> {
        let mut shapes =
            Self { of: Vec::with_capacity(nodes.walked.len()), chunked: Vec::new(), runs: Vec::new() };
        for (node, walked) in (0..).zip(&nodes.walked) {
            let path = || nodes.path(node);
            check(walked, &path)?;
            let xattrs: Box<[u8]> = match &walked.node.meta.xattrs {
                Some(all) => xattrs::encode(all, &path)?.into(),
                None => Box::default(),
            };
            let head = EXTENDED_SIZE + xattrs.len();
            let (size, form) = match &walked.node.kind {
                NodeKind::Dir(_) => {
                    let size = dirs::len(nodes, node);
                    (size, run(size, head))
                }
                NodeKind::Symlink(target) => (target.len() as u64, run(target.len() as u64, head)),
                NodeKind::File(content) => (content.len(), of_file(content, head)),
                _ => (0, run(0, head)),
            };
            shapes.demand(node, walked, size, form);
            let shape = InodeShape { size, form, xattrs };
            if shape.len() > INODE_MAX {
                return Err(ErofsWriteError::XattrSpace {
                    path: path(),
                    needed: shape.len(),
                    most: INODE_MAX,
                });
            }
            shapes.of.push(shape);
        }
        Ok(shapes)
    }

    /// Lists the blocks of a node.
    fn demand(&mut self, node: u32, walked: &Walked<'_>, size: u64, form: ContentForm) {
        match form {
            ContentForm::Run { blocks: 0, .. } => {}
            ContentForm::Run { blocks: len, .. } => self.runs.push(DataRun { node, block: 0, len }),
            ContentForm::Chunks { bits, .. } => {
                let blocks = size.div_ceil(BLOCK as u64) as u32;
                let NodeKind::File(Content::Sparse { segments, .. }) = &walked.node.kind else {
                    self.chunked.push(DataRun { node, block: 0, len: blocks });
                    return;
                };
                let bottom = self.chunked.len();
                // Whole chunks, of which those that touch are one range.
                for (first, len) in touched(segments, BLOCK as u64) {
                    let block = (first >> bits) << bits;
                    let end = ((((first + len - 1) >> bits) + 1) << bits).min(blocks);
                    match self.chunked[bottom..].last_mut() {
                        Some(last) if last.block + last.len >= block => last.len = end - last.block,
                        _ => self.chunked.push(DataRun { node, block, len: end - block }),
                    }
                }
            }
        }
    }
}

/// Content in one run, or behind the inode where one block holds both.
fn run(size: u64, head: usize) -> ContentForm {
    if head as u64 + size <= BLOCK as u64 {
        ContentForm::Run { blocks: 0, tail: size as u32 }
    } else {
        ContentForm::Run { blocks: size.div_ceil(BLOCK as u64) as u32, tail: 0 }
    }
}

/// Content of a file.
fn of_file(content: &Content, head: usize) -> ContentForm {
    let size = content.len();
    if size / BLOCK as u64 <= RUN_MAX {
        return run(size, head);
    }
    let blocks = size.div_ceil(BLOCK as u64);
    let bits = [3, 5].into_iter().find(|bits| blocks.div_ceil(1 << bits) <= CHUNKS);
    let bits = bits.unwrap_or(SLOT.ilog2() as u8);
    ContentForm::Chunks { bits, count: blocks.div_ceil(1 << bits) as u32 }
}

/// Refuses what an inode cannot hold.
fn check(walked: &Walked<'_>, path: &dyn Fn() -> Vec<u8>) -> Result<(), ErofsWriteError> {
    let (mode, time) = (walked.node.meta.mode, walked.mtime);
    if mode > 0o7777 {
        return Err(ErofsWriteError::Mode { path: path(), mode });
    }
    if time.nanos >= 1_000_000_000 {
        return Err(ErofsWriteError::Time { path: path(), time });
    }
    match &walked.node.kind {
        NodeKind::Symlink(target) if !symlink_fits(target) => {
            Err(ErofsWriteError::Symlink { path: path(), len: target.len() })
        }
        NodeKind::CharDevice { major, minor } | NodeKind::BlockDevice { major, minor }
            if *major >= 1 << 12 || *minor >= 1 << 20 =>
        {
            Err(ErofsWriteError::Device { path: path(), major: *major, minor: *minor })
        }
        NodeKind::File(content) if content.len() > FILE_MAX => {
            Err(ErofsWriteError::FileTooLarge { path: path(), len: content.len(), most: FILE_MAX })
        }
        NodeKind::File(Content::Sparse { len, segments }) if !segments_fit(segments, *len) => {
            Err(ErofsWriteError::Segments { path: path() })
        }
        _ => Ok(()),
    }
}
