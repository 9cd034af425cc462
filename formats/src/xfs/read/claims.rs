//! Blocks of metadata that are taken: none may be read for two owners. So no image can make a reader take more memory than
//! its own length, and none can have names without end.

use std::collections::BTreeMap;

use super::error::{XfsDefect, XfsLocation};

/// Disjoint runs of blocks by their first: end and owner.
#[derive(Debug, Default)]
pub(crate) struct XfsClaims(BTreeMap<u64, (u64, XfsLocation)>);

impl XfsClaims {
    /// Takes `len` blocks; the conflict with an overlapping run, which then stays alone.
    pub(crate) fn take(&mut self, start: u64, len: u64, owner: XfsLocation) -> Option<XfsDefect> {
        let end = start.saturating_add(len);
        if let Some((from, (to, first))) = self.0.range(..end).next_back().filter(|(_, (to, _))| *to > start)
        {
            let (start, last) = (start.max(*from), end.min(*to).saturating_sub(1));
            return Some(XfsDefect::Claimed { start, last, first: *first });
        }
        self.0.insert(start, (end, owner));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_one_owner() {
        let (a, b) = (XfsLocation::Inode { inode: 1 }, XfsLocation::Inode { inode: 2 });
        let mut claims = XfsClaims::default();
        assert_eq!(claims.take(10, 10, a), None);
        assert_eq!(claims.take(20, 10, b), None);
        assert_eq!(claims.take(0, 10, b), None);
        for (start, len, from, last, first) in [(19, 2, 20, 20, b), (9, 2, 10, 10, a), (12, 1, 12, 12, a)] {
            assert_eq!(claims.take(start, len, a), Some(XfsDefect::Claimed { start: from, last, first }));
        }
    }
}
