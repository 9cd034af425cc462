//! Selects the blocks to send.
//!
//! A block that was never written reads as zeros, unless the volume is encrypted: then it reads as arbitrary bytes. So
//! blocks of zeros are sent if encryption is or may become involved. Without a parent, only free blocks, which no file
//! system reads before writing them, are always left out. With a parent, a block is sent if the volume would otherwise
//! show the parent's old bytes, free blocks included, so that deleted data does not survive in a snapshot.

use std::collections::BTreeMap;

use amiforge_formats::digest::Digest;
use amiforge_image::image::Block;

/// Whether blocks of zeros that the parent does not hold are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZeroPolicy {
    /// They are not sent: nothing is or will be encrypted.
    LeaveOut,
    /// They are sent.
    Write,
}

/// Selects blocks one by one.
#[derive(Debug, Clone)]
pub(super) struct BlockSelector {
    /// Policy for blocks of zeros.
    pub(super) zeros: ZeroPolicy,
    /// The blocks of the parent, by index.
    pub(super) parent: BTreeMap<u64, Digest>,
    /// The acknowledged blocks, by index.
    pub(super) acknowledged: BTreeMap<u64, Digest>,
}

impl BlockSelector {
    /// Whether a block must be sent.
    pub(super) fn selects(&self, index: u64, block: Block) -> bool {
        if let Some(sent) = self.acknowledged.get(&index) {
            return *sent != block.digest();
        }
        match (block, self.parent.get(&index)) {
            (Block::Data(_), None) => true,
            (Block::Zero, None) => self.zeros == ZeroPolicy::Write,
            (Block::Free, None) => false,
            (block, Some(held)) => *held != block.digest(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selection_depends_on_block_parent_and_encryption() {
        let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
        let zero = Block::Zero.digest();
        let selector = |zeros, parent: Option<Digest>| BlockSelector {
            zeros,
            parent: parent.map(|digest| (5, digest)).into_iter().collect(),
            acknowledged: BTreeMap::new(),
        };
        let (out, write) = (ZeroPolicy::LeaveOut, ZeroPolicy::Write);
        for (zeros, parent, block, selected) in [
            (out, None, Block::Data(new), true),
            (out, None, Block::Zero, false),
            (write, None, Block::Zero, true),
            (write, None, Block::Free, false),
            (out, Some(old), Block::Data(new), true),
            (out, Some(new), Block::Data(new), false),
            (out, Some(old), Block::Zero, true),
            (write, Some(zero), Block::Zero, false),
            (out, Some(old), Block::Free, true),
            (write, Some(zero), Block::Free, false),
        ] {
            assert_eq!(selector(zeros, parent).selects(5, block), selected, "{zeros:?} {parent:?} {block:?}");
        }
    }

    #[test]
    fn acknowledged_blocks_are_selected_only_if_they_changed() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let acknowledged = BTreeMap::from([(1, a)]);
        let selector = BlockSelector { zeros: ZeroPolicy::LeaveOut, parent: BTreeMap::new(), acknowledged };
        assert!(!selector.selects(1, Block::Data(a)));
        assert!(selector.selects(1, Block::Data(b)));
        assert!(selector.selects(1, Block::Zero), "the service would keep the old bytes");
        assert!(selector.selects(2, Block::Data(a)));
    }
}
