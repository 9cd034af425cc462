//! Where structures of volumes are, and how their checksums are made good after a change, so that nothing but the meaning
//! of the changed field can be wrong.

use std::collections::BTreeMap;
use std::ops::Range;

const BLOCK: usize = 4096;

fn le16(bytes: &[u8], at: usize) -> usize {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()).into()
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// CRC-32C without inversion at the end, from a register.
fn crc(state: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!state, bytes)
}

/// The bytes that are worth changing: those of metadata, the zeros among them more rarely.
pub(crate) fn interesting(kind: &str, bytes: &[u8]) -> Vec<usize> {
    let ranges: Vec<Range<usize>> = match kind {
        "ext4" => Ext4::new(bytes).metadata(bytes),
        "fat32" => {
            vec![0..1024, 512 * 6..512 * 7, 17408..17408 + 512, 17408 + 290_000..bytes.len().min(1 << 20)]
        }
        "verity" => vec![0..512, 4096..6 * 4096],
        "swap" => vec![0..4096],
        _ => vec![0..bytes.len()],
    };
    let mut places = Vec::new();
    for range in ranges {
        for at in range.start..range.end.min(bytes.len()) {
            // A zero beside something else is often a field.
            let near = bytes[at.saturating_sub(4)..(at + 4).min(bytes.len())].iter().any(|byte| *byte != 0);
            if bytes[at] != 0 || (near && at % 2 == 0) || at % 97 == 0 {
                places.push(at);
            }
        }
    }
    places
}

/// How checksums of a volume are made good.
pub(crate) enum Repair {
    None,
    Erofs,
    Ext4(Box<Ext4>),
}

impl Repair {
    pub(crate) fn new(kind: &str, bytes: &[u8]) -> Self {
        match kind {
            "ext4" => Self::Ext4(Box::new(Ext4::new(bytes))),
            "erofs" => Self::Erofs,
            _ => Self::None,
        }
    }

    /// Makes the checksums good that cover a changed byte; gives the ranges that it wrote to.
    pub(crate) fn around(&self, bytes: &mut [u8], at: usize) -> Vec<Range<usize>> {
        match self {
            Self::None => Vec::new(),
            Self::Erofs if at < BLOCK => {
                bytes[1028..1032].fill(0);
                let sum = crc(!0, &bytes[1024..BLOCK]);
                bytes[1028..1032].copy_from_slice(&sum.to_le_bytes());
                vec![1028..1032]
            }
            Self::Erofs => Vec::new(),
            Self::Ext4(ext4) => ext4.around(bytes, at),
        }
    }
}

/// The layout of an ext4 of blocks of 4 KiB, as it was before a change.
pub(crate) struct Ext4 {
    seed: u32,
    groups: usize,
    per_group: usize,
    blocks_per_group: usize,
    /// For each group: the maps of blocks and inodes, and the table.
    parts: Vec<[usize; 3]>,
    /// Blocks with a checksum of an inode, and its seed.
    owners: BTreeMap<usize, u32>,
}

impl Ext4 {
    fn new(bytes: &[u8]) -> Self {
        let sb = &bytes[1024..2048];
        let (blocks, blocks_per_group) = (le32(sb, 4) as usize, le32(sb, 0x20) as usize);
        let groups = blocks.div_ceil(blocks_per_group);
        let seed = crc(!0, &sb[0x68..0x78]);
        let part = |group: usize, field: usize| le32(bytes, BLOCK + group * 64 + field) as usize;
        let parts = (0..groups).map(|group| [part(group, 0), part(group, 4), part(group, 8)]).collect();
        let mut layout = Self {
            seed,
            groups,
            per_group: le32(sb, 0x28) as usize,
            blocks_per_group,
            parts,
            owners: BTreeMap::new(),
        };
        layout.owners = layout.find_owners(bytes);
        layout
    }

    /// Which inode a block with a checksum belongs to: the one by whose seed the checksum is good.
    fn find_owners(&self, bytes: &[u8]) -> BTreeMap<usize, u32> {
        let mut seeds = Vec::new();
        for group in 0..self.groups {
            for slot in 0..self.per_group {
                let inode = &bytes[self.parts[group][2] * BLOCK + slot * 256..][..256];
                if le16(inode, 0x1a) > 0 {
                    seeds.push(self.inode_seed(group * self.per_group + slot + 1, inode));
                }
            }
        }
        let mut owners = BTreeMap::new();
        for (block, content) in bytes.chunks_exact(BLOCK).enumerate() {
            let owner = seeds
                .iter()
                .find(|seed| sum_of(content, **seed).is_some_and(|(at, sum)| le32(content, at) == sum));
            owners.extend(owner.map(|seed| (block, *seed)));
        }
        owners
    }

    fn inode_seed(&self, number: usize, inode: &[u8]) -> u32 {
        crc(crc(self.seed, &(number as u32).to_le_bytes()), &inode[0x64..0x68])
    }

    fn metadata(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut all = vec![1024..2048, BLOCK..BLOCK + self.groups * 64];
        for [block_map, inode_map, table] in &self.parts {
            for map in [block_map, inode_map] {
                // The end of a map is filled up with ones, which are not worth thousands of changes.
                all.push(map * BLOCK..map * BLOCK + 128);
                all.push((map + 1) * BLOCK - 16..(map + 1) * BLOCK);
            }
            all.push(table * BLOCK..table * BLOCK + self.per_group * 256);
        }
        all.extend(self.owners.keys().map(|block| block * BLOCK..(block + 1) * BLOCK));
        for (block, content) in bytes.chunks_exact(BLOCK).enumerate() {
            if le32(content, 0) == 0xea02_0000 {
                all.push(block * BLOCK..block * BLOCK + 256);
                all.push((block + 1) * BLOCK - 512..(block + 1) * BLOCK);
            }
        }
        all
    }

    fn around(&self, bytes: &mut [u8], at: usize) -> Vec<Range<usize>> {
        let block = at / BLOCK;
        let mut touched = Vec::new();
        let mut put = |bytes: &mut [u8], at: usize, value: &[u8]| {
            bytes[at..at + value.len()].copy_from_slice(value);
            touched.push(at..at + value.len());
        };
        if (1024..2048).contains(&at) {
            let sum = crc(!0, &bytes[1024..1024 + 0x3fc]);
            put(bytes, 1024 + 0x3fc, &sum.to_le_bytes());
        } else if le32(&bytes[block * BLOCK..], 0) == 0xea02_0000 {
            let own = &mut bytes[block * BLOCK..(block + 1) * BLOCK];
            own[16..20].fill(0);
            let sum = crc(crc(self.seed, &(block as u64).to_le_bytes()), own);
            put(bytes, block * BLOCK + 16, &sum.to_le_bytes());
        } else if let Some(seed) = self.owners.get(&block) {
            if let Some((offset, sum)) = sum_of(&bytes[block * BLOCK..(block + 1) * BLOCK], *seed) {
                put(bytes, block * BLOCK + offset, &sum.to_le_bytes());
            }
        }
        for (group, [block_map, inode_map, table]) in self.parts.iter().enumerate() {
            let descriptor = BLOCK + group * 64;
            for (map, len, low, high) in [
                (block_map, self.blocks_per_group / 8, 0x18, 0x38),
                (inode_map, self.per_group / 8, 0x1a, 0x3a),
            ] {
                if block == *map {
                    let sum = crc(self.seed, &bytes[map * BLOCK..map * BLOCK + len]).to_le_bytes();
                    put(bytes, descriptor + low, &sum[..2]);
                    put(bytes, descriptor + high, &sum[2..]);
                }
            }
            let touches =
                block == *block_map || block == *inode_map || (descriptor..descriptor + 64).contains(&at);
            if touches {
                let sum = crc(self.seed, &(group as u32).to_le_bytes());
                let sum = crc(sum, &bytes[descriptor..descriptor + 0x1e]);
                let sum = crc(crc(sum, &[0; 2]), &bytes[descriptor + 0x20..descriptor + 64]).to_le_bytes();
                put(bytes, descriptor + 0x1e, &sum[..2]);
            }
            if let Some(slot) =
                at.checked_sub(table * BLOCK).map(|at| at / 256).filter(|slot| *slot < self.per_group)
            {
                let start = table * BLOCK + slot * 256;
                let mut inode = bytes[start..start + 256].to_vec();
                let extra = le16(&inode, 0x80);
                inode[0x7c..0x7e].fill(0);
                if extra >= 4 {
                    inode[0x82..0x84].fill(0);
                }
                let seed = self.inode_seed(group * self.per_group + slot + 1, &inode);
                let sum = crc(seed, &inode).to_le_bytes();
                if inode.iter().any(|byte| *byte != 0) {
                    put(bytes, start + 0x7c, &sum[..2]);
                    if extra >= 4 {
                        put(bytes, start + 0x82, &sum[2..]);
                    }
                }
            }
        }
        touched
    }
}

/// Where the checksum of a block of a directory, of a hash tree or of extents is, and what it should be.
fn sum_of(block: &[u8], seed: u32) -> Option<(usize, u32)> {
    if le32(block, BLOCK - 12) == 0 && block[BLOCK - 8..BLOCK - 4] == [12, 0, 0, 0xde] {
        return Some((BLOCK - 4, crc(seed, &block[..BLOCK - 12])));
    }
    if le16(block, 0) == 0xf30a {
        let tail = 12 + 12 * le16(block, 4);
        return (tail + 4 <= BLOCK).then(|| (tail, crc(seed, &block[..tail])));
    }
    let first = if le16(block, 4) == BLOCK { 8 } else { 32 };
    let (limit, count) = (le16(block, first), le16(block, first + 2));
    let tail = first + 8 * limit;
    let fits = tail + 8 == BLOCK && first + 8 * count <= tail;
    fits.then(|| {
        let sum = crc(seed, &block[..first + 8 * count]);
        (tail + 4, crc(crc(sum, &block[tail..tail + 4]), &[0; 4]))
    })
}
