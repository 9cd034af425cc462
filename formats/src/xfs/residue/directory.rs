//! Blocks of directories: deleted entries, padding, and what follows the entries of an index.

use super::XfsPass;
use crate::fields;
use crate::residue::{ResidueKind, ResidueOwner};
use crate::xfs::read::block::{DIR_SHAPE, XfsBlock};
use crate::xfs::read::dir_block::{self, DirBlockPart};
use crate::xfs::read::directory::{self, DirForm};
use crate::xfs::read::{XfsForkFormat, XfsInode, XfsMapping, XfsReadError, XfsRefuse, da};
use crate::xfs::spec::{
    DA_ENTRY, DA_HEADER, DIR_BLOCK_MAGIC, DIR_BLOCK_TAIL, DIR_DATA_MAGIC, DIR_LEAF1_MAGIC, DIR_LEAFN_MAGIC,
};

/// Bytes of unused space that are its tag and length; two more are at its end.
const UNUSED_HEAD: usize = 4;
/// Bytes of an entry before its name, with the type behind it, and of its tag.
const ENTRY_HEAD: usize = 10;
const TAG: usize = 2;

impl XfsPass<'_, '_> {
    /// Goes through the blocks of a directory.
    pub(super) fn directory(&mut self, dir: &XfsInode, mapping: &XfsMapping) -> Result<(), XfsReadError> {
        if dir.data.format == XfsForkFormat::Local {
            return Ok(());
        }
        let system = self.system;
        let fork = directory::blocks_of(system, dir, mapping);
        let form = DirForm::of(system, mapping);
        let owner = ResidueOwner::Node(dir.number);
        let magics = [if form == DirForm::Block { DIR_BLOCK_MAGIC } else { DIR_DATA_MAGIC }];
        for logical in directory::data_blocks(mapping, fork.step, directory::index_at(system)) {
            let Some(block) = system.fork_block(fork, logical, (DIR_SHAPE, &magics), &mut XfsRefuse)? else {
                continue;
            };
            let mut end = block.bytes.len();
            if form == DirForm::Block {
                let tail = end.saturating_sub(DIR_BLOCK_TAIL);
                let count = fields::be32(&block.bytes, tail) as usize;
                end = tail.saturating_sub(count.saturating_mul(DA_ENTRY));
            }
            self.entries(owner, &block, end)?;
        }
        if form == DirForm::Block {
            return Ok(());
        }
        let magic = if form == DirForm::Leaf { DIR_LEAF1_MAGIC } else { DIR_LEAFN_MAGIC };
        let blocks = da::read(system, fork, directory::index_at(system), magic, &mut XfsRefuse)?;
        for leaf in blocks.leaves.iter().chain(&blocks.nodes) {
            let count = usize::from(fields::be16(&leaf.bytes, 56)).saturating_mul(DA_ENTRY);
            // The only leaf has the table of unused space at its end.
            let table = if form == DirForm::Leaf {
                let bests = fields::be32(&leaf.bytes, leaf.bytes.len().saturating_sub(4)) as usize;
                bests.saturating_mul(2).saturating_add(4)
            } else {
                0
            };
            let start = leaf.offset.saturating_add(count.saturating_add(DA_HEADER) as u64);
            let end = leaf.offset.saturating_add(leaf.bytes.len().saturating_sub(table) as u64);
            self.survey.suspect(ResidueKind::DirectoryGap, owner, start..end);
        }
        Ok(())
    }

    /// Unused space between entries, and what pads them.
    fn entries(&mut self, owner: ResidueOwner, block: &XfsBlock, end: usize) -> Result<(), XfsReadError> {
        let survey = &mut self.survey;
        let place = |at: usize| block.offset.saturating_add(at as u64);
        dir_block::parts(block, end, &mut XfsRefuse, &mut |at, part| match part {
            DirBlockPart::Unused(len) => {
                let (from, to) = (at.saturating_add(UNUSED_HEAD), at.saturating_add(len.saturating_sub(TAG)));
                survey.suspect(ResidueKind::DeletedEntry, owner, place(from)..place(to));
            }
            DirBlockPart::Entry(entry) => {
                let from = at.saturating_add(ENTRY_HEAD).saturating_add(entry.name.len());
                let to = at.saturating_add(entry.len.saturating_sub(TAG));
                survey.suspect(ResidueKind::DirectoryGap, owner, place(from)..place(to));
            }
        })
    }
}
