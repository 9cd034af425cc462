//! Blocks of attributes: how many inodes share them, and the hash of the whole.

use std::collections::BTreeMap;

use super::Check;
use crate::ext4::read::{Fault, Faults, Inode, Place, ReadError, Why, xattr};
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
pub(super) struct Shared(BTreeMap<u64, Use>);

impl<R: ReadAt + ?Sized> Check<'_, '_, R> {
    /// Checks the attributes of an inode; those of a block only when it is met for the first time.
    pub(super) fn attributes(&mut self, inode: &Inode) -> Result<(), ReadError> {
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
        // The whole reading shows names and ACLs that mean nothing; what it repeats of the above is not kept.
        let mut repeated = super::Report::default();
        xattr::read(self.file_system, inode, &mut repeated)?;
        let new = repeated.findings.into_iter().filter(|finding| {
            let meaning = matches!(
                finding.fault.why,
                Why::Meaningless { .. } | Why::Acl { .. } | Why::Duplicate { .. }
            );
            meaning && matches!(finding.fault.place, Place::Inode { .. })
        });
        for finding in new {
            self.report.report(finding.fault)?;
        }
        if self.file_system.holds(number, 1) {
            self.claims.claim(number, 1, Place::XattrBlock { block: number });
            let (references, hash) = (block.references.into(), block.hash);
            let computed = xattr::block_hash(&block.attributes);
            self.attributes.0.insert(number, Use { users: 1, references, hash, computed });
        }
        Ok(())
    }

    /// Checks how many inodes use every block of attributes.
    pub(super) fn attribute_blocks(&mut self) {
        for (&block, known) in &self.attributes.0 {
            let place = Place::XattrBlock { block };
            let offset = self.file_system.superblock().offset_of(block);
            if known.users != known.references {
                let (found, expected) = (known.references, known.users);
                let why = Why::Value { field: "h_refcount", found, expected };
                self.report.error(Fault { place, offset, why });
            }
            // mke2fs writes none, which only means that the kernel will not share the block.
            if known.hash != 0 && known.hash != known.computed {
                let (found, expected) = (known.hash.into(), known.computed.into());
                let why = Why::Value { field: "h_hash", found, expected };
                self.report.warning(Fault { place, offset, why });
            }
        }
    }
}
