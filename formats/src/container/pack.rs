//! Writes a container of blocks: where they are is known before any is there, so that they can be put in at any order.
//!
//! It is a qcow2 of version 3 with clusters of one block (512 KiB): header, counts of references, the two tables, then the
//! blocks in the order of the disk. Its bytes follow from the indexes and the contents of the blocks alone.

use crate::digest::BLOCK;

/// Bits of a cluster: that of a block.
const CLUSTER_BITS: u32 = BLOCK.trailing_zeros();

/// Entries of 64 bits in a cluster.
const ENTRIES: u64 = BLOCK / 8;

/// Counts of 16 bits in a cluster.
const COUNTS: u64 = BLOCK / 2;

/// An entry of a cluster with one reference.
const COPIED: u64 = 1 << 63;

/// A container in the making: its tables, and the place of each block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedDisk {
    /// The bytes before the blocks, each range at its offset; what is between them is zeros.
    pub head: Vec<(u64, Vec<u8>)>,
    /// Where the first block is; the others follow it in their order.
    pub data_at: u64,
    /// Length of the file.
    pub len: u64,
}

impl PackedDisk {
    /// Lays out a disk of `size` bytes that holds the blocks of these indexes, which ascend; all others are zeros. `None`
    /// when they do not ascend, or are not on the disk.
    pub fn new(size: u64, blocks: &[u64]) -> Option<Self> {
        let on_disk = blocks.last().is_none_or(|last| *last < size.div_ceil(BLOCK));
        if !on_disk || !blocks.windows(2).all(|pair| pair[0] < pair[1]) {
            return None;
        }
        let count = blocks.len() as u64;
        let tables = size.div_ceil(BLOCK).div_ceil(ENTRIES).max(1);
        let l1_clusters = tables.div_ceil(ENTRIES);
        let (count_blocks, count_table) = count_clusters(1 + l1_clusters + tables + count);
        let l1_at = (1 + count_table + count_blocks) * BLOCK;
        let l2_at = l1_at + l1_clusters * BLOCK;
        let data_at = l2_at + tables * BLOCK;
        let len = data_at + count * BLOCK;
        let entries = |from: u64, number: u64, flag: u64| -> Vec<u8> {
            (0..number).flat_map(|index| (flag | (from + index * BLOCK)).to_be_bytes()).collect()
        };
        let mut head = vec![
            (0, header(size, tables, l1_at, count_table)),
            (BLOCK, entries((1 + count_table) * BLOCK, count_blocks, 0)),
            ((1 + count_table) * BLOCK, 1u16.to_be_bytes().repeat((len / BLOCK) as usize)),
            (l1_at, entries(l2_at, tables, COPIED)),
        ];
        for (place, index) in (0u64..).zip(blocks) {
            let entry = COPIED | (data_at + place * BLOCK);
            let at = l2_at + index * 8;
            match head.last_mut() {
                Some((start, bytes)) if *start >= l2_at && *start + bytes.len() as u64 == at => {
                    bytes.extend(entry.to_be_bytes());
                }
                _ => head.push((at, entry.to_be_bytes().to_vec())),
            }
        }
        Some(Self { head, data_at, len })
    }
}

/// Clusters of counts, and of the table of those, for a file of `others` clusters and themselves.
fn count_clusters(others: u64) -> (u64, u64) {
    let (mut blocks, mut table) = (1, 1);
    loop {
        let needed = (others + blocks + table).div_ceil(COUNTS);
        if needed <= blocks && needed.div_ceil(ENTRIES) <= table {
            return (blocks, table);
        }
        blocks = needed;
        table = needed.div_ceil(ENTRIES);
    }
}

fn header(size: u64, tables: u64, l1_at: u64, count_table: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(112);
    header.extend(b"QFI\xfb");
    header.extend(3u32.to_be_bytes());
    header.extend([0; 12]); // no backing file
    header.extend(CLUSTER_BITS.to_be_bytes());
    header.extend(size.to_be_bytes());
    header.extend(0u32.to_be_bytes()); // not encrypted
    header.extend((tables as u32).to_be_bytes());
    header.extend(l1_at.to_be_bytes());
    header.extend(BLOCK.to_be_bytes()); // counts of references
    header.extend((count_table as u32).to_be_bytes());
    header.extend([0; 12]); // no snapshots
    header.extend([0; 24]); // no features
    header.extend(4u32.to_be_bytes()); // counts of 2^4 bits
    header.extend(104u32.to_be_bytes());
    header.extend([0; 8]); // no extension
    header
}
