//! Hash trees of directories: every block but the first is in the tree once, and names are where their hash says.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

use super::hash::{half_md4, Signedness};
use super::inode::Inode;
use super::leaf::Directory;
use super::superblock::Superblock;
use crate::bytes::{byte, le16, le32, part, word};
use crate::crc::crc32c;
use crate::report::Log;

/// Where the entries of the root and of other nodes begin.
const ROOT_ENTRIES: usize = 32;
const NODE_ENTRIES: usize = 8;
/// The deepest tree without the feature for larger directories.
const LEVELS_MAX: u8 = 1;

/// A node: its logical block, its bytes, and where it is.
pub(super) type Node = (u64, Vec<u8>, u64);

struct Tree<'a> {
    number: u32,
    sign: Signedness,
    sb: &'a Superblock,
    inode: &'a Inode,
    nodes: &'a [Node],
    directory: &'a Directory,
    seen: BTreeSet<u64>,
}

/// Checks the tree of a directory, whose nodes are given with their logical blocks and where they are.
pub(super) fn check(
    sb: &Superblock,
    inode: &Inode,
    (number, nodes): (u32, &[Node]),
    directory: &Directory,
    log: &mut Log<'_>,
) {
    let Some((_, root, at)) = nodes.first() else {
        log.wrong(inode.at, format!("directory {number} has no hash tree"));
        return;
    };
    let (version, levels) = (byte(root, 28), byte(root, 30));
    if version != 1 && version != 4 {
        log.unknown(format!("hashes of version {version} of directory {number} are not known"));
        return;
    }
    if le32(root, 24) != 0 || byte(root, 29) != 8 || byte(root, 31) != 0 || levels > LEVELS_MAX {
        log.wrong(*at + 24, format!("the root of the hash tree of directory {number} is malformed"));
        return;
    }
    let sign = if version == 4 || sb.unsigned_hash { Signedness::Unsigned } else { Signedness::Signed };
    let mut tree = Tree { number, sign, sb, inode, nodes, directory, seen: BTreeSet::from([0]) };
    tree.node(0, levels, (0, u32::MAX), log);
    let leaves = directory.leaves.iter().map(|leaf| leaf.0);
    let all = leaves.chain(nodes.iter().map(|node| node.0));
    if let Some(lost) = all.into_iter().find(|block| !tree.seen.contains(block)) {
        log.wrong(*at, format!("block {lost} of directory {number} is not in its hash tree"));
    }
}

impl Tree<'_> {
    /// Checks a node whose names have hashes from the first to the second one.
    fn node(&mut self, block: u64, levels: u8, (from, to): (u32, u32), log: &mut Log<'_>) {
        let number = self.number;
        let Some((_, bytes, at)) = self.nodes.iter().find(|node| node.0 == block) else {
            log.wrong(
                self.inode.at,
                format!("the hash tree of directory {number} names block {block} as a node"),
            );
            return;
        };
        let first = if block == 0 { ROOT_ENTRIES } else { NODE_ENTRIES };
        let (limit, count) = (usize::from(le16(bytes, first)), usize::from(le16(bytes, first + 2)));
        let room = (bytes.len() - first) / 8 - 1;
        if limit != room || count == 0 || count > limit {
            log.wrong(*at + first as u64, format!("a node of directory {number} has {count} entries of at most {limit}, and room for {room}"));
            return;
        }
        let tail = first + limit * 8;
        let covered = crc32c(self.inode.seed, part(bytes, 0, first + count * 8));
        let sum = crc32c(crc32c(covered, part(bytes, tail, 4)), &[0; 4]);
        log.equal(
            *at + tail as u64 + 4,
            &format!("the checksum of a node of directory {number}"),
            sum,
            le32(bytes, tail + 4),
        );
        let entry = |index: usize| {
            let entry = part(bytes, first + index * 8, 8);
            (if index == 0 { from } else { le32(entry, 0) }, u64::from(le32(entry, 4) & 0x0fff_ffff))
        };
        let entries: Vec<(u32, u64)> = (0..count).map(entry).collect();
        let at = *at;
        for (index, (hash, child)) in entries.iter().enumerate() {
            let next = entries.get(index + 1).map_or(to, |next| next.0);
            if *hash > next || *hash < from || next > to || (index > 0 && *hash & !1 == 0) {
                log.wrong(
                    at + (first + index * 8) as u64,
                    format!("the hashes of a node of directory {number} are not in order"),
                );
                return;
            }
            if !self.seen.insert(*child) {
                log.wrong(
                    at + (first + index * 8) as u64,
                    format!("block {child} is in the hash tree of directory {number} twice"),
                );
                return;
            }
            if levels > 0 {
                self.node(*child, levels - 1, (*hash, next), log);
            } else {
                self.leaf(*child, (*hash, next), at, log);
            }
        }
    }

    fn leaf(&self, block: u64, (from, to): (u32, u32), at: u64, log: &mut Log<'_>) {
        let Some((_, entries)) = self.directory.leaves.iter().find(|leaf| leaf.0 == block && block != 0)
        else {
            log.wrong(
                at,
                format!(
                    "the hash tree of directory {} names block {block}, which has no entries",
                    self.number
                ),
            );
            return;
        };
        for entry in entries {
            let hash = half_md4(&entry.name, self.sb.hash_seed, self.sign);
            // An odd first hash means that names of the even one continue here, an odd end that they continue behind.
            if hash < from & !1 || hash > to || (hash == to && to & 1 == 0 && to != u32::MAX) {
                log.wrong(
                    entry.at,
                    format!("the name {} is in another block than its hash says", word(&entry.name)),
                );
            }
        }
    }
}
