//! What is below a FAT volume: the tails of files, clusters of nobody, deleted entries and those after the end mark of a
//! directory, boot code, reserved sectors, the ends of the tables, and what follows the last cluster.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::ops::Range;

use super::read::{self, FatAllocation, FatVolume, FatWidth, VolumeShape};
use super::spec::ENTRY;
use crate::read_at::ReadAt;
use crate::residue::{Residue, ResidueKind, ResidueOwner, ResidueSurvey};
use crate::tree::Printable;
use crate::volume::format::FormatError;

/// The code that our boot sectors have.
const OUR_CODE: [u8; 5] = [0xcd, 0x18, 0xf4, 0xeb, 0xfd];

/// Surveys a volume whose files were read.
pub(super) fn residue(read: &FatVolume, volume: &dyn ReadAt) -> Result<Vec<Residue>, FormatError> {
    let mut pass = FatPass { volume, shape: read.shape, survey: ResidueSurvey::default() };
    pass.reserved_sectors()?;
    pass.tables();
    pass.allocations(read)?;
    pass.rest();
    let names = |node: u64| {
        let owner = read.allocations.get(usize::try_from(node).unwrap_or(usize::MAX));
        format!("/{}", Printable(owner.map_or(b"", |allocation| &allocation.path)))
    };
    Ok(pass.survey.read(volume, &mut { names })?)
}

/// A survey of a volume.
struct FatPass<'a> {
    volume: &'a dyn ReadAt,
    shape: VolumeShape,
    survey: ResidueSurvey,
}

impl FatPass<'_> {
    /// Boot sector, FSInfo, their copies, and the sectors that have no use.
    fn reserved_sectors(&mut self) -> Result<(), FormatError> {
        let shape = self.shape;
        let sector = |number: u16| {
            let start = u64::from(number).saturating_mul(shape.sector);
            (number < shape.reserved_sectors).then(|| start..start.saturating_add(shape.sector))
        };
        let wide = shape.width == FatWidth::Fat32;
        let backup = (wide && shape.backup_sector != 0).then(|| sector(shape.backup_sector)).flatten();
        for range in sector(0).into_iter().chain(backup) {
            self.boot_sector(range)?;
        }
        let info = [shape.fsinfo_sector, shape.backup_sector.saturating_add(shape.fsinfo_sector)];
        let [first, copy] =
            info.map(|number| (wide && shape.fsinfo_sector != 0).then(|| sector(number)).flatten());
        let copy = copy.filter(|_| shape.backup_sector != 0 && shape.backup_sector != u16::MAX);
        for range in first.into_iter().chain(copy) {
            self.fsinfo(range)?;
        }
        self.survey.unclaimed(
            ResidueKind::Reserved,
            ResidueOwner::Part("reserved sectors"),
            0..shape.tables_at,
        );
        self.survey.claim(0..shape.tables_at);
        Ok(())
    }

    fn boot_sector(&mut self, range: Range<u64>) -> Result<(), FormatError> {
        let at = |offset: u64| range.start.saturating_add(offset);
        let code = if self.shape.width == FatWidth::Fat32 { 90 } else { 62 };
        let mut found = OUR_CODE;
        self.volume.read_exact_at(at(code), &mut found)?;
        let ours = if found == OUR_CODE { OUR_CODE.len() as u64 } else { 0 };
        self.survey.suspect(
            ResidueKind::BootArea,
            ResidueOwner::Part("boot sector"),
            at(code.saturating_add(ours))..at(510),
        );
        self.survey.suspect(ResidueKind::Reserved, ResidueOwner::Part("boot sector"), at(512)..range.end);
        if self.shape.width == FatWidth::Fat32 {
            self.survey.suspect(
                ResidueKind::SuperblockField,
                ResidueOwner::Part("boot sector"),
                at(52)..at(64),
            );
        }
        self.survey.claim(range);
        Ok(())
    }

    /// FSInfo; a sector without its signatures is as good as unused.
    fn fsinfo(&mut self, range: Range<u64>) -> Result<(), FormatError> {
        let at = |offset: u64| range.start.saturating_add(offset);
        let mut lead = [0; 4];
        self.volume.read_exact_at(range.start, &mut lead)?;
        if &lead != b"RRaA" {
            return Ok(());
        }
        for gap in [at(4)..at(484), at(496)..at(508), at(512)..range.end] {
            self.survey.suspect(ResidueKind::SuperblockField, ResidueOwner::Part("FSInfo"), gap);
        }
        self.survey.claim(range);
        Ok(())
    }

    /// The bytes of each table after its last entry.
    fn tables(&mut self) {
        let shape = self.shape;
        let entries = u64::from(shape.clusters).saturating_add(2);
        let used = match shape.width {
            FatWidth::Fat12 => entries.saturating_mul(3).div_ceil(2),
            FatWidth::Fat16 => entries.saturating_mul(2),
            FatWidth::Fat32 => entries.saturating_mul(4),
        };
        for number in 0..shape.tables {
            let start = shape.table(number);
            let end = start.saturating_add(shape.table_len);
            let owner = ResidueOwner::Numbered("table", number.into());
            self.survey.claim(start..end);
            self.survey.suspect(ResidueKind::TableGap, owner, start.saturating_add(used).min(end)..end);
        }
        let root_end = shape.root_at.saturating_add(shape.root_len);
        self.survey.claim(shape.root_at..root_end);
        self.survey.suspect(
            ResidueKind::Reserved,
            ResidueOwner::Part("after the root directory"),
            root_end..shape.data_at,
        );
    }

    fn allocations(&mut self, read: &FatVolume) -> Result<(), FormatError> {
        for (number, allocation) in (0..).zip(&read.allocations) {
            match allocation.len {
                Some(len) => self.file(ResidueOwner::Node(number), allocation, len),
                None => self.directory(ResidueOwner::Node(number), allocation)?,
            }
        }
        Ok(())
    }

    /// The ranges of an allocation; the root of FAT12 and FAT16 has an area of its own.
    fn ranges(&self, allocation: &FatAllocation) -> Vec<Range<u64>> {
        if allocation.clusters.is_empty() && allocation.entry_at.is_none() {
            let end = self.shape.root_at.saturating_add(self.shape.root_len);
            return std::iter::once(self.shape.root_at..end).collect();
        }
        let range = |run: &read::ClusterRange| {
            let start = self.shape.offset(run.first);
            start..start.saturating_add(u64::from(run.count).saturating_mul(self.shape.cluster))
        };
        allocation.clusters.iter().map(range).collect()
    }

    /// A file: its clusters, and what is after its end in them.
    fn file(&mut self, owner: ResidueOwner, allocation: &FatAllocation, len: u64) {
        if allocation.clusters.is_empty() {
            return;
        }
        let mut left = len;
        for range in self.ranges(allocation) {
            let run = range.end.saturating_sub(range.start);
            let used = run.min(left);
            left = left.saturating_sub(used);
            let slack = range.start.saturating_add(used)..range.end;
            self.survey.suspect(ResidueKind::FileSlack, owner, slack);
            self.survey.claim(range);
        }
    }

    /// A directory: deleted entries, and all after the end mark.
    fn directory(&mut self, owner: ResidueOwner, allocation: &FatAllocation) -> Result<(), FormatError> {
        let mut ended = false;
        for range in self.ranges(allocation) {
            let len = range.end.saturating_sub(range.start);
            // A directory has 2 MiB at most, as the reader refuses longer ones.
            let mut bytes = vec![0; usize::try_from(len)?];
            self.volume.read_exact_at(range.start, &mut bytes)?;
            for (number, entry) in (0_u64..).zip(bytes.chunks_exact(ENTRY)) {
                let at = range.start.saturating_add(number.saturating_mul(ENTRY as u64));
                let end = at.saturating_add(ENTRY as u64);
                ended |= entry.first() == Some(&0);
                if ended {
                    self.survey.suspect(ResidueKind::DirectoryGap, owner, at..range.end);
                    break;
                }
                if entry.first() == Some(&0xe5) {
                    self.survey.suspect(ResidueKind::DeletedEntry, owner, at..end);
                }
            }
            self.survey.claim(range);
        }
        Ok(())
    }

    /// Clusters of nobody, and what follows the last cluster.
    fn rest(&mut self) {
        let shape = self.shape;
        let clusters = u64::from(shape.clusters).saturating_mul(shape.cluster);
        let end = shape.data_at.saturating_add(clusters);
        self.survey.unclaimed(ResidueKind::FreeSpace, ResidueOwner::Volume, shape.data_at..end);
        self.survey.suspect(
            ResidueKind::VolumeTail,
            ResidueOwner::Part("after the last cluster"),
            end..self.volume.size(),
        );
    }
}
