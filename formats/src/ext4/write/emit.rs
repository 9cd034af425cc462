//! Metadata at fixed addresses: superblocks, descriptors, bitmaps, the resize inode, the journal, and the inodes that
//! no name leads to. It comes last, when all counts are known.

use super::bitmaps::BlockBitmaps;
use super::content::Sink;
use super::geometry::{BlockRun, Ext4Geometry};
use super::{Ext4Options, Ext4WriteError, extents, resize};
use crate::ext4::spec::group::{BLOCK_UNINIT, GroupDescriptor, INODE_UNINIT, ITABLE_ZEROED, bitmap_csum};
use crate::ext4::spec::inode::{EXTENTS_FL, I_BLOCK_SIZE, Inode, inode_seed, kind};
use crate::ext4::spec::superblock::{STATE_VALID, SUPERBLOCK_OFFSET, Superblock};
use crate::ext4::spec::{
    BLOCK_SIZE, BLOCKS_PER_GROUP, JOURNAL_INO, RESIZE_INO, compat, crc32c, has_super, incompat, journal,
    ro_compat,
};
use crate::plan::Data;
use crate::stable::pieces::Chunk;

/// Where fixed things come from.
pub(super) struct Fixed<'a> {
    /// The options.
    pub options: &'a Ext4Options,
    /// The address of everything.
    pub geometry: &'a Ext4Geometry,
    /// Seed of checksums.
    pub seed: u32,
    /// Creation time as inodes have it.
    pub time: (u32, u32),
    /// Whether a directory has more than two levels of index.
    pub large_dir: bool,
}

impl Fixed<'_> {
    /// Writes all of it.
    pub(super) fn write(&self, sink: &mut Sink) -> Result<(), Ext4WriteError> {
        self.geometry.taken.iter().for_each(|run| sink.map.mark(*run));
        let jnl_blocks = self.journal(sink);
        self.resize_inode(sink);
        self.bad_blocks_inode(sink);
        let descriptors = self.bitmaps(sink);
        let superblock = self.superblock(&descriptors, jnl_blocks)?;
        self.copies(&superblock, &descriptors, sink);
        Ok(())
    }

    /// The journal and its inode; gives the copy of its addresses for the superblock.
    fn journal(&self, sink: &mut Sink) -> [u32; 17] {
        let mut copy = [0; 17];
        let blocks: u64 = self.geometry.journal.iter().map(|run| run.len).sum();
        if blocks == 0 {
            return copy;
        }
        let mut head = journal::encode(blocks as u32, &self.options.uuid.to_bytes()).to_vec();
        for run in &self.geometry.journal {
            let (start, len) = (run.start * BLOCK_SIZE, run.len * BLOCK_SIZE);
            let own = head.len() as u64;
            sink.claims.bytes(start, std::mem::take(&mut head));
            sink.claims.claim(start + own, len - own, Data::Zero);
        }
        let extents = extents::join(chunks(&self.geometry.journal));
        let kept: Vec<BlockRun> =
            self.geometry.journal_tree.map(|start| BlockRun { start, len: 1 }).into_iter().collect();
        let tree = extents::tree(&extents, &kept, inode_seed(self.seed, JOURNAL_INO));
        for (at, bytes) in &tree.nodes {
            sink.claims.bytes(at * BLOCK_SIZE, bytes.as_slice());
        }
        let size = blocks * BLOCK_SIZE;
        let sectors = (blocks + kept.len() as u64) * (BLOCK_SIZE / 512);
        self.inode(sink, JOURNAL_INO, EXTENTS_FL, size, sectors, tree.i_block);
        for (word, bytes) in copy.iter_mut().zip(tree.i_block.chunks_exact(4)) {
            *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        (copy[15], copy[16]) = ((size >> 32) as u32, size as u32);
        copy
    }

    fn resize_inode(&self, sink: &mut Sink) {
        let Some(dind) = self.geometry.dind else { return };
        sink.claims.bytes(dind * BLOCK_SIZE, resize::double_indirect(self.geometry));
        let mut block = [0; I_BLOCK_SIZE];
        // i_block[13], the double indirect one.
        block[52..56].copy_from_slice(&(dind as u32).to_le_bytes());
        let blocks = resize::blocks_held(self.geometry) * (BLOCK_SIZE / 512);
        self.inode(sink, RESIZE_INO, 0, resize::SIZE, blocks, block);
    }

    fn inode(
        &self,
        sink: &mut Sink,
        ino: u32,
        flags: u32,
        size: u64,
        blocks: u64,
        block: [u8; I_BLOCK_SIZE],
    ) {
        let inode = Inode {
            mode: kind::FILE | 0o600,
            uid: 0,
            gid: 0,
            size,
            time: self.time,
            links_count: 1,
            blocks,
            flags,
            block,
            file_acl: 0,
            xattrs: &[],
        };
        if let Some(out) = sink.tables.inode(ino) {
            inode.encode(self.seed, ino, out);
        }
    }

    /// Inode 1 as mke2fs leaves it: the time, no extra fields, 16 bits of checksum.
    fn bad_blocks_inode(&self, sink: &mut Sink) {
        if let Some(out) = sink.tables.inode(1) {
            for at in [0x08, 0x0c, 0x10] {
                out[at..at + 4].copy_from_slice(&self.time.0.to_le_bytes());
            }
            let checksum = crc32c(inode_seed(self.seed, 1), out) as u16;
            out[0x7c..0x7e].copy_from_slice(&checksum.to_le_bytes());
        }
    }

    /// Both bitmaps of every group, and the descriptors that follow from them.
    fn bitmaps(&self, sink: &mut Sink) -> Vec<GroupDescriptor> {
        let geometry = self.geometry;
        let mut descriptors = Vec::with_capacity(geometry.groups as usize);
        for group in 0..geometry.groups {
            let places = geometry.places[group as usize];
            let len = geometry.group_len(group);
            let (inodes, dirs, end) = sink.tables.counts(group);
            let mut descriptor = GroupDescriptor {
                block_bitmap: places.block_bitmap,
                inode_bitmap: places.inode_bitmap,
                inode_table: places.inode_table,
                free_blocks_count: len - sink.map.used(group),
                free_inodes_count: geometry.inodes_per_group - inodes,
                used_dirs_count: dirs,
                flags: ITABLE_ZEROED,
                itable_unused: geometry.inodes_per_group - end,
                ..GroupDescriptor::default()
            };
            if self.only_copies(group, &sink.map) {
                descriptor.flags |= BLOCK_UNINIT;
                sink.claims.claim(places.block_bitmap * BLOCK_SIZE, BLOCK_SIZE, Data::Zero);
            } else {
                let bitmap = sink.map.bitmap(group, len);
                descriptor.block_bitmap_csum = bitmap_csum(self.seed, &bitmap, BLOCKS_PER_GROUP);
                sink.claims.bytes(places.block_bitmap * BLOCK_SIZE, bitmap);
            }
            if let Some(bitmap) = sink.tables.bitmap(group) {
                descriptor.inode_bitmap_csum = bitmap_csum(self.seed, bitmap, geometry.inodes_per_group);
                sink.claims.bytes(places.inode_bitmap * BLOCK_SIZE, bitmap);
            } else {
                descriptor.flags |= INODE_UNINIT;
                sink.claims.claim(places.inode_bitmap * BLOCK_SIZE, BLOCK_SIZE, Data::Zero);
            }
            descriptors.push(descriptor);
        }
        descriptors
    }

    /// Whether a group uses no block but those of its copies, which the kernel knows without a bitmap. The last group
    /// always has a bitmap, as mke2fs writes it.
    fn only_copies(&self, group: u32, map: &BlockBitmaps) -> bool {
        let copies = if has_super(group) { self.geometry.super_blocks() } else { 0 };
        group + 1 < self.geometry.groups && group > 0 && map.used(group) == copies
    }

    fn superblock(
        &self,
        descriptors: &[GroupDescriptor],
        jnl_blocks: [u32; 17],
    ) -> Result<Superblock, Ext4WriteError> {
        let (options, geometry) = (self.options, self.geometry);
        let secs = u64::try_from(options.time.secs).ok().filter(|secs| *secs < 1 << 40);
        let secs = secs.ok_or(Ext4WriteError::CreationTime { time: options.time })?;
        let mut volume_name = [0; 16];
        volume_name[..options.label.len()].copy_from_slice(options.label.as_bytes());
        let journal: u64 = geometry.journal.iter().map(|run| run.len).sum();
        let copies = (geometry.backups().count() as u64 + 1) * u64::from(geometry.super_blocks());
        let maps = u64::from(geometry.groups) * u64::from(2 + geometry.itable_blocks());
        let journal_bit = if journal > 0 { compat::HAS_JOURNAL } else { 0 };
        let resize_bit = if geometry.dind.is_some() { compat::RESIZE_INODE } else { 0 };
        let large_dir = if self.large_dir { incompat::LARGEDIR } else { 0 };
        let incompat = incompat::FILETYPE | incompat::EXTENTS | incompat::BIT64 | incompat::FLEX_BG;
        let size = ro_compat::LARGE_FILE | ro_compat::HUGE_FILE | ro_compat::EXTRA_ISIZE;
        Ok(Superblock {
            inodes_count: geometry.inodes_per_group * geometry.groups,
            blocks_count: geometry.blocks,
            r_blocks_count: geometry.blocks * u64::from(options.reserved) / 10_000,
            free_blocks_count: descriptors.iter().map(|d| u64::from(d.free_blocks_count)).sum(),
            free_inodes_count: descriptors.iter().map(|d| d.free_inodes_count).sum(),
            inodes_per_group: geometry.inodes_per_group,
            time: (secs as u32, (secs >> 32) as u8),
            state: STATE_VALID,
            block_group_nr: 0,
            feature_compat: journal_bit | resize_bit | compat::EXT_ATTR | compat::DIR_INDEX,
            feature_incompat: incompat | large_dir,
            feature_ro_compat: size
                | ro_compat::SPARSE_SUPER
                | ro_compat::DIR_NLINK
                | ro_compat::METADATA_CSUM,
            uuid: options.uuid.to_bytes(),
            volume_name,
            reserved_gdt_blocks: geometry.reserved_gdt as u16,
            journal: journal > 0,
            jnl_blocks,
            hash_seed: options.hash_seed.to_bytes(),
            overhead: (copies + maps + journal) as u32,
        })
    }

    /// The superblock and the descriptors, and their copies. The copies hold no counts: these are not read before a
    /// repair has counted anew (e2fsck ignores the unused groups of a copy), and so they change only when the
    /// geometry does.
    fn copies(&self, superblock: &Superblock, descriptors: &[GroupDescriptor], sink: &mut Sink) {
        let geometry = self.geometry;
        let reserve = 1 + u64::from(geometry.gdt_blocks);
        let mut first = vec![0; SUPERBLOCK_OFFSET as usize];
        first.extend_from_slice(&superblock.encode());
        first.resize(BLOCK_SIZE as usize, 0);
        first.extend(self.descriptors(descriptors));
        first.extend(resize::indirect_blocks(geometry));
        sink.claims.bytes(0, first);
        let idle: Vec<GroupDescriptor> = descriptors
            .iter()
            .map(|d| GroupDescriptor {
                block_bitmap: d.block_bitmap,
                inode_bitmap: d.inode_bitmap,
                inode_table: d.inode_table,
                flags: ITABLE_ZEROED,
                ..GroupDescriptor::default()
            })
            .collect();
        let idle: std::sync::Arc<[u8]> = self.descriptors(&idle).into();
        for group in geometry.backups() {
            let start = u64::from(group) * u64::from(BLOCKS_PER_GROUP) * BLOCK_SIZE;
            let copy = Superblock {
                free_blocks_count: 0,
                free_inodes_count: 0,
                state: 0,
                block_group_nr: group as u16,
                ..superblock.clone()
            };
            let mut block = copy.encode().to_vec();
            block.resize(BLOCK_SIZE as usize, 0);
            sink.claims.bytes(start, block);
            sink.claims.bytes(start + BLOCK_SIZE, std::sync::Arc::clone(&idle));
            let kept = u64::from(geometry.reserved_gdt) * BLOCK_SIZE;
            sink.claims.claim(start + reserve * BLOCK_SIZE, kept, Data::Zero);
        }
    }

    fn descriptors(&self, descriptors: &[GroupDescriptor]) -> Vec<u8> {
        let numbered = (0..).zip(descriptors);
        let mut bytes: Vec<u8> = numbered.flat_map(|(group, d)| d.encode(self.seed, group)).collect();
        bytes.resize(self.geometry.gdt_blocks as usize * BLOCK_SIZE as usize, 0);
        bytes
    }
}

/// Runs as the blocks of a file from its start on.
fn chunks(runs: &[BlockRun]) -> Vec<Chunk> {
    let mut block = 0;
    let chunk = |run: &BlockRun| {
        let first = block;
        block += run.len as u32;
        Chunk { node: 0, block: first, len: run.len as u32, start: run.start }
    };
    runs.iter().map(chunk).collect()
}
