//! Which blocks have to be sent.
//!
//! A block that was never written reads as zeros, unless the volume is encrypted: there it reads as anything. So
//! blocks of zeros are sent wherever encryption is or may become involved, and only free blocks, which nobody reads
//! before writing them, are ever left out without a parent. With a parent, a block is sent when the volume would
//! otherwise show the parent's old bytes, free blocks included: what was deleted should not live on in a snapshot.

use std::collections::BTreeMap;

use amiforge_formats::digest::Digest;
use amiforge_image::image::Block;

/// Whether blocks of zeros that no parent holds are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZeroPolicy {
    /// They are left out: nothing is or will be encrypted.
    LeaveOut,
    /// They are written.
    Write,
}

/// Decides block by block.
#[derive(Debug, Clone)]
pub(super) struct BlockSelector {
    /// About zeros.
    pub(super) zeros: ZeroPolicy,
    /// The blocks that the parent holds, by index.
    pub(super) parent: BTreeMap<u64, Digest>,
    /// The blocks that the service has from us already.
    pub(super) acknowledged: BTreeMap<u64, Digest>,
}

impl BlockSelector {
    /// Whether a block has to be sent.
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
    fn what_is_sent_follows_from_the_block_the_parent_and_encryption() {
        let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
        let zero = Block::Zero.digest();
        let selector = |zeros, parent: Option<Digest>| BlockSelector {
            zeros,
            parent: parent.map(|digest| (5, digest)).into_iter().collect(),
            acknowledged: BTreeMap::new(),
        };
        let (out, write) = (ZeroPolicy::LeaveOut, ZeroPolicy::Write);
        for (zeros, parent, block, wanted) in [
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
            assert_eq!(selector(zeros, parent).selects(5, block), wanted, "{zeros:?} {parent:?} {block:?}");
        }
    }

    #[test]
    fn what_the_service_has_is_not_sent_again_unless_it_changed() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let acknowledged = BTreeMap::from([(1, a)]);
        let selector = BlockSelector { zeros: ZeroPolicy::LeaveOut, parent: BTreeMap::new(), acknowledged };
        assert!(!selector.selects(1, Block::Data(a)));
        assert!(selector.selects(1, Block::Data(b)));
        assert!(selector.selects(1, Block::Zero), "the service would keep the old bytes");
        assert!(selector.selects(2, Block::Data(a)));
    }
}
