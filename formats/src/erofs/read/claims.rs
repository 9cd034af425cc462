//! Ranges of the image that are taken: no byte of metadata may be read for two owners. So no image can make a reader take
//! more memory than its own length, and none can have names without end.

use std::collections::BTreeMap;

use super::error::ErofsLocation;

/// Disjoint ranges by their first byte: end and owner.
#[derive(Debug, Default)]
pub(crate) struct ByteClaims(BTreeMap<u64, (u64, ErofsLocation)>);

impl ByteClaims {
    /// Takes a range; the owner of an overlapping one, which then stays.
    pub(crate) fn take(&mut self, at: u64, end: u64, owner: ErofsLocation) -> Option<ErofsLocation> {
        if at >= end {
            return None;
        }
        let other = self.owner(at, end);
        if other.is_none() {
            self.0.insert(at, (end, owner));
        }
        other
    }

    /// The last owner of bytes of a range, if any.
    pub(crate) fn owner(&self, at: u64, end: u64) -> Option<ErofsLocation> {
        let (_, (taken_to, owner)) = self.0.range(..end).next_back()?;
        (*taken_to > at).then_some(*owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_has_one_owner() {
        let (a, b) = (ErofsLocation::Inode { nid: 1 }, ErofsLocation::Inode { nid: 2 });
        let mut claims = ByteClaims::default();
        assert_eq!(claims.take(10, 20, a), None);
        assert_eq!(claims.take(20, 30, b), None);
        assert_eq!(claims.take(0, 10, b), None);
        assert_eq!(claims.take(5, 5, b), None);
        for (at, end, other) in [(19, 21, b), (0, 100, b), (9, 11, a), (12, 13, a), (0, 1, b)] {
            assert_eq!(claims.take(at, end, a), Some(other), "{at}..{end}");
        }
    }
}
