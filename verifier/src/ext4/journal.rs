//! The journal: an internal one, empty, with the superblock of jbd2 in its first block.

use alloc::format;

use super::{Ext4, JOURNAL};
use crate::bytes::array;
use crate::report::Log;
use crate::source::ReadFailure;

/// A big-endian number.
fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(bytes, at))
}

impl Ext4<'_> {
    /// Checks the journal, if there is one.
    pub(super) fn check_journal(&self, log: &mut Log<'_>) -> Result<(), ReadFailure> {
        let inode = self.inodes.get(&JOURNAL);
        if !self.sb.journal {
            if inode.is_some_and(|inode| inode.size > 0) {
                log.wrong(None, "there is a journal and no feature that says so");
            }
            return Ok(());
        }
        let Some((inode, first)) = inode.and_then(|inode| Some((inode, inode.content.first()?))) else {
            log.wrong(None, "the journal has no blocks");
            return Ok(());
        };
        if first.logical != 0 || inode.content.iter().any(|range| range.unwritten) {
            log.wrong(inode.at, "the journal has holes");
            return Ok(());
        }
        let at = self.at(first.physical);
        let header = self.block(first.physical)?;
        log.equal(at, "the magic number of the journal", 0xc03b_3998, be32(&header, 0));
        let version = be32(&header, 4);
        if version != 3 && version != 4 {
            log.wrong(at + 4, format!("a journal of the kind {version} is not known"));
        }
        log.equal(at + 12, "the length of the journal's blocks", self.sb.block as u32, be32(&header, 12));
        let blocks = inode.content.iter().map(|range| range.count).sum::<u64>();
        log.equal(at + 16, "the blocks of the journal", blocks, u64::from(be32(&header, 16)));
        log.equal(inode.at + 4, "the size of the journal", blocks.saturating_mul(self.sb.block), inode.size);
        log.equal(at + 20, "the first block of the journal's log", 1, be32(&header, 20));
        log.equal(at + 28, "the start of an unfinished transaction", 0, be32(&header, 28));
        log.equal(at + 32, "the error of the journal", 0, be32(&header, 32));
        // The superblock keeps a copy of the map, and of the size behind it, for a lost inode.
        let own = self.sb.journal_map.get(..60).unwrap_or_default();
        if own != inode.map {
            log.wrong(1024 + 0x10c, "the copy of the journal's map in the superblock differs");
        }
        Ok(())
    }
}
