//! The dense layout, of a file system that is too tight for the stable one: every free block from the front, in the order
//! of the walk.

use super::Ext4WriteError;
use super::demand::tree_blocks;
use super::geometry::{BlockRun, Ext4Geometry, free_runs};
use super::layout::{Ext4Layout, LayoutRequest};
use crate::ext4::spec::BLOCK_SIZE;
use crate::ext4::spec::extent::MAX_LEN;
use crate::stable::items::leading;
use crate::stable::pieces::Chunk;

/// Lays a file system out densely.
///
/// # Errors
/// [`Ext4WriteError::NoSpace`].
pub(super) fn dense(
    request: LayoutRequest<'_>,
    geometry: &Ext4Geometry,
) -> Result<Ext4Layout, Ext4WriteError> {
    let mut free = FreeBlocks {
        runs: free_runs(&geometry.taken, 0, geometry.blocks),
        left: BlockRun { start: 0, len: 0 },
        missing: 0,
    };
    let mut layout = Ext4Layout::default();
    let mut xattrs = request.attributes.blocks.iter().peekable();
    let mut rest = request.demand.data_runs.as_slice();
    for node in 0..request.nodes.walked.len() as u32 {
        while xattrs.next_if(|block| block.first == node).is_some() {
            layout.xattrs.push(free.take(1).start);
        }
        let first = layout.data.len();
        for data_run in leading(&mut rest, |data_run| data_run.node == node) {
            let (mut block, end) = (data_run.block, data_run.block + data_run.len);
            while block < end {
                let run = free.take((end - block).min(MAX_LEN));
                let len = run.len as u32;
                layout.data.push(Chunk { node, block, len, start: run.start });
                block += len;
            }
        }
        let mut tree = tree_blocks(layout.data.len() - first);
        while tree > 0 {
            let run = free.take(tree);
            layout.trees.push((node, run));
            tree -= run.len as u32;
        }
    }
    if free.missing > 0 {
        let available = geometry.blocks * BLOCK_SIZE;
        return Err(Ext4WriteError::NoSpace { needed: available + free.missing * BLOCK_SIZE, available });
    }
    Ok(layout)
}

/// Free blocks, front to back; past the end it only counts.
struct FreeBlocks<I> {
    runs: I,
    left: BlockRun,
    missing: u64,
}

impl<I: Iterator<Item = BlockRun>> FreeBlocks<I> {
    /// Up to `most` blocks, at least one.
    fn take(&mut self, most: u32) -> BlockRun {
        if self.left.len == 0 {
            let Some(run) = self.runs.next() else {
                self.missing += u64::from(most);
                return BlockRun { start: 0, len: u64::from(most) };
            };
            self.left = run;
        }
        let run = BlockRun { start: self.left.start, len: self.left.len.min(u64::from(most)) };
        self.left = BlockRun { start: run.end(), len: self.left.len - run.len };
        run
    }
}
