//! The blocks that differ and that neither files nor inodes explain: each is attributed to the structure that it belongs
//! to.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_formats::ext4::read::{BlockMapping, DirEntry};

use super::roles::{Role, Roles};
use super::{Ext4Side, Sides};
use crate::diff::DiffError;
use crate::diff::byte_diff::ByteDiff;
use crate::diff::fields;
use crate::diff::images::RangePair;
use crate::diff::report::{DiffChange, DiffCollector, DifferenceWeight, below};
use amiforge_formats::ext4::fields::GROUP;

/// Blocks that differ, by their roles in both.
type Groups = BTreeMap<(Role, Role), Vec<u64>>;

/// The comparison under way.
struct Leftovers<'a> {
    sides: &'a Sides<'a>,
    pair: &'a RangePair<'a>,
    location: &'a [String],
    roles: (Roles, Roles),
    block: u64,
    /// Whether blocks of this role differ: copies of them follow.
    descriptors_differ: bool,
}

/// Compares all blocks that differ and that no other comparison covers.
pub(super) fn compare(
    sides: &Sides<'_>,
    pair: &RangePair<'_>,
    location: &[String],
    collector: &mut DiffCollector,
) -> Result<(), DiffError> {
    let runs = pair.runs();
    if runs.is_empty() {
        return Ok(());
    }
    let roles = (Roles::read(&sides.a)?, Roles::read(&sides.b)?);
    let block = u64::from(sides.a.system.superblock().block_size);
    let blocks = runs.iter().flat_map(|(from, to)| from / block..to.div_ceil(block));
    let mut groups = Groups::new();
    for number in blocks {
        let role = (roles.0.of(number), roles.1.of(number));
        let covered =
            matches!((&role.0, &role.1), (Role::Content(_), Role::Free) | (Role::Free, Role::Content(_)));
        if !covered {
            groups.entry(role).or_default().push(number);
        }
    }
    let descriptors_differ = groups.keys().any(|(role, _)| *role == Role::Descriptors);
    let leftovers = Leftovers { sides, pair, location, roles, block, descriptors_differ };
    groups.iter().try_for_each(|((a, b), blocks)| leftovers.group((a, b), blocks, collector))
}

impl Leftovers<'_> {
    /// Compares the blocks of one role.
    fn group(
        &self,
        (a, b): (&Role, &Role),
        blocks: &[u64],
        collector: &mut DiffCollector,
    ) -> Result<(), DiffError> {
        let title = |inode: u32, part: &str| format!("{} ({part})", self.roles.0.path(inode));
        let placement = self.sides.placement();
        let seeded = if self.sides.reseeded { DifferenceWeight::Follows } else { placement };
        match (a, b) {
            (Role::Superblock, Role::Superblock) => self.boot_area(blocks, collector),
            (Role::BackupSuperblock(group), Role::BackupSuperblock(_)) => {
                self.backup(*group, blocks, collector)
            }
            (Role::Descriptors, Role::Descriptors) => self.descriptors(collector),
            (Role::BackupDescriptors(group), Role::BackupDescriptors(_)) => {
                let weight =
                    if self.descriptors_differ { DifferenceWeight::Follows } else { DifferenceWeight::Own };
                self.bytes(weight, &format!("backup descriptors in group {group}"), blocks, collector)
            }
            (Role::Reserved, Role::Reserved) => {
                self.bytes(placement, "blocks reserved for descriptors", blocks, collector)
            }
            (Role::BlockBitmap(group), Role::BlockBitmap(_)) => {
                self.bitmap(("block", *group), blocks, collector)
            }
            (Role::InodeBitmap(group), Role::InodeBitmap(_)) => {
                self.bitmap(("inode", *group), blocks, collector)
            }
            (Role::InodeTable(group), Role::InodeTable(_)) => self.unused_inodes(*group, collector),
            (Role::Journal, Role::Journal) => self.bytes(DifferenceWeight::Own, "journal", blocks, collector),
            (Role::Free, Role::Free) => self.bytes(placement, "free space", blocks, collector),
            (Role::Directory(a), Role::Directory(b)) if self.one_path(*a, *b) => {
                let weight = if self.same_entries(*a, *b)? { seeded } else { DifferenceWeight::Follows };
                self.bytes(weight, &title(*a, "blocks of the directory"), blocks, collector)
            }
            (Role::Mapping(a), Role::Mapping(b)) if self.one_path(*a, *b) => {
                let weight = if self.same_mapping(*a, *b)? { seeded } else { DifferenceWeight::Follows };
                self.bytes(weight, &title(*a, "blocks of extents"), blocks, collector)
            }
            (Role::Attributes(a), Role::Attributes(b)) if self.one_path(*a, *b) => {
                let weight = if self.same_attributes(*a, *b)? { seeded } else { DifferenceWeight::Follows };
                self.bytes(weight, &title(*a, "block of attributes"), blocks, collector)
            }
            (Role::Content(a), Role::Content(b)) if self.one_path(*a, *b) => {
                self.slack((*a, *b), blocks, collector)
            }
            _ => {
                let text = format!("{} blocks of another use", blocks.len());
                collector.add(DifferenceWeight::Follows, self.location, "layout", DiffChange::Note(text));
                Ok(())
            }
        }
    }

    /// Whether two inodes, one of each side, have one name.
    fn one_path(&self, a: u32, b: u32) -> bool {
        self.roles.0.path(a) == self.roles.1.path(b)
    }

    /// Adds the bytes of blocks that differ as one difference.
    fn bytes(
        &self,
        weight: DifferenceWeight,
        name: &str,
        blocks: &[u64],
        collector: &mut DiffCollector,
    ) -> Result<(), DiffError> {
        let mut diff = ByteDiff::default();
        for number in blocks {
            let at = number * self.block;
            self.pair.compare(at, at + self.block, &mut diff).map_err(DiffError::Partition)?;
        }
        if let Some(change) = diff.finish() {
            collector.add(weight, &below(self.location, name), "bytes", DiffChange::Bytes(change));
        }
        Ok(())
    }

    /// The bytes around the superblock.
    fn boot_area(&self, blocks: &[u64], collector: &mut DiffCollector) -> Result<(), DiffError> {
        let mut diff = ByteDiff::default();
        for number in blocks {
            let (from, to) = (number * self.block, (number + 1) * self.block);
            for (from, to) in [(from, to.min(1024)), (from.max(2048), to)] {
                self.pair.compare(from, to, &mut diff).map_err(DiffError::Partition)?;
            }
        }
        if let Some(change) = diff.finish() {
            collector.add(
                DifferenceWeight::Own,
                &below(self.location, "boot area"),
                "bytes",
                DiffChange::Bytes(change),
            );
        }
        Ok(())
    }

    /// A copy of the superblock: a difference that the primary has too is a consequence of that.
    fn backup(&self, group: u32, blocks: &[u64], collector: &mut DiffCollector) -> Result<(), DiffError> {
        let mut copy = DiffCollector::default();
        for number in blocks {
            let (a, b) = self.pair.both(number * self.block, 1024).map_err(DiffError::Partition)?;
            let location = below(self.location, format!("backup superblock of group {group}"));
            super::superblock::superblock((&a, &b), self.sides.explained(), &location, &mut copy);
        }
        let primary: Vec<_> = collector
            .differences
            .iter()
            .filter(|one| one.location.last().is_some_and(|last| last == "superblock"))
            .cloned()
            .collect();
        collector.mirror(&primary, copy);
        Ok(())
    }

    /// The group descriptors, field by field. The checksums of bitmaps follow from the bitmaps.
    fn descriptors(&self, collector: &mut DiffCollector) -> Result<(), DiffError> {
        let superblock = self.sides.a.system.superblock();
        let len = u64::from(superblock.descriptor_size.max(32));
        for (number, (a, b)) in
            (0..).zip(self.sides.a.system.groups().iter().zip(self.sides.b.system.groups()))
        {
            if a.offset != b.offset || self.pair.known_equal(a.offset, b.offset, len) {
                continue;
            }
            let (in_a, in_b) = self.pair.both(a.offset, len).map_err(DiffError::Partition)?;
            let bitmap =
                |block: u64| self.pair.known_equal(block * self.block, block * self.block, self.block);
            let bitmaps = !bitmap(a.block_bitmap) || !bitmap(a.inode_bitmap);
            let mut explained = self.sides.explained();
            explained.checksums |= bitmaps;
            let location = below(self.location, format!("descriptor of group {number}"));
            fields::compare((&in_a, &in_b), GROUP, explained, &location, collector);
        }
        Ok(())
    }

    /// A bitmap, by the blocks or inodes that it marks.
    fn bitmap(
        &self,
        (what, group): (&str, u32),
        blocks: &[u64],
        collector: &mut DiffCollector,
    ) -> Result<(), DiffError> {
        let mut counts = (0_u32, 0_u32);
        for number in blocks {
            let (a, b) = self.pair.both(number * self.block, self.block).map_err(DiffError::Partition)?;
            for (a, b) in a.iter().zip(&b) {
                counts.0 += (a & !b).count_ones();
                counts.1 += (b & !a).count_ones();
            }
        }
        if counts != (0, 0) {
            let text =
                format!("{} {what}s used only in the first, {} only in the second", counts.0, counts.1);
            let location = below(self.location, format!("{what} bitmap of group {group}"));
            collector.add(self.sides.placement(), &location, "marks", DiffChange::Note(text));
        }
        Ok(())
    }

    /// Inodes that no name leads to.
    fn unused_inodes(&self, group: u32, collector: &mut DiffCollector) -> Result<(), DiffError> {
        let (a, b) = (&self.sides.a, &self.sides.b);
        let superblock = a.system.superblock();
        let named: BTreeSet<u32> = a.files.inodes.iter().chain(&b.files.inodes).copied().collect();
        let len = u64::from(superblock.inode_size);
        let first = group * superblock.inodes_per_group + 1;
        for number in first..first + superblock.inodes_per_group {
            let at = a.system.inode_offset(number)?;
            if number < superblock.first_inode
                || named.contains(&number)
                || self.pair.known_equal(at, at, len)
            {
                continue;
            }
            let mut diff = ByteDiff::default();
            self.pair.compare(at, at + len, &mut diff).map_err(DiffError::Partition)?;
            if let Some(change) = diff.finish() {
                let location = below(self.location, format!("inode {number} (without a name)"));
                collector.add(self.sides.placement(), &location, "bytes", DiffChange::Bytes(change));
            }
        }
        Ok(())
    }

    /// Whether two directories have the same entries with the same inodes.
    fn same_entries(&self, a: u32, b: u32) -> Result<bool, DiffError> {
        let read = |side: &Ext4Side<'_>, number: u32| side.system.entries(&side.system.inode(number)?);
        let (in_a, in_b) = (read(&self.sides.a, a)?, read(&self.sides.b, b)?);
        let names = |entries: &[DirEntry]| -> BTreeSet<(Box<[u8]>, u32)> {
            entries.iter().map(|entry| (entry.name.clone(), entry.inode)).collect()
        };
        Ok(names(&in_a) == names(&in_b))
    }

    fn same_mapping(&self, a: u32, b: u32) -> Result<bool, DiffError> {
        Ok(mapping(&self.sides.a, a)? == mapping(&self.sides.b, b)?)
    }

    fn same_attributes(&self, a: u32, b: u32) -> Result<bool, DiffError> {
        let read = |side: &Ext4Side<'_>, number: u32| side.system.xattrs(&side.system.inode(number)?);
        Ok(read(&self.sides.a, a)? == read(&self.sides.b, b)?)
    }

    /// The bytes in the blocks of a file that are not its content: after its end, or never written. The content has been
    /// compared, and the mapping too.
    fn slack(
        &self,
        (a, b): (u32, u32),
        blocks: &[u64],
        collector: &mut DiffCollector,
    ) -> Result<(), DiffError> {
        let (in_a, in_b) = (self.sides.a.system.inode(a)?, self.sides.b.system.inode(b)?);
        let (map_a, map_b) = (mapping(&self.sides.a, a)?, mapping(&self.sides.b, b)?);
        if map_a.runs != map_b.runs || in_a.size != in_b.size {
            return Ok(());
        }
        let mut diff = ByteDiff::default();
        for number in blocks {
            let run = map_a.runs.iter().find(|run| (run.physical..run.physical + run.len).contains(number));
            let Some(run) = run else { continue };
            let logical = (run.logical + number - run.physical) * self.block;
            let content = if run.unwritten { 0 } else { in_a.size.saturating_sub(logical).min(self.block) };
            let at = number * self.block;
            self.pair.compare(at + content, at + self.block, &mut diff).map_err(DiffError::Partition)?;
        }
        if let Some(change) = diff.finish() {
            let location = below(self.location, self.roles.0.path(a));
            collector.add(
                DifferenceWeight::Own,
                &location,
                "behind the end or never written",
                DiffChange::Bytes(change),
            );
        }
        Ok(())
    }
}

/// The mapping of the blocks of an inode.
fn mapping(side: &Ext4Side<'_>, number: u32) -> Result<BlockMapping, DiffError> {
    Ok(side.system.mapping(&side.system.inode(number)?)?)
}
