//! What is below an XFS file system: free blocks, unused inodes, the log, ends of files, blocks that were never written, and
//! gaps in directories, attributes, trees and headers.
#![warn(clippy::arithmetic_side_effects)]

mod directory;
mod inodes;

use std::collections::BTreeMap;
use std::ops::Range;

use super::read::group::{self, InodeChunk, XfsGroup};
use super::read::{self, XfsClaims, XfsFileSystem, XfsNumberedTree, XfsReadError, XfsRefuse, XfsTreeKind};
use super::spec::SUPERBLOCK_SIZE;
use crate::read_at::ReadAt;
use crate::residue::{Residue, ResidueKind, ResidueOwner, ResidueSurvey};
use crate::tree::Printable;
use crate::volume::format::FormatError;

/// Bytes of the fields of the headers of a group, by sector.
const HEADERS: [u64; 3] = [SUPERBLOCK_SIZE as u64, 224, 344];

/// Surveys a file system whose files were read.
pub(super) fn residue<'a>(
    system: &XfsFileSystem<'a, dyn ReadAt + 'a>,
    files: &XfsNumberedTree,
    volume: &dyn ReadAt,
) -> Result<Vec<Residue>, FormatError> {
    let names = system.superblock().features.uncheckable();
    if !names.is_empty() {
        return Err(XfsReadError::Features { names: names.join(", ") }.into());
    }
    let mut pass = XfsPass { system, volume, survey: ResidueSurvey::default(), claims: XfsClaims::default() };
    let superblock = system.superblock();
    for number in 0..superblock.groups {
        let group = group::read(system, number, &mut pass.claims, &mut XfsRefuse)?;
        pass.group(&group)?;
    }
    pass.log();
    let end = superblock.offset_of(superblock.blocks);
    pass.survey.unclaimed(ResidueKind::FreeSpace, ResidueOwner::Volume, 0..end);
    pass.survey.suspect(ResidueKind::VolumeTail, ResidueOwner::Volume, end..volume.size());
    let mut paths: Option<BTreeMap<u64, String>> = None;
    let found = pass.survey.read(volume, &mut |inode| {
        let paths = paths.get_or_insert_with(|| {
            let entries = files.tree.walk();
            let path = |path: &[u8]| format!("/{}", Printable(path));
            entries
                .filter_map(|entry| Some((*files.inodes.get(entry.id.index())?, path(&entry.path))))
                .collect()
        });
        paths.get(&inode).cloned().unwrap_or_else(|| format!("inode {inode}"))
    })?;
    Ok(found)
}

/// A survey of a file system.
struct XfsPass<'p, 'a> {
    system: &'p XfsFileSystem<'a, dyn ReadAt + 'a>,
    volume: &'p dyn ReadAt,
    survey: ResidueSurvey,
    /// Metadata that was read.
    claims: XfsClaims,
}

impl XfsPass<'_, '_> {
    /// The bytes of a run of blocks.
    fn bytes_of(&self, start: u64, len: u64) -> Range<u64> {
        let superblock = self.system.superblock();
        superblock.offset_of(start)..superblock.offset_of(start.saturating_add(len))
    }

    fn group(&mut self, group: &XfsGroup) -> Result<(), XfsReadError> {
        let superblock = self.system.superblock();
        let owner = ResidueOwner::Numbered("group", group.number.into());
        let first = superblock.first_block(group.number);
        let headers = self.bytes_of(first, superblock.header_blocks());
        for (fields, sector) in HEADERS.into_iter().zip(0..) {
            let start = superblock.sector_of(group.number, sector).saturating_add(fields);
            let end = superblock.sector_of(group.number, sector.saturating_add(1));
            self.survey.suspect(ResidueKind::SuperblockField, owner, start..end);
        }
        let end = superblock.sector_of(group.number, 4);
        self.survey.suspect(ResidueKind::Reserved, owner, end..headers.end);
        self.survey.claim(headers);
        for (kind, tree) in &group.trees {
            for &block in &tree.blocks {
                let bytes = self.bytes_of(first.saturating_add(block.into()), 1);
                self.survey.claim(bytes.clone());
                self.tree_block(*kind, bytes)?;
            }
        }
        let sparse = self.system.has_sparse_inodes();
        for (within, used) in group.chunks(XfsTreeKind::Inodes, sparse).flat_map(InodeChunk::inodes) {
            self.inode(superblock.inode_number(group.number, within), used)?;
        }
        Ok(())
    }

    /// What follows the last record of a leaf: a node keeps its pointers behind the room for keys.
    fn tree_block(&mut self, kind: XfsTreeKind, bytes: Range<u64>) -> Result<(), XfsReadError> {
        let (level, used) = read::ag_tree::used_bytes(kind, &self.fill(bytes.clone())?);
        if level == 0 {
            let start = bytes.start.saturating_add(used as u64);
            self.survey.suspect(ResidueKind::TableGap, ResidueOwner::Volume, start..bytes.end);
        }
        Ok(())
    }

    fn log(&mut self) {
        let superblock = self.system.superblock();
        let blocks = superblock.log_blocks.into();
        if let Some(start) = superblock.linear(superblock.log_start, blocks) {
            let bytes = self.bytes_of(start, blocks);
            self.survey.claim(bytes.clone());
            self.survey.suspect(ResidueKind::Journal, ResidueOwner::Part("log"), bytes);
        }
    }

    /// Reads bytes of a block or inode.
    fn fill(&self, range: Range<u64>) -> Result<Vec<u8>, XfsReadError> {
        let len = range.end.saturating_sub(range.start);
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        read::read_exact(self.volume, range.start, &mut bytes)?;
        Ok(bytes)
    }
}
