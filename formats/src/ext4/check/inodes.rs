//! Every inode: its fields, what it maps, and the blocks that it claims.

use std::collections::BTreeSet;

use super::superblock::{range, value};
use super::{CheckRun, KnownInode};
use crate::ext4::read::features;
use crate::ext4::read::{
    BlockMapping, Defect, EXTENTS_FL, Ext4Location, Ext4ReadError, FileKind, INDEX_FL, INLINE_DATA_FL,
    INODE_UNINIT, RESIZE, ROOT, ReadInode, fields, target,
};
use crate::read_at::ReadAt;

/// Inodes that are set aside: bad blocks, quotas, undelete, exclude, replica.
const UNUSED: [u32; 6] = [1, 3, 4, 6, 9, 10];
/// Flag of a file whose content is authenticated.
const VERITY_FL: u32 = 0x10_0000;
/// Flags that need a feature which is not there: encryption, AFS, verity, attributes in inodes, inline data, case.
const STRANGE: u32 = 0x800 | 0x2000 | VERITY_FL | 0x20_0000 | INLINE_DATA_FL | 0x4000_0000;

impl<R: ReadAt + ?Sized> CheckRun<'_, '_, R> {
    /// Goes through all inode tables, as far as they were ever used.
    pub(super) fn inodes(&mut self) -> Result<(), Ext4ReadError> {
        let superblock = self.file_system.superblock();
        let per_group = superblock.inodes_per_group;
        let tracked = superblock.has_checksums() || superblock.features.ro_compat(features::GDT_CSUM);
        let mut met = BTreeSet::new();
        for (described, group) in self.file_system.groups().iter().zip(0_u32..) {
            if tracked && described.is(INODE_UNINIT) {
                continue;
            }
            let unused = if tracked { described.unused_inodes } else { 0 };
            self.table(group, described.inode_table, per_group.saturating_sub(unused), &mut met)?;
        }
        Ok(())
    }

    /// Goes through the first `count` inodes of a table.
    fn table(
        &mut self,
        group: u32,
        start: u64,
        count: u32,
        met: &mut BTreeSet<u64>,
    ) -> Result<(), Ext4ReadError> {
        let superblock = self.file_system.superblock();
        let size = usize::from(superblock.inode_size);
        let blocks = u64::from(superblock.inode_table_blocks());
        if !self.file_system.holds(start, blocks) {
            return Ok(());
        }
        let mut index = 0;
        for block in start..start + blocks {
            if index >= count {
                break;
            }
            let bytes = self.file_system.block(block)?;
            for (slot, raw) in bytes.chunks_exact(size).enumerate() {
                if index >= count {
                    break;
                }
                index += 1;
                if raw.iter().any(|&byte| byte != 0) {
                    let number = group * superblock.inodes_per_group + index;
                    let offset = superblock.offset_of(block) + (slot * size) as u64;
                    let inode = ReadInode::read(superblock, number, offset, raw, &mut self.report)?;
                    self.inode(&inode, met)?;
                }
            }
        }
        Ok(())
    }

    fn inode(&mut self, inode: &ReadInode, met: &mut BTreeSet<u64>) -> Result<(), Ext4ReadError> {
        let superblock = self.file_system.superblock();
        let reserved = inode.number < superblock.first_inode && inode.number != ROOT;
        self.orphan(inode);
        self.reserved(inode);
        if inode.links == 0 && !reserved {
            let alive = inode.mode != 0 && inode.dtime == 0;
            if alive {
                self.find(inode, Defect::Missing { what: "i_dtime of a deleted inode" });
            }
            return Ok(());
        }
        let known = KnownInode { kind: inode.kind(), links: inode.links, names: 0, offset: inode.offset };
        self.inodes.insert(inode.number, known);
        if inode.number == RESIZE && superblock.features.compat(features::RESIZE_INODE) {
            self.fields(inode);
            if let Some(why) = value("i_file_acl", inode.xattr_block, 0) {
                self.find(inode, why);
            }
            // Its blocks are those reserved for descriptors; it has a check of its own.
            return Ok(());
        }
        if !reserved || inode.mode != 0 {
            self.fields(inode);
        }
        self.attributes(inode)?;
        let mapping = self.mapping(inode, met)?;
        for run in &mapping.runs {
            self.claims.claim(run.physical, run.len, Ext4Location::Inode { inode: inode.number });
        }
        for &block in &mapping.nodes {
            self.claims.claim(block, 1, Ext4Location::ExtentNode { inode: inode.number, block });
        }
        self.size(inode, &mapping);
        Ok(())
    }

    fn find(&mut self, inode: &ReadInode, why: Defect) {
        self.report.error(inode.corruption(why));
    }

    /// A deletion time that is an inode number is a link of the list of orphans, left over.
    fn orphan(&mut self, inode: &ReadInode) {
        let inodes = self.file_system.superblock().inodes;
        if (1..inodes).contains(&inode.dtime) {
            let (found, most) = (inode.dtime.into(), u64::from(u32::MAX));
            let why = Defect::Range { field: "i_dtime of an orphan", found, least: inodes.into(), most };
            self.find(inode, why);
        }
    }

    /// Inodes that are set aside and serve nothing are empty.
    fn reserved(&mut self, inode: &ReadInode) {
        let superblock = self.file_system.superblock();
        let serves =
            inode.number == superblock.journal_inode || superblock.quota_inodes.contains(&inode.number);
        if serves || !UNUSED.contains(&inode.number) {
            return;
        }
        let checks = [
            value("i_mode of a reserved inode", inode.mode.into(), 0),
            value("i_links_count of a reserved inode", inode.links.into(), 0),
            value("i_uid of a reserved inode", inode.uid.into(), 0),
            value("i_gid of a reserved inode", inode.gid.into(), 0),
        ];
        for why in checks.into_iter().flatten() {
            self.find(inode, why);
        }
    }

    /// Fields that must fit the kind and the features.
    fn fields(&mut self, inode: &ReadInode) {
        let features = &self.file_system.superblock().features;
        let flags = u64::from(inode.flags);
        let blocks_high = u64::from(fields::u16(&inode.raw, 0x74));
        let acl_high = u64::from(fields::u16(&inode.raw, 0x76));
        let is_dir = inode.kind() == Some(FileKind::Dir);
        let strange = flags
            & u64::from(if features.ro_compat(features::VERITY) { STRANGE & !VERITY_FL } else { STRANGE });
        let checks = [
            value("i_dtime", inode.dtime.into(), 0),
            (strange != 0).then_some(Defect::Meaningless { field: "i_flags", found: strange }),
            value("i_obso_faddr", fields::u32(&inode.raw, 0x70).into(), 0),
            (!features.ro_compat(features::HUGE_FILE))
                .then(|| value("l_i_blocks_high", blocks_high, 0))
                .flatten(),
            (!features.incompat(features::BIT64)).then(|| value("l_i_file_acl_high", acl_high, 0)).flatten(),
            (inode.is(EXTENTS_FL) && !features.incompat(features::EXTENTS))
                .then_some(Defect::Meaningless { field: "i_flags (extents)", found: flags }),
            (inode.is(INDEX_FL) && !(is_dir && features.compat(features::DIR_INDEX)))
                .then_some(Defect::Meaningless { field: "i_flags (index)", found: flags }),
            (inode.xattr_block != 0 && !features.compat(features::EXT_ATTR))
                .then_some(Defect::Meaningless { field: "i_file_acl", found: inode.xattr_block }),
            inode
                .kind()
                .is_none()
                .then_some(Defect::Meaningless { field: "i_mode", found: inode.mode.into() }),
        ];
        for why in checks.into_iter().flatten() {
            self.find(inode, why);
        }
    }

    /// Reads the mapping of an inode that has one.
    fn mapping(&mut self, inode: &ReadInode, met: &mut BTreeSet<u64>) -> Result<BlockMapping, Ext4ReadError> {
        let kind = inode.kind();
        let mapped = matches!(kind, None | Some(FileKind::File | FileKind::Dir | FileKind::Symlink));
        if !mapped {
            self.special(inode);
            return Ok(BlockMapping::default());
        }
        if kind == Some(FileKind::Symlink) {
            // Reads the mapping for itself: `met` must not have it yet.
            target(self.file_system, inode, &mut BTreeSet::new(), &mut self.report)?;
            if inode.is_fast_symlink() {
                return Ok(BlockMapping::default());
            }
            return self.file_system.mapping_reporting(inode, met, &mut super::CheckReport::default());
        }
        self.file_system.mapping_reporting(inode, met, &mut self.report)
    }

    /// Devices, pipes and sockets have no blocks; `i_block` holds at most a device's number.
    fn special(&mut self, inode: &ReadInode) {
        let flags = u64::from(inode.flags);
        let device = matches!(inode.kind(), Some(FileKind::CharDevice | FileKind::BlockDevice));
        let rest = inode.block.get(if device { 16 } else { 0 }..).unwrap_or(&[]);
        let found = rest.iter().copied().find(|&byte| byte != 0).map_or(0, u64::from);
        let checks = [
            inode
                .is(EXTENTS_FL | INLINE_DATA_FL | INDEX_FL)
                .then_some(Defect::Meaningless { field: "i_flags of a special file", found: flags }),
            value("i_size of a special file", inode.size, 0),
            (found != 0).then_some(Defect::Meaningless { field: "i_block of a special file", found }),
        ];
        for why in checks.into_iter().flatten() {
            self.find(inode, why);
        }
    }

    /// `i_blocks` and `i_size` against the mapping.
    fn size(&mut self, inode: &ReadInode, mapping: &BlockMapping) {
        let superblock = self.file_system.superblock();
        let block_size = u64::from(superblock.block_size);
        let blocks = mapping.blocks() + u64::from(inode.xattr_block != 0);
        let huge =
            superblock.features.ro_compat(features::HUGE_FILE) && inode.is(crate::ext4::read::HUGE_FILE_FL);
        let expected = if huge { blocks } else { blocks * (block_size / 512) };
        let mut checks = vec![value("i_blocks", inode.stored_blocks, expected)];
        if inode.kind() == Some(FileKind::File) {
            let last = mapping.runs.iter().rfind(|run| !run.unwritten);
            let least = last.map_or(0, |run| (run.logical + run.len - 1).saturating_mul(block_size) + 1);
            checks.push(range("i_size", inode.size, least, block_size << 32));
            let large = inode.size >= 1 << 31 && !superblock.features.ro_compat(features::LARGE_FILE);
            checks.push(large.then_some(Defect::Missing { what: "the feature large_file" }));
        }
        if inode.number == 1 {
            // The list of bad blocks has no size.
            checks.truncate(0);
        }
        for why in checks.into_iter().flatten() {
            self.find(inode, why);
        }
    }
}
