//! Why a page of an EROFS file system differs from that of another: by the inodes, directories and contents that it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use amiforge_formats::erofs::read::{
    self, ByteMapping, ErofsFileKind, ErofsFileSystem, ErofsNumberedTree, ErofsReadError,
};
use amiforge_formats::read_at::ReadAt as _;

use super::DiffError;
use super::equal_ranges::PAGE;
use super::images::RangeBytes;
use crate::inspect::SOURCE;

/// What a page that differs holds of what differs; of several the first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PageContent {
    /// Content that its file does not have in the first file system.
    New,
    /// Content of a file that is elsewhere there.
    Moved,
    /// Directories.
    Directory,
    /// Inodes, with content of files that they have there too.
    Inode,
    /// The superblock.
    Superblock,
    /// Nothing.
    Unused,
}

/// Bytes of the first block, which holds the superblock.
const HEAD: u64 = 4096;

/// Two file systems, the second of which is looked at page by page.
pub(super) struct ErofsPages<'a> {
    bytes: (&'a RangeBytes<'a>, &'a RangeBytes<'a>),
    former: ErofsSide<'a>,
    block_size: u64,
    /// What the bytes of the second are, by their first byte.
    parts: Vec<ErofsPart>,
    longest: u64,
    /// Files of the second, by their inode, whose content is new.
    new: BTreeMap<u64, u64>,
}

/// A file system and its files.
struct ErofsSide<'a> {
    system: ErofsFileSystem<'a, RangeBytes<'a>>,
    files: ErofsNumberedTree,
}

/// Bytes of the second file system.
struct ErofsPart {
    start: u64,
    end: u64,
    what: PartContent,
}

enum PartContent {
    Inode,
    Directory,
    /// Bytes of a file from a byte of it on: its inode, its length, and its former content.
    Content {
        nid: u64,
        size: u64,
        logical: u64,
        inline: bool,
        former: Option<u64>,
    },
}

impl<'a> ErofsSide<'a> {
    fn read(bytes: &'a RangeBytes<'a>) -> Result<Self, ErofsReadError> {
        let system = read::open(bytes)?;
        let files = system.numbered_tree(SOURCE)?;
        Ok(Self { system, files })
    }

    /// The mapping of an inode.
    fn mapping(&self, nid: u64) -> Result<(read::ErofsInode, ByteMapping), ErofsReadError> {
        let inode = self.system.inode(nid)?;
        let mapping = self.system.mapping(&inode)?;
        Ok((inode, mapping))
    }
}

impl<'a> ErofsPages<'a> {
    /// Reads both; `None` when one is damaged, so that its bytes are counted.
    pub(super) fn read(a: &'a RangeBytes<'a>, b: &'a RangeBytes<'a>) -> Option<Self> {
        let (former, latter) = (ErofsSide::read(a).ok()?, ErofsSide::read(b).ok()?);
        let parts = parts(&former, &latter).ok()?;
        let longest = parts.iter().map(|part| part.end - part.start).max().unwrap_or_default();
        let block_size = latter.system.superblock().block_size.into();
        Some(Self { bytes: (a, b), former, block_size, parts, longest, new: BTreeMap::new() })
    }

    /// Files with new content, and their bytes in whole blocks.
    pub(super) fn new_content(&self) -> (u64, u64) {
        (self.new.len() as u64, self.new.values().map(|size| size.next_multiple_of(self.block_size)).sum())
    }

    /// What the page at an offset holds of what differs.
    pub(super) fn content(&mut self, at: u64) -> Result<PageContent, DiffError> {
        let end = at + PAGE;
        let mut cause = if at < HEAD { PageContent::Superblock } else { PageContent::Unused };
        let first = self.parts.partition_point(|part| part.start < at.saturating_sub(self.longest));
        let mut new = Vec::new();
        for part in self.parts[first..].iter().take_while(|part| part.start < end) {
            let (from, to) = (part.start.max(at), part.end.min(end));
            if from < to && self.differs(from, to)? {
                cause = cause.min(self.cause_of(part, from, to, &mut new)?);
            }
        }
        self.new.extend(new);
        Ok(cause)
    }

    /// Whether bytes at one offset of both differ.
    fn differs(&self, from: u64, to: u64) -> Result<bool, DiffError> {
        Ok(read_bytes(self.bytes.0, from, to - from)? != read_bytes(self.bytes.1, from, to - from)?)
    }

    fn cause_of(
        &self,
        part: &ErofsPart,
        from: u64,
        to: u64,
        new: &mut Vec<(u64, u64)>,
    ) -> Result<PageContent, DiffError> {
        let PartContent::Content { nid, size, logical, inline, former } = &part.what else {
            let directory = matches!(part.what, PartContent::Directory);
            return Ok(if directory { PageContent::Directory } else { PageContent::Inode });
        };
        let logical = logical + (from - part.start);
        let before = match former {
            Some(former) => self.former_bytes(*former, logical, to - from)?,
            None => None,
        };
        if before != Some(read_bytes(self.bytes.1, from, to - from)?) {
            new.push((*nid, *size));
            return Ok(PageContent::New);
        }
        Ok(if *inline { PageContent::Inode } else { PageContent::Moved })
    }

    /// Bytes of a file of the first; `None` where it does not have all of them.
    fn former_bytes(&self, nid: u64, logical: u64, len: u64) -> Result<Option<Vec<u8>>, DiffError> {
        let (_, mapping) = self.former.mapping(nid).map_err(DiffError::Erofs)?;
        let mut bytes = Vec::new();
        let mut at = logical;
        while at < logical + len {
            let index = mapping.runs.partition_point(|run| run.logical + run.len <= at);
            let Some(run) = mapping.runs.get(index).filter(|run| run.logical <= at) else { return Ok(None) };
            let part = (logical + len - at).min(run.logical + run.len - at);
            bytes.extend(read_bytes(self.bytes.0, run.physical + (at - run.logical), part)?);
            at += part;
        }
        Ok(Some(bytes))
    }
}

/// What all bytes of the second file system are, sorted.
fn parts(former: &ErofsSide<'_>, latter: &ErofsSide<'_>) -> Result<Vec<ErofsPart>, ErofsReadError> {
    let (mut parts, mut seen) = (Vec::new(), BTreeSet::new());
    for entry in latter.files.tree.walk() {
        let nid = latter.files.nids[entry.id.index()];
        if !seen.insert(nid) {
            continue;
        }
        let (inode, mapping) = latter.mapping(nid)?;
        let body = inode.offset + inode.inode_size + inode.xattr_size;
        let inline = mapping.runs.last().is_some_and(|run| run.physical == body);
        // A map of chunks belongs to its inode.
        let end = body + if inline { 0 } else { mapping.behind };
        parts.push(ErofsPart { start: inode.offset, end, what: PartContent::Inode });
        let node = former.files.tree.lookup(&entry.path);
        let before = node.map(|node| former.files.nids[node.index()]);
        for run in mapping.runs {
            let what = if inode.kind == ErofsFileKind::Dir {
                PartContent::Directory
            } else {
                let inline = run.physical == body;
                PartContent::Content { nid, size: inode.size, logical: run.logical, inline, former: before }
            };
            parts.push(ErofsPart { start: run.physical, end: run.physical + run.len, what });
        }
    }
    parts.sort_unstable_by_key(|part| part.start);
    Ok(parts)
}

fn read_bytes(bytes: &RangeBytes<'_>, at: u64, len: u64) -> Result<Vec<u8>, DiffError> {
    let len = len.min(bytes.size().saturating_sub(at));
    let mut buf =
        vec![0; usize::try_from(len).map_err(|_| DiffError::Partition(io::ErrorKind::OutOfMemory.into()))?];
    bytes.read_exact_at(at, &mut buf).map_err(DiffError::Partition)?;
    Ok(buf)
}
