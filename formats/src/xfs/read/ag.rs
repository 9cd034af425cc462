//! The headers of allocation groups: free space (AGF), inodes (AGI) and the list of blocks for their trees (AGFL).

use super::error::{XfsCorruption, XfsCorruptionSink, XfsDefect, XfsLocation, XfsReadError, range, value};
use super::features;
use super::{XfsFileSystem, checksum, read_exact};
use crate::fields;
use crate::read_at::ReadAt;
use crate::xfs::spec::{AG_VERSION, AGF_MAGIC, AGFL_HEADER, AGFL_MAGIC, AGI_MAGIC, NONE32, UNLINKED_LISTS};

/// The root of a tree of a group: its block within the group, and its levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AgRoot {
    pub(crate) block: u32,
    pub(crate) levels: u32,
}

/// What the header of a group's free space says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AgFreeSpace {
    pub(crate) by_block: AgRoot,
    pub(crate) by_length: AgRoot,
    pub(crate) owners: AgRoot,
    pub(crate) shared: AgRoot,
    /// Free blocks, and the longest free run.
    pub(crate) free: u32,
    pub(crate) longest: u32,
    /// First and last used slot of the list of blocks, and how many there are.
    pub(crate) list: (u32, u32, u32),
    /// Blocks of the trees of free space and owners, but for their roots.
    pub(crate) tree_blocks: u32,
    /// First byte of the header.
    pub(crate) offset: u64,
}

/// What the header of a group's inodes says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgInodes {
    pub(crate) inodes: AgRoot,
    pub(crate) free_inodes: AgRoot,
    /// Allocated inodes, and free ones of them.
    pub(crate) count: u32,
    pub(crate) free: u32,
    /// Heads of the lists of inodes without a name.
    pub(crate) unlinked: Vec<u32>,
    /// First byte of the header.
    pub(crate) offset: u64,
}

/// A header in a sector of a group.
struct Sector {
    raw: Vec<u8>,
    location: XfsLocation,
    offset: u64,
}

impl Sector {
    fn report(
        &self,
        defects: &[Option<XfsDefect>],
        sink: &mut dyn XfsCorruptionSink,
    ) -> Result<(), XfsReadError> {
        for why in defects.iter().flatten() {
            sink.report(XfsCorruption { location: self.location, offset: self.offset, why: why.clone() })?;
        }
        Ok(())
    }

    fn root(&self, block: usize, levels: usize) -> AgRoot {
        AgRoot { block: fields::be32(&self.raw, block), levels: fields::be32(&self.raw, levels) }
    }
}

impl<R: ReadAt + ?Sized> XfsFileSystem<'_, R> {
    /// Reads a header, whose checksum and UUID are at the given bytes; `None` when it was reported to be none.
    fn header(
        &self,
        (group, sector): (u32, u64),
        location: XfsLocation,
        (magic, crc, uuid): (u32, usize, usize),
        sink: &mut dyn XfsCorruptionSink,
    ) -> Result<Option<Sector>, XfsReadError> {
        let offset = self.superblock.sector_of(group, sector);
        let mut raw = vec![0; self.superblock.sector_size.into()];
        read_exact(self.image, offset, &mut raw)?;
        let sector = Sector { raw, location, offset };
        let found = fields::be32(&sector.raw, 0);
        if let Some(why) = value("magic number", found.into(), magic.into()) {
            sector.report(&[Some(why)], sink)?;
            return Ok(None);
        }
        let found: [u8; 16] = fields::array(&sector.raw, uuid);
        let other = (found != self.superblock.meta_uuid.to_bytes()).then_some(XfsDefect::Uuid);
        sector.report(&[checksum::verify(&sector.raw, crc), other], sink)?;
        Ok(Some(sector))
    }

    /// The header of a group's free space.
    pub(crate) fn free_space(
        &self,
        group: u32,
        sink: &mut dyn XfsCorruptionSink,
    ) -> Result<Option<AgFreeSpace>, XfsReadError> {
        let location = XfsLocation::FreeSpace { group };
        let Some(sector) = self.header((group, 1), location, (AGF_MAGIC, 216, 64), sink)? else {
            return Ok(None);
        };
        let number = |at: usize| fields::be32(&sector.raw, at);
        let len = self.superblock.group_len(group);
        let slots = self.list_slots();
        sector.report(
            &[
                value("agf_versionnum", number(4).into(), AG_VERSION.into()),
                value("agf_seqno", number(8).into(), group.into()),
                value("agf_length", number(12).into(), len.into()),
                range("agf_freeblks", number(52).into(), 0, len.into()),
                range("agf_longest", number(56).into(), 0, number(52).into()),
                range("agf_flfirst", number(40).into(), 0, slots.into()),
                range("agf_fllast", number(44).into(), 0, slots.into()),
                range("agf_flcount", number(48).into(), 0, slots.into()),
            ],
            sink,
        )?;
        Ok(Some(AgFreeSpace {
            by_block: sector.root(16, 28),
            by_length: sector.root(20, 32),
            owners: sector.root(24, 36),
            shared: sector.root(88, 92),
            free: number(52),
            longest: number(56),
            list: (number(40), number(44), number(48)),
            tree_blocks: number(60),
            offset: sector.offset,
        }))
    }

    /// The header of a group's inodes.
    pub(crate) fn group_inodes(
        &self,
        group: u32,
        sink: &mut dyn XfsCorruptionSink,
    ) -> Result<Option<AgInodes>, XfsReadError> {
        let location = XfsLocation::Inodes { group };
        let Some(sector) = self.header((group, 2), location, (AGI_MAGIC, 312, 296), sink)? else {
            return Ok(None);
        };
        let number = |at: usize| fields::be32(&sector.raw, at);
        sector.report(
            &[
                value("agi_versionnum", number(4).into(), AG_VERSION.into()),
                value("agi_seqno", number(8).into(), group.into()),
                value("agi_length", number(12).into(), self.superblock.group_len(group).into()),
                range("agi_freecount", number(28).into(), 0, number(16).into()),
            ],
            sink,
        )?;
        let heads = (0..UNLINKED_LISTS).map(|list| number(40 + list * 4));
        Ok(Some(AgInodes {
            inodes: sector.root(20, 24),
            free_inodes: sector.root(328, 332),
            count: number(16),
            free: number(28),
            unlinked: heads.filter(|head| *head != NONE32).collect(),
            offset: sector.offset,
        }))
    }

    /// The blocks within a group that wait for its trees.
    pub(crate) fn free_list(
        &self,
        group: u32,
        (first, last, count): (u32, u32, u32),
        sink: &mut dyn XfsCorruptionSink,
    ) -> Result<Vec<u32>, XfsReadError> {
        let location = XfsLocation::FreeList { group };
        let Some(sector) = self.header((group, 3), location, (AGFL_MAGIC, 32, 8), sink)? else {
            return Ok(Vec::new());
        };
        let slots = self.list_slots();
        let len = self.superblock.group_len(group);
        let mut blocks = Vec::new();
        let mut slot = first;
        for _ in 0..count.min(slots) {
            let block = fields::be32(&sector.raw, AGFL_HEADER + slot as usize * 4);
            let why =
                range("block of the list", block.into(), self.superblock.header_blocks(), u64::from(len) - 1);
            if why.is_none() {
                blocks.push(block);
            }
            sector.report(&[why], sink)?;
            slot = if slot + 1 >= slots { 0 } else { slot + 1 };
        }
        let expected = if slot == 0 { slots - 1 } else { slot - 1 };
        let end = (count > 0).then(|| value("agf_fllast", last.into(), expected.into())).flatten();
        sector
            .report(&[value("agfl_seqno", fields::be32(&sector.raw, 4).into(), group.into()), end], sink)?;
        Ok(blocks)
    }

    /// Slots of the list of blocks.
    fn list_slots(&self) -> u32 {
        ((usize::from(self.superblock.sector_size) - AGFL_HEADER) / 4) as u32
    }

    /// Whether a read-only compatible feature is there.
    pub(crate) fn has(&self, feature: u32) -> bool {
        self.superblock.features.ro_compat(feature)
    }

    /// Whether chunks of inodes may have holes.
    pub(crate) fn has_sparse_inodes(&self) -> bool {
        self.superblock.features.incompat(features::SPARSE_INODES)
    }
}
