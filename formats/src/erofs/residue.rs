//! What is below an EROFS file system: every byte that no inode, attribute, name or content holds, and what follows the
//! last name of a directory's block.

use std::collections::{BTreeMap, BTreeSet};

use super::read::{
    self, ByteMapping, ErofsFileKind, ErofsFileSystem, ErofsInode, ErofsNumberedTree, ErofsReadError,
};
use super::spec::{
    COMPACT_SIZE, DIRENT_SIZE, EXTENDED_SIZE, EXTENSION_SLOT, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE,
    XATTR_ENTRY, XATTR_HEADER,
};
use crate::fields;
use crate::read_at::ReadAt;
use crate::residue::{Residue, ResidueKind, ResidueOwner, ResidueSurvey};
use crate::tree::Printable;
use crate::volume::format::FormatError;

/// First byte and length of the label in the superblock.
const LABEL: (u64, u64) = (64, 16);

/// Surveys a file system whose files were read.
pub(super) fn residue<'a>(
    system: &'a ErofsFileSystem<'a, dyn ReadAt + 'a>,
    files: &ErofsNumberedTree,
    volume: &'a dyn ReadAt,
) -> Result<Vec<Residue>, FormatError> {
    let mut pass = ErofsPass { system, volume, survey: ResidueSurvey::default(), tails: BTreeMap::new() };
    pass.superblock()?;
    let mut nids = files.nids.clone();
    nids.sort_unstable();
    nids.dedup();
    let mut shared = BTreeSet::new();
    for nid in nids {
        pass.inode(nid, &mut shared)?;
    }
    for at in shared {
        pass.shared_attribute(at)?;
    }
    let superblock = system.superblock();
    let (block, end) = (u64::from(superblock.block_size), superblock.end);
    pass.survey.unclaimed(ResidueKind::FreeSpace, ResidueOwner::Volume, SUPERBLOCK_OFFSET..end);
    pass.survey.suspect(ResidueKind::BootArea, ResidueOwner::Volume, 0..SUPERBLOCK_OFFSET);
    pass.survey.suspect(ResidueKind::VolumeTail, ResidueOwner::Volume, end..volume.size());
    let mut paths: Option<BTreeMap<u64, String>> = None;
    let mut name = |nid: u64| {
        let paths = paths.get_or_insert_with(|| {
            let entries = files.tree.walk();
            let path = |path: &[u8]| format!("/{}", Printable(path));
            entries
                .filter_map(|entry| Some((*files.nids.get(entry.id.index())?, path(&entry.path))))
                .collect()
        });
        paths.get(&nid).cloned().unwrap_or_else(|| format!("inode {nid}"))
    };
    let tails = std::mem::take(&mut pass.tails);
    let mut found = pass.survey.read(volume, &mut name)?;
    // The blocks of chunks may be shared, so a tail cannot be taken before everything is: it is named afterwards.
    for residue in found.iter_mut().filter(|residue| residue.kind == ResidueKind::FreeSpace) {
        if let Some((from, nid)) = tails.get(&(residue.offset / block))
            && *from <= residue.offset
        {
            residue.kind = ResidueKind::FileSlack;
            residue.owner = name(*nid);
        }
    }
    Ok(found)
}

/// A survey of a file system.
struct ErofsPass<'a> {
    system: &'a ErofsFileSystem<'a, dyn ReadAt + 'a>,
    volume: &'a dyn ReadAt,
    survey: ResidueSurvey,
    /// Blocks that a content ends in: the byte after it, and the inode.
    tails: BTreeMap<u64, (u64, u64)>,
}

impl ErofsPass<'_> {
    fn superblock(&mut self) -> Result<(), ErofsReadError> {
        let mut raw = [0; SUPERBLOCK_SIZE];
        self.fill(SUPERBLOCK_OFFSET, &mut raw)?;
        let slots = u64::from(fields::u8(&raw, 13)) * EXTENSION_SLOT as u64;
        self.survey.claim(SUPERBLOCK_OFFSET..SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE as u64 + slots);
        let label = fields::array::<16>(&raw, 64);
        let used = label.iter().position(|byte| *byte == 0).unwrap_or(label.len()) as u64;
        let start = SUPERBLOCK_OFFSET + LABEL.0;
        self.survey.suspect(
            ResidueKind::SuperblockField,
            ResidueOwner::Part("label"),
            start + used..start + LABEL.1,
        );
        Ok(())
    }

    /// An inode, its attributes and its content; `shared` takes the addresses of shared attributes.
    fn inode(&mut self, nid: u64, shared: &mut BTreeSet<u64>) -> Result<(), ErofsReadError> {
        let inode = self.system.inode(nid)?;
        let mapping = self.system.mapping(&inode)?;
        let owner = ResidueOwner::Node(nid);
        let body = inode.offset + inode.inode_size + inode.xattr_size;
        self.survey.claim(inode.offset..body + mapping.behind);
        let reserved =
            if inode.inode_size == COMPACT_SIZE as u64 { 28..32 } else { 48..EXTENDED_SIZE as u64 };
        let reserved = inode.offset + reserved.start..inode.offset + reserved.end;
        self.survey.suspect(ResidueKind::InodeGap, owner, reserved);
        self.attributes(&inode, shared)?;
        if inode.kind == ErofsFileKind::Dir {
            self.directory(owner, &inode, &mapping)?;
        }
        let block = u64::from(self.system.superblock().block_size);
        for run in &mapping.runs {
            let end = run.physical + run.len;
            self.survey.claim(run.physical..end);
            if run.physical != body && end % block != 0 {
                let tail = self.tails.entry(end / block).or_insert((end, nid));
                *tail = (*tail).max((end, nid));
            }
        }
        Ok(())
    }

    fn attributes(&mut self, inode: &ErofsInode, shared: &mut BTreeSet<u64>) -> Result<(), ErofsReadError> {
        if inode.xattr_size < XATTR_HEADER as u64 {
            return Ok(());
        }
        let start = inode.offset + inode.inode_size;
        let mut bytes = vec![0; inode.xattr_size as usize];
        self.fill(start, &mut bytes)?;
        let count = usize::from(fields::u8(&bytes, 4));
        for id in 0..count {
            let id = u64::from(fields::u32(&bytes, XATTR_HEADER + id * 4));
            shared.insert(self.system.superblock().xattrs.saturating_add(id * 4));
        }
        // Seven bytes of the header are reserved.
        self.survey.suspect(ResidueKind::AttributeGap, ResidueOwner::Node(inode.nid), start + 5..start + 12);
        Ok(())
    }

    fn shared_attribute(&mut self, at: u64) -> Result<(), ErofsReadError> {
        let mut head = [0; XATTR_ENTRY];
        self.fill(at, &mut head)?;
        let len = XATTR_ENTRY as u64 + u64::from(fields::u8(&head, 0)) + u64::from(fields::u16(&head, 2));
        self.survey.claim(at..at.saturating_add(len));
        Ok(())
    }

    /// What follows the last name of each block.
    fn directory(
        &mut self,
        owner: ResidueOwner,
        inode: &ErofsInode,
        mapping: &ByteMapping,
    ) -> Result<(), ErofsReadError> {
        let block = u64::from(self.system.superblock().block_size);
        let mut logical = 0;
        while logical < inode.size {
            let len = block.min(inode.size - logical);
            let Some(at) = mapping.find(logical) else { break };
            let mut bytes = vec![0; len as usize];
            self.fill(at, &mut bytes)?;
            let names = usize::from(fields::u16(&bytes, 8));
            let last =
                names.checked_sub(DIRENT_SIZE).map(|entry| usize::from(fields::u16(&bytes, entry + 8)));
            let last = last.and_then(|last| Some((last, bytes.get(last..)?)));
            if let Some((start, name)) = last {
                let used = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
                let gap = at + (start + used) as u64..at + len;
                self.survey.suspect(ResidueKind::DirectoryGap, owner, gap);
            }
            logical += len;
        }
        Ok(())
    }

    fn fill(&self, offset: u64, buf: &mut [u8]) -> Result<(), ErofsReadError> {
        read::read_exact(self.volume, offset, buf)
    }
}
