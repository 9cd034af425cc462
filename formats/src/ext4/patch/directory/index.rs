//! The index of a directory by the hashes of its names: the way to a leaf, leaves that are divided, and whole
//! directories written anew (kernel documentation, `filesystems/ext4/directory.rst`, *Hash Tree Directories*).

use super::block::{LeafFormat, NamedInode, space_of};
use crate::ext4::read::{checksum, fields};
use crate::ext4::spec::PutField;
use crate::ext4::spec::dirent::{DX_NODE_OFFSET, DX_ROOT_OFFSET, entry_size, file_type};

/// Bytes of an entry, and of the tail with the checksum.
const ENTRY: usize = 8;

/// A leaf is filled up to this part when a directory is written anew, in eighths.
const FILLED: usize = 6;

/// An entry of an index: names of this hash and above are in that block of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexKey {
    /// Least hash; of no meaning for the first of a node.
    pub(super) hash: u32,
    /// Block of the directory.
    pub(super) block: u32,
}

/// Which node of an index a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IndexNode {
    /// Block 0, with `.` and `..` before the entries.
    Root,
    /// Any other.
    Inner,
}

impl IndexNode {
    /// Where counts and entries begin.
    fn offset(self) -> usize {
        match self {
            Self::Root => DX_ROOT_OFFSET,
            Self::Inner => DX_NODE_OFFSET,
        }
    }

    /// Entries that there is room for.
    pub(super) fn limit(self, format: &LeafFormat) -> usize {
        (format.block - self.offset() - if format.sealed { ENTRY } else { 0 }) / ENTRY
    }

    /// The entries of a node that was checked.
    pub(super) fn keys(self, format: &LeafFormat, bytes: &[u8]) -> Vec<IndexKey> {
        let at = self.offset();
        let count = usize::from(fields::u16(bytes, at + 2)).min(self.limit(format));
        let key = |slot: usize| IndexKey {
            hash: if slot == 0 { 0 } else { fields::u32(bytes, at + slot * ENTRY) },
            block: fields::u32(bytes, at + slot * ENTRY + 4) & 0x0fff_ffff,
        };
        (0..count).map(key).collect()
    }

    /// Writes entries, counts and the checksum; the rest of the block stays.
    pub(super) fn write(self, format: &LeafFormat, bytes: &mut [u8], keys: &[IndexKey]) {
        let (at, limit) = (self.offset(), self.limit(format));
        for (slot, key) in keys.iter().enumerate() {
            bytes.put32(at + slot * ENTRY, key.hash);
            bytes.put32(at + slot * ENTRY + 4, key.block);
        }
        bytes.put16(at, limit as u16);
        bytes.put16(at + 2, keys.len() as u16);
        if format.sealed {
            let tail = at + limit * ENTRY;
            bytes[tail..tail + 8].fill(0);
            let used = checksum::crc32c(format.seed, &bytes[..at + keys.len() * ENTRY]);
            let sum = checksum::crc32c(used, &[0; 8]);
            bytes.put32(tail + 4, sum);
        }
    }

    /// A new node.
    pub(super) fn block(self, format: &LeafFormat, head: &RootHead, keys: &[IndexKey]) -> Vec<u8> {
        let mut bytes = vec![0; format.block];
        match self {
            Self::Root => head.write(format, &mut bytes),
            // An entry of no inode that takes the whole block.
            Self::Inner => {
                bytes[..].put16(4, if format.block == 65536 { 65535 } else { format.block as u16 });
            }
        }
        self.write(format, &mut bytes, keys);
        bytes
    }
}

/// What the root of an index has before its entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct RootHead {
    /// The directory.
    pub(super) inode: u32,
    /// The directory above.
    pub(super) parent: u32,
    /// Version of the hash, as stored.
    pub(super) version: u8,
    /// Levels between root and leaves.
    pub(super) levels: u8,
}

impl RootHead {
    fn write(&self, format: &LeafFormat, bytes: &mut [u8]) {
        let kind = if format.typed { file_type::DIR } else { 0 };
        bytes.put32(0, self.inode);
        bytes.put16(4, 12);
        bytes[6..9].copy_from_slice(&[1, kind, b'.']);
        bytes.put32(12, self.parent);
        let rest = format.block - 12;
        bytes.put16(16, if rest > 65535 { (rest & 0xfffc | rest >> 16 & 3) as u16 } else { rest as u16 });
        bytes[18..22].copy_from_slice(&[2, kind, b'.', b'.']);
        bytes[28..31].copy_from_slice(&[self.version, 8, self.levels]);
    }
}

/// Names of one leaf, by hash.
pub(super) type HashedNames<'n> = Vec<(u32, NamedInode<'n>)>;

/// Divides names, sorted by hash, where half of their bytes are; names of one hash stay together where they can. Gives
/// the upper half and the key of its leaf.
pub(super) fn divide<'n>(names: &mut HashedNames<'n>) -> (u32, HashedNames<'n>) {
    let total: usize = names.iter().map(|(_, entry)| entry_size(entry.name.len())).sum();
    let mut before = 0;
    let middle = names.iter().position(|(_, entry)| {
        before += entry_size(entry.name.len());
        before * 2 >= total
    });
    let middle = middle.unwrap_or(0).clamp(1, names.len().saturating_sub(1).max(1));
    let differs = |at: &usize| names[*at].0 != names[*at - 1].0;
    let above = (middle..names.len()).find(differs);
    let below = (1..middle).rev().find(differs);
    let at = match (above, below) {
        (Some(above), Some(below)) if above - middle > middle - below => below,
        (Some(above), _) => above,
        (None, Some(below)) => below,
        (None, None) => middle,
    };
    let upper = names.split_off(at);
    let continued =
        names.last().is_some_and(|(hash, _)| upper.first().is_some_and(|(first, _)| first == hash));
    let key = upper.first().map_or(0, |(hash, _)| hash | u32::from(continued));
    (key, upper)
}

/// All blocks of an indexed directory, in order; `None` when the index would need more than `most` levels.
pub(super) fn build(
    format: &LeafFormat,
    head: RootHead,
    names: &HashedNames<'_>,
    most: u8,
) -> Option<Vec<Vec<u8>>> {
    let leaves = leaves(format, names);
    let (root, inner) = (IndexNode::Root.limit(format), IndexNode::Inner.limit(format));
    // Nodes of each level, the lowest first.
    let mut counts = Vec::new();
    let mut below = leaves.len();
    while below > root {
        below = below.div_ceil(inner);
        counts.push(below);
    }
    if counts.len() > usize::from(most) {
        return None;
    }
    let first_leaf = 1 + counts.iter().sum::<usize>();
    let key =
        |(at, (hash, _)): (usize, &(u32, Vec<u8>))| IndexKey { hash: *hash, block: (first_leaf + at) as u32 };
    let mut keys: Vec<IndexKey> = leaves.iter().enumerate().map(key).collect();
    let mut nodes: Vec<Vec<u8>> = vec![Vec::new(); first_leaf];
    let mut end = first_leaf;
    for count in &counts {
        let first = end - count;
        let mut above = Vec::with_capacity(*count);
        for at in 0..*count {
            let part = &keys[keys.len() * at / count..keys.len() * (at + 1) / count];
            above.push(IndexKey { hash: part[0].hash, block: (first + at) as u32 });
            nodes[first + at] = IndexNode::Inner.block(format, &head, part);
        }
        (keys, end) = (above, first);
    }
    let head = RootHead { levels: counts.len() as u8, ..head };
    nodes[0] = IndexNode::Root.block(format, &head, &keys);
    nodes.extend(leaves.into_iter().map(|(_, bytes)| bytes));
    Some(nodes)
}

/// The leaves with the key of each. The low bit of a key says that the leaf before has names of that hash too.
fn leaves(format: &LeafFormat, names: &HashedNames<'_>) -> Vec<(u32, Vec<u8>)> {
    let filled = format.end() * FILLED / 8;
    let mut leaves = Vec::new();
    let mut first = 0;
    while first < names.len() || leaves.is_empty() {
        let (mut size, mut end) = (0, first);
        while let Some((hash, entry)) = names.get(end) {
            let own = entry_size(entry.name.len());
            let same = end > first && names[end - 1].0 == *hash;
            if size + own > format.end() || (size + own > filled && !same && end > first) {
                break;
            }
            size += own;
            end += 1;
        }
        let own: Vec<NamedInode<'_>> = names[first..end].iter().map(|(_, entry)| entry.clone()).collect();
        debug_assert!(space_of(&own) <= format.end());
        let continued = first > 0 && names[first - 1].0 == names[first].0;
        let key = names.get(first).map_or(0, |(hash, _)| hash | u32::from(continued));
        leaves.push((key, format.fill(&own)));
        first = end;
    }
    leaves
}
