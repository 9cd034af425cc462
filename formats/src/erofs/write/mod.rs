//! EROFS writer: from a tree to a plan, uncompressed.
//!
//! Everything is decided before a byte is written: the walk numbers the nodes, the shapes say how long each inode is with all
//! that stands behind it, the layout gives every inode and every block an address that depends on names and sizes and on no
//! history, and the claims follow.

mod dirs;
mod emit;
mod error;
mod layout;
mod metadata;
mod shapes;
mod xattrs;

pub use error::ErofsWriteError;

use self::emit::Emitter;
use self::layout::{ErofsLayout, ErofsLayoutRequest};
use self::shapes::Shapes;
use super::spec::{LABEL_MAX, NULL_ADDRESS};
use crate::guid::Guid;
use crate::plan::Plan;
use crate::stable::SLOT;
use crate::stable::nodes::Nodes;
use crate::time::Time;
use crate::tree::{ChangeGroups, Tree};

/// Bytes of a block.
const BLOCK: usize = 4096;

/// What an EROFS file system should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErofsOptions {
    /// File-system UUID.
    pub uuid: Guid,
    /// Volume label, at most 16 bytes.
    pub label: String,
    /// Creation time of the file system, not before 1970.
    pub time: Time,
}

/// Plans a file system of exactly `len` bytes (rounded down to whole 4 KiB blocks; the rest stays free).
///
/// # Errors
/// [`ErofsWriteError`] when the options or the tree ask for what EROFS cannot hold, or the tree does not fit.
pub fn plan(tree: &Tree, options: &ErofsOptions, len: u64) -> Result<Plan, ErofsWriteError> {
    ErofsDraft::new(tree, options)?.plan(len)
}

/// [`ErofsDraft::minimal_len`] of a tree.
///
/// # Errors
/// As [`plan`], but for a lack of space.
pub fn minimal_len(tree: &Tree, options: &ErofsOptions, slack: u64) -> Result<u64, ErofsWriteError> {
    ErofsDraft::new(tree, options)?.minimal_len(slack)
}

/// A file system that has no length yet: what is known of its tree, gathered once for both questions, how long it has to be,
/// and the address of everything.
#[derive(Debug)]
pub struct ErofsDraft<'a> {
    options: ErofsOptions,
    nodes: Nodes<'a>,
    shapes: Shapes,
    /// The layout at the least length, with its blocks.
    laid: Option<(u64, ErofsLayout)>,
}

impl<'a> ErofsDraft<'a> {
    /// Walks a tree, whose nodes are in no groups.
    ///
    /// # Errors
    /// [`ErofsWriteError`] when the options or the tree ask for what EROFS cannot hold.
    pub fn new(tree: &'a Tree, options: &ErofsOptions) -> Result<Self, ErofsWriteError> {
        Self::grouped(tree, &ChangeGroups::default(), options)
    }

    /// Walks a tree. What is in a group is put together, as far as the size allows.
    ///
    /// # Errors
    /// As [`ErofsDraft::new`].
    pub fn grouped(
        tree: &'a Tree,
        groups: &ChangeGroups,
        options: &ErofsOptions,
    ) -> Result<Self, ErofsWriteError> {
        if options.label.len() > LABEL_MAX || options.label.contains('\0') {
            return Err(ErofsWriteError::Label { label: options.label.clone() });
        }
        if options.time.secs < 0 {
            return Err(ErofsWriteError::CreationTime { time: options.time });
        }
        let nodes = Nodes::walk(tree, groups, None);
        let shapes = Shapes::new(&nodes)?;
        Ok(Self { options: options.clone(), nodes, shapes, laid: None })
    }

    /// The least length in bytes, a multiple of 512 KiB, at which [`ErofsDraft::plan`] succeeds with the slack of slots that a
    /// stable layout wants, and `slack` bytes more.
    ///
    /// # Errors
    /// As [`ErofsDraft::plan`], but for a lack of space.
    pub fn minimal_len(&mut self, slack: u64) -> Result<u64, ErofsWriteError> {
        let mut slots = layout::stable_need(self.request()) + slack.div_ceil(u64::from(SLOT) * BLOCK as u64);
        loop {
            let blocks = slots * u64::from(SLOT);
            within(blocks)?;
            if let Some(layout) = layout::stable(self.request(), blocks) {
                self.laid = Some((blocks, layout));
                return Ok(blocks * BLOCK as u64);
            }
            slots += 1 + slots / 200;
        }
    }

    /// Plans a file system of exactly `len` bytes (rounded down to whole 4 KiB blocks; the rest stays free).
    ///
    /// # Errors
    /// [`ErofsWriteError`] when the tree does not fit.
    pub fn plan(mut self, len: u64) -> Result<Plan, ErofsWriteError> {
        let blocks = len / BLOCK as u64;
        let count = within(blocks)?;
        let layout = match self.laid.take() {
            Some((laid, layout)) if laid == blocks => layout,
            _ => layout::lay_out(self.request(), blocks)?,
        };
        let Self { options, nodes, shapes, .. } = &self;
        Emitter { options, nodes, shapes, layout: &layout }.plan(len, count)
    }

    fn request(&self) -> ErofsLayoutRequest<'_> {
        ErofsLayoutRequest { nodes: &self.nodes, shapes: &self.shapes }
    }
}

/// The number of blocks as the superblock has it.
fn within(blocks: u64) -> Result<u32, ErofsWriteError> {
    let most = u64::from(NULL_ADDRESS);
    u32::try_from(blocks).ok().filter(|blocks| *blocks < NULL_ADDRESS).ok_or(ErofsWriteError::TooLarge {
        len: blocks.saturating_mul(BLOCK as u64),
        most: most * BLOCK as u64,
    })
}
