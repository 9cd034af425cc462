//! Fields of the superblock that must fit each other.

use super::CheckRun;
use crate::ext4::read::features;
use crate::ext4::read::superblock::OFFSET;
use crate::ext4::read::{Corruption, Defect, Ext4Location, fields};
use crate::read_at::ReadAt;

/// State: unmounted cleanly, no errors seen.
const CLEAN: u64 = 1;

impl<R: ReadAt + ?Sized> CheckRun<'_, '_, R> {
    /// Checks fields that reading does not depend on.
    pub(super) fn superblock(&mut self) {
        let superblock = self.file_system.superblock();
        let reserved = superblock.reserved_blocks;
        let half = superblock.blocks / 2;
        let flags = u64::from(superblock.flags);
        let version = u64::from(superblock.hash_version);
        let orphan = u64::from(superblock.last_orphan);
        let journal = superblock.features.compat(features::HAS_JOURNAL);
        let number = u64::from(superblock.journal_inode);
        let extra = u64::from(superblock.inode_size) - 128;
        let extra = if extra == 0 { u64::from(u16::MAX) } else { extra };
        let wide = u64::from(superblock.descriptor_size);
        let uuid: [u8; 16] = fields::array(&superblock.raw, 0xd0);
        let journal_uuid =
            uuid.chunks_exact(4).map(|word| u64::from(fields::u32(word, 0))).max().unwrap_or(0);
        let errors = [
            range("s_r_blocks_count", reserved, 0, half),
            value("s_last_orphan", orphan, 0),
            range(
                "s_journal_inum",
                number,
                u64::from(journal),
                if journal { u64::from(u32::MAX) } else { 0 },
            ),
            // A journal on another device is not read, so nothing may name one.
            value("s_journal_uuid", journal_uuid, 0),
            value("s_block_group_nr", u64::from(fields::u16(&superblock.raw, 0x5a)), 0),
            range("s_min_extra_isize", fields::u16(&superblock.raw, 0x15c).into(), 0, extra),
            range("s_want_extra_isize", fields::u16(&superblock.raw, 0x15e).into(), 0, extra),
            range("s_errors", superblock.errors.into(), 0, 3),
            (superblock.features.incompat(features::BIT64) && wide < 64).then_some(Defect::Range {
                field: "s_desc_size",
                found: wide,
                least: 64,
                most: 1024,
            }),
            (superblock.has_checksums() && superblock.features.ro_compat(features::GDT_CSUM))
                .then_some(Defect::Meaningless { field: "uninit_bg beside metadata_csum", found: 1 }),
        ];
        let warnings = [
            value("s_state", superblock.state.into(), CLEAN),
            range("s_def_hash_version", version, 0, 5),
            (flags & 3 == 3).then_some(Defect::Meaningless { field: "s_flags", found: flags }),
        ];
        for why in errors.into_iter().flatten() {
            self.report.error(Corruption { location: Ext4Location::Superblock, offset: OFFSET, why });
        }
        for why in warnings.into_iter().flatten() {
            self.report.warning(Corruption { location: Ext4Location::Superblock, offset: OFFSET, why });
        }
    }
}

/// A finding when `found` is not `expected`.
pub(super) fn value(field: &'static str, found: u64, expected: u64) -> Option<Defect> {
    (found != expected).then_some(Defect::Value { field, found, expected })
}

/// A finding when `found` is not within `least..=most`.
pub(super) fn range(field: &'static str, found: u64, least: u64, most: u64) -> Option<Defect> {
    (!(least..=most).contains(&found)).then_some(Defect::Range { field, found, least, most })
}
