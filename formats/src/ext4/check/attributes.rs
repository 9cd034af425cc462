//! Blocks of attributes: how many inodes share them, and the hash of the whole.

use std::collections::BTreeMap;

use super::CheckRun;
use crate::ext4::read::{Corruption, CorruptionSink, Defect, Ext4Location, Ext4ReadError, ReadInode, xattr};
use crate::read_at::ReadAt;

/// A block of attributes met on the way through the inodes.
#[derive(Debug)]
struct Use {
    users: u64,
    references: u64,
    hash: u32,
    computed: u32,
}

/// All blocks of attributes, by number.
#[derive(Debug, Default)]
pub(super) struct SharedBlocks(BTreeMap<u64, Use>);

impl<R: ReadAt + ?Sized> CheckRun<'_, '_, R> {
    /// Checks the attributes of an inode; those of a block only when it is met for the first time.
    pub(super) fn attributes(&mut self, inode: &ReadInode) -> Result<(), Ext4ReadError> {
        xattr::body(inode, &mut self.report)?;
        let number = inode.xattr_block;
        if number == 0 {
            return Ok(());
        }
        if let Some(known) = self.attributes.0.get_mut(&number) {
            known.users += 1;
            return Ok(());
        }
        let block = xattr::block(self.file_system, inode, number, &mut self.report)?;
        // The whole reading shows names and ACLs that mean nothing; findings that repeat those above are dropped.
        let mut repeated = super::CheckReport::default();
        xattr::read(self.file_system, inode, &mut repeated)?;
        let new = repeated.findings.into_iter().filter(|finding| {
            let meaning = matches!(
                finding.corruption.why,
                Defect::Meaningless { .. } | Defect::Acl { .. } | Defect::Duplicate { .. }
            );
            meaning && matches!(finding.corruption.location, Ext4Location::Inode { .. })
        });
        for finding in new {
            self.report.report(finding.corruption)?;
        }
        if self.file_system.holds(number, 1) {
            self.claims.claim(number, 1, Ext4Location::XattrBlock { block: number });
            let (references, hash) = (block.references.into(), block.hash);
            let computed = xattr::block_hash(&block.attributes);
            self.attributes.0.insert(number, Use { users: 1, references, hash, computed });
        }
        Ok(())
    }

    /// Checks how many inodes use every block of attributes.
    pub(super) fn attribute_blocks(&mut self) {
        for (&block, known) in &self.attributes.0 {
            let location = Ext4Location::XattrBlock { block };
            let offset = self.file_system.superblock().offset_of(block);
            if known.users != known.references {
                let (found, expected) = (known.references, known.users);
                let why = Defect::Value { field: "h_refcount", found, expected };
                self.report.error(Corruption { location, offset, why });
            }
            // mke2fs writes none, which only means that the kernel will not share the block.
            if known.hash != 0 && known.hash != known.computed {
                let (found, expected) = (known.hash.into(), known.computed.into());
                let why = Defect::Value { field: "h_hash", found, expected };
                self.report.warning(Corruption { location, offset, why });
            }
        }
    }
}
