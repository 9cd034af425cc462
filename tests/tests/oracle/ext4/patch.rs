//! Changes bytes of an image and puts the checksums right again, so that only the change itself can be found.

use amiforge_formats::ext4::read::{BLOCK_UNINIT, open};

/// Which checksum guards the bytes that were changed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guard {
    /// None: the bytes have no checksum, or it is to be wrong.
    None,
    /// That of the superblock at an offset.
    Superblock(u64),
    /// That of a group's descriptor, at an offset.
    Descriptor(u32, u64),
    /// That of an inode.
    Inode(u32),
    /// That of a block of extents of an inode, at an offset.
    Extents(u32, u64),
    /// That of a leaf of a directory, at an offset.
    Leaf(u32, u64),
    /// That of an index node of a directory, at an offset; its entries begin there.
    Index(u32, u64, usize),
    /// That of a block of attributes, at an offset.
    Attributes(u64),
    /// That of a group's block bitmap.
    BlockBitmap(u32),
    /// That of a group's inode bitmap.
    InodeBitmap(u32),
}

/// An image and what is needed to compute its checksums.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    seed: u32,
    block: usize,
    inodes: Vec<usize>,
    inode_size: usize,
    descriptors: Vec<usize>,
    bitmaps: Vec<[usize; 2]>,
    bitmap_bits: [usize; 2],
}

fn crc(seed: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!seed, bytes)
}

impl Image {
    /// Takes a sound image with checksums.
    pub(crate) fn new(bytes: &Vec<u8>) -> Self {
        let file_system = open(bytes).unwrap();
        let superblock = file_system.superblock();
        assert!(superblock.has_checksums());
        let bitmaps = file_system.groups().iter();
        let offset = |block: u64| superblock.offset_of(block) as usize;
        let bitmaps = bitmaps.map(|group| [offset(group.block_bitmap), offset(group.inode_bitmap)]).collect();
        let inodes = (1..=superblock.inodes).map(|number| file_system.inode_offset(number).unwrap() as usize);
        Self {
            seed: superblock.checksum_seed,
            block: superblock.block_size as usize,
            inodes: inodes.collect(),
            inode_size: superblock.inode_size.into(),
            descriptors: file_system.groups().iter().map(|group| group.offset as usize).collect(),
            bitmaps,
            bitmap_bits: [superblock.blocks_per_group as usize, superblock.inodes_per_group as usize],
            bytes: bytes.clone(),
        }
    }

    pub(crate) fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.bytes[at..at + 2].try_into().unwrap())
    }

    pub(crate) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes[at..at + 4].try_into().unwrap())
    }

    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// First byte of an inode.
    pub(crate) fn inode(&self, number: u32) -> usize {
        self.inodes[number as usize - 1]
    }

    fn inode_seed(&self, number: u32) -> u32 {
        let generation = self.u32(self.inode(number) + 0x64);
        crc(crc(self.seed, &number.to_le_bytes()), &generation.to_le_bytes())
    }

    /// Puts a checksum right.
    pub(crate) fn repair(&mut self, guard: Guard) {
        match guard {
            Guard::None => {}
            Guard::Superblock(at) => {
                let at = at as usize;
                let sum = crc(!0, &self.bytes[at..at + 0x3fc]);
                self.put(at + 0x3fc, &sum.to_le_bytes());
            }
            Guard::Descriptor(group, at) => self.repair_descriptor(group, at as usize),
            Guard::Inode(number) => self.repair_inode(number),
            Guard::Extents(number, at) => {
                let at = at as usize;
                let tail = at + 12 + 12 * usize::from(self.u16(at + 4));
                if tail + 4 <= self.bytes.len() {
                    let sum = crc(self.inode_seed(number), &self.bytes[at..tail]);
                    self.put(tail, &sum.to_le_bytes());
                }
            }
            Guard::Leaf(number, at) => {
                let (at, end) = (at as usize, at as usize + self.block - 12);
                let sum = crc(self.inode_seed(number), &self.bytes[at..end]);
                self.put(end + 8, &sum.to_le_bytes());
            }
            Guard::Index(number, at, entries) => self.repair_index(number, at as usize, entries),
            Guard::Attributes(at) => {
                let at = at as usize;
                let number = (at / self.block) as u64;
                self.put(at + 16, &[0; 4]);
                let sum = crc(crc(self.seed, &number.to_le_bytes()), &self.bytes[at..at + self.block]);
                self.put(at + 16, &sum.to_le_bytes());
            }
            Guard::BlockBitmap(group) => self.repair_bitmap(group, 0),
            Guard::InodeBitmap(group) => self.repair_bitmap(group, 1),
        }
    }

    fn repair_descriptor(&mut self, group: u32, at: usize) {
        let size = if self.descriptors.len() > 1 { self.descriptors[1] - self.descriptors[0] } else { 64 };
        self.put(at + 0x1e, &[0; 2]);
        let sum = crc(crc(self.seed, &group.to_le_bytes()), &self.bytes[at..at + size]) as u16;
        self.put(at + 0x1e, &sum.to_le_bytes());
    }

    fn repair_inode(&mut self, number: u32) {
        let at = self.inode(number);
        let long = self.inode_size > 128 && self.u16(at + 0x80) >= 4;
        self.put(at + 0x7c, &[0; 2]);
        if long {
            self.put(at + 0x82, &[0; 2]);
        }
        let sum = crc(self.inode_seed(number), &self.bytes[at..at + self.inode_size]);
        self.put(at + 0x7c, &(sum as u16).to_le_bytes());
        if long {
            self.put(at + 0x82, &((sum >> 16) as u16).to_le_bytes());
        }
    }

    fn repair_index(&mut self, number: u32, at: usize, entries: usize) {
        let (limit, count) = (usize::from(self.u16(at + entries)), usize::from(self.u16(at + entries + 2)));
        let (end, tail) = (at + entries + count * 8, at + entries + limit * 8);
        if end.max(tail + 8) > at + self.block {
            return;
        }
        let sum = crc(self.inode_seed(number), &self.bytes[at..end]);
        let sum = crc(crc(sum, &self.bytes[tail..tail + 4]), &[0; 4]);
        self.put(tail + 4, &sum.to_le_bytes());
    }

    fn repair_bitmap(&mut self, group: u32, which: usize) {
        let start = self.bitmaps[group as usize][which];
        let sum = crc(self.seed, &self.bytes[start..start + self.bitmap_bits[which] / 8]);
        let at = self.descriptors[group as usize];
        assert_eq!(self.u16(at + 0x12) & BLOCK_UNINIT, 0, "the bitmap must be in use");
        self.put(at + 0x18 + which * 2, &(sum as u16).to_le_bytes());
        self.put(at + 0x38 + which * 2, &((sum >> 16) as u16).to_le_bytes());
        self.repair_descriptor(group, at);
    }
}
