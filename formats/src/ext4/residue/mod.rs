//! What is below an ext2, ext3 or ext4 file system: blocks of nobody, deleted and unused inodes and entries, tails of
//! files, gaps in every structure, the journal, the reserve of the descriptors, the boot area, and what follows the end.
//!
//! Which blocks are in use is taken from the inodes that the bitmaps have as used, not from the block bitmaps: a block
//! that a bitmap has as used and nothing holds is residue too. What our own writer leaves that is not zero is structure:
//! the superblock of the journal, set bits behind the end of a bitmap, and the block numbers of the resize inode.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod attributes;
mod directory;
mod inodes;
mod layout;
mod mapping;

use std::collections::{BTreeMap, BTreeSet};

use super::read::{FileSystem, NumberedTree};
use crate::fields;
use crate::read_at::ReadAt;
use crate::residue::{Residue, ResidueKind, ResidueOwner, ResidueSurvey};
use crate::tree::Printable;
use crate::volume::format::FormatError;

/// Surveys a file system whose files were read.
pub(super) fn residue<'a>(
    system: &FileSystem<'a, dyn ReadAt + 'a>,
    files: &NumberedTree,
    volume: &dyn ReadAt,
) -> Result<Vec<Residue>, FormatError> {
    let mut pass = Ext4Pass {
        system,
        survey: ResidueSurvey::default(),
        named: files.inodes.iter().copied().collect(),
        attribute_blocks: BTreeSet::new(),
    };
    pass.layout()?;
    pass.inodes()?;
    let superblock = system.superblock();
    let end = superblock.offset_of(superblock.blocks);
    let first = superblock.offset_of(superblock.first_data_block.into());
    pass.survey.unclaimed(ResidueKind::FreeSpace, ResidueOwner::Volume, first..end);
    pass.survey.suspect(ResidueKind::BootArea, ResidueOwner::Volume, 0..1024);
    pass.survey.suspect(ResidueKind::VolumeTail, ResidueOwner::Volume, end..volume.size());
    let mut names = InodePaths { files, paths: None };
    let found = pass.survey.read(volume, &mut |inode| names.of(inode))?;
    inode_by_inode(system, found)
}

/// A survey of a file system.
struct Ext4Pass<'p, 'a> {
    system: &'p FileSystem<'a, dyn ReadAt + 'a>,
    survey: ResidueSurvey,
    /// Inodes that a name leads to.
    named: BTreeSet<u32>,
    /// Blocks of attributes that were met: inodes share them.
    attribute_blocks: BTreeSet<u64>,
}

/// The paths of inodes, made when the first is asked for.
struct InodePaths<'n> {
    files: &'n NumberedTree,
    paths: Option<BTreeMap<u64, String>>,
}

impl InodePaths<'_> {
    fn of(&mut self, inode: u64) -> String {
        let files = self.files;
        let paths = self.paths.get_or_insert_with(|| {
            let mut paths = BTreeMap::new();
            for entry in files.tree.walk() {
                if let Some(inode) = files.inode(entry.id) {
                    let path = || format!("/{}", Printable(&entry.path));
                    paths.entry(u64::from(inode)).or_insert_with(path);
                }
            }
            paths
        });
        paths.get(&inode).cloned().unwrap_or_else(|| format!("inode {inode}"))
    }
}

/// Most inodes that are listed one by one.
const LISTED: usize = 4096;

/// Divides residue in inode tables among the inodes, and says of each whether it was deleted.
fn inode_by_inode(
    system: &FileSystem<'_, dyn ReadAt + '_>,
    found: Vec<Residue>,
) -> Result<Vec<Residue>, FormatError> {
    let size = u64::from(system.superblock().inode_size);
    let per_group = system.superblock().inodes_per_group;
    let mut out = Vec::with_capacity(found.len());
    let mut listed = 0_usize;
    for residue in found {
        let table = (residue.kind == ResidueKind::UnusedInode)
            .then(|| {
                (0_u32..).zip(system.groups()).find(|(_, group)| {
                    let start = system.superblock().offset_of(group.inode_table);
                    let blocks = u64::from(system.superblock().inode_table_blocks());
                    (start..start.saturating_add(system.superblock().offset_of(blocks)))
                        .contains(&residue.offset)
                })
            })
            .flatten();
        let Some((group, described)) = table.filter(|_| listed < LISTED) else {
            out.push(residue);
            continue;
        };
        let start = system.superblock().offset_of(described.inode_table);
        let end = residue.offset.saturating_add(residue.len);
        let mut at = residue.offset;
        while at < end && listed < LISTED {
            let slot = at.saturating_sub(start).checked_div(size).unwrap_or(0);
            let from = start.saturating_add(slot.saturating_mul(size));
            let to = from.saturating_add(size).min(end);
            let number =
                u64::from(group).saturating_mul(per_group.into()).saturating_add(slot).saturating_add(1);
            if let Some(one) = one_inode(system.image(), (from, size), at..to, number)? {
                out.push(one);
                listed = listed.saturating_add(1);
            }
            at = to;
        }
        if at < end {
            out.push(Residue { offset: at, len: end.saturating_sub(at), ..residue });
        }
    }
    Ok(out)
}

/// The residue of an inode that is not in use; none where its bytes are zero.
fn one_inode(
    image: &dyn ReadAt,
    (start, size): (u64, u64),
    range: std::ops::Range<u64>,
    number: u64,
) -> Result<Option<Residue>, FormatError> {
    let mut raw = vec![0; usize::try_from(size)?];
    image.read_exact_at(start, &mut raw)?;
    let part = |at: u64| usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX);
    let bytes = raw.get(part(range.start)..part(range.end)).unwrap_or_default();
    let first = bytes.iter().position(|byte| *byte != 0);
    let Some((first, last)) = first.zip(bytes.iter().rposition(|byte| *byte != 0)) else { return Ok(None) };
    // `i_dtime`
    let deleted = fields::u32(&raw, 0x14) != 0;
    Ok(Some(Residue {
        kind: if deleted { ResidueKind::DeletedInode } else { ResidueKind::UnusedInode },
        offset: range.start.saturating_add(first as u64),
        len: (last as u64).saturating_sub(first as u64).saturating_add(1),
        owner: format!("inode {number}"),
    }))
}
