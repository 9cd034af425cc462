//! EROFS checker: every inode that a name leads to, the bytes that it claims, and the counts.
//!
//! The format has no maps of what is used, so an inode without a name cannot be seen. It knows the reader and nothing of the
//! writer.

use std::collections::BTreeMap;

use super::read::{
    self, ByteClaims, ByteMapping, ErofsCorruption, ErofsCorruptionSink, ErofsDefect, ErofsDirEntry,
    ErofsFileKind, ErofsFileSystem, ErofsInode, ErofsLocation, ErofsReadError, tree,
};
use super::spec::{SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE, layout};
use crate::finding::Severity;
use crate::read_at::ReadAt;

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{corruption}")]
#[non_exhaustive]
pub struct ErofsFinding {
    /// How bad.
    pub severity: Severity,
    /// The corruption with its location.
    pub corruption: ErofsCorruption,
}

/// The findings of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErofsCheckReport {
    /// The findings, in the order of the check; at most [`ErofsCheckReport::MOST`].
    pub findings: Vec<ErofsFinding>,
    /// Findings beyond those.
    pub more: u64,
}

impl ErofsCheckReport {
    /// Most findings that a report keeps.
    pub const MOST: usize = 10_000;

    /// Whether there is no finding.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    fn push(&mut self, severity: Severity, corruption: ErofsCorruption) {
        if self.findings.len() < Self::MOST {
            self.findings.push(ErofsFinding { severity, corruption });
        } else {
            self.more += 1;
        }
    }
}

impl ErofsCorruptionSink for ErofsCheckReport {
    fn report(&mut self, corruption: ErofsCorruption) -> Result<(), ErofsReadError> {
        self.push(Severity::Damage, corruption);
        Ok(())
    }
}

/// Checks the file system that begins at the first byte of `image`.
///
/// # Errors
/// [`ErofsReadError`] when there is none that could be checked: unknown features, impossible block size, a medium that fails.
pub fn check<R: ReadAt + ?Sized>(image: &R) -> Result<ErofsCheckReport, ErofsReadError> {
    let mut report = ErofsCheckReport::default();
    let file_system = read::open_reporting(image, &mut report)?;
    let mut run = ErofsCheckRun {
        file_system: &file_system,
        report,
        claims: ByteClaims::default(),
        content: Vec::new(),
        inodes: BTreeMap::new(),
        shared: 0,
        pending: Vec::new(),
    };
    run.claims.take(0, SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE as u64, ErofsLocation::Superblock);
    run.root()?;
    while let Some(dir) = run.pending.pop() {
        run.directory(&dir)?;
    }
    run.links();
    run.overlaps();
    run.counts();
    Ok(run.report)
}

/// What is known of an inode.
#[derive(Debug, Clone, Copy)]
struct ErofsKnownInode {
    kind: ErofsFileKind,
    offset: u64,
    /// Its link count.
    links: u32,
    /// Links that were found: names, and of a directory `.` and the `..` of those in it.
    found: u32,
}

/// A directory whose entries are still to be read.
struct PendingDir {
    inode: ErofsInode,
    mapping: ByteMapping,
    parent: u64,
}

/// Bytes of content.
struct ContentClaim {
    start: u64,
    end: u64,
    nid: u64,
    offset: u64,
    /// Whether it is a chunk, which other files may share.
    chunk: bool,
}

/// A check under way.
struct ErofsCheckRun<'c, 'a, R: ?Sized> {
    file_system: &'c ErofsFileSystem<'a, R>,
    report: ErofsCheckReport,
    /// Metadata.
    claims: ByteClaims,
    content: Vec<ContentClaim>,
    /// Inodes met; without what is known where they are damaged.
    inodes: BTreeMap<u64, Option<ErofsKnownInode>>,
    shared: u64,
    pending: Vec<PendingDir>,
}

impl<R: ReadAt + ?Sized> ErofsCheckRun<'_, '_, R> {
    /// Takes a corruption that ended the reading of something as a finding.
    fn reported<T>(&mut self, result: Result<T, ErofsReadError>) -> Result<Option<T>, ErofsReadError> {
        match result {
            Ok(read) => Ok(Some(read)),
            Err(ErofsReadError::Corrupt(corruption)) => {
                self.report.push(Severity::Damage, corruption);
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    fn root(&mut self) -> Result<(), ErofsReadError> {
        let nid = self.file_system.superblock().root_nid;
        let Some(kind) = self.meet(nid, nid)? else { return Ok(()) };
        if kind != ErofsFileKind::Dir {
            let why = ErofsDefect::Value {
                field: "type of the root",
                found: kind.entry_byte().into(),
                expected: ErofsFileKind::Dir.entry_byte().into(),
            };
            let location = ErofsLocation::Inode { nid };
            self.report.push(Severity::Damage, ErofsCorruption { location, offset: SUPERBLOCK_OFFSET, why });
        }
        Ok(())
    }

    /// Reads an inode that is met for the first time; its kind, if it is not damaged.
    fn meet(&mut self, nid: u64, parent: u64) -> Result<Option<ErofsFileKind>, ErofsReadError> {
        self.inodes.insert(nid, None);
        let read = self.file_system.inode_reporting(nid, &mut self.report);
        let Some(inode) = self.reported(read)? else { return Ok(None) };
        let known = ErofsKnownInode { kind: inode.kind, offset: inode.offset, links: inode.links, found: 0 };
        self.inodes.insert(nid, Some(known));
        let read = self.file_system.mapping_reporting(&inode, &mut self.claims, &mut self.report);
        let Some(mapping) = self.reported(read)? else { return Ok(Some(inode.kind)) };
        let read = self.file_system.xattrs_reporting(&inode, &mut self.shared, &mut self.report);
        self.reported(read)?;
        match inode.kind {
            ErofsFileKind::Dir => self.pending.push(PendingDir { inode: inode.clone(), mapping, parent }),
            ErofsFileKind::Symlink => {
                let what = "the target of the link";
                if tree::take_blocks(&inode, &mapping, &mut self.claims, what, &mut self.report)? {
                    tree::target(self.file_system, &inode, &mapping, &mut self.report)?;
                }
            }
            ErofsFileKind::File => self.content(&inode, &mapping),
            _ => {}
        }
        Ok(Some(inode.kind))
    }

    /// Claims the blocks of a file.
    fn content(&mut self, inode: &ErofsInode, mapping: &ByteMapping) {
        let block = u64::from(self.file_system.superblock().block_size);
        for run in mapping.runs.iter().filter(|run| run.physical != inode.body()) {
            self.content.push(ContentClaim {
                start: run.physical,
                end: (run.physical + run.len).next_multiple_of(block),
                nid: inode.nid,
                offset: inode.offset,
                chunk: inode.layout == layout::CHUNK,
            });
        }
    }

    fn directory(&mut self, dir: &PendingDir) -> Result<(), ErofsReadError> {
        let (inode, mapping) = (&dir.inode, &dir.mapping);
        let what = "a block of the directory";
        if !tree::take_blocks(inode, mapping, &mut self.claims, what, &mut self.report)? {
            return Ok(());
        }
        for entry in self.file_system.entries_reporting(inode, mapping, &mut self.report)? {
            if !entry.is_dots() {
                self.entry(inode.nid, &entry)?;
                continue;
            }
            self.type_byte(inode.nid, &entry, ErofsFileKind::Dir);
            let expected = if entry.name.len() == 1 { inode.nid } else { dir.parent };
            if entry.nid != expected {
                let why = ErofsDefect::Entry { name: entry.name.clone(), found: entry.nid, expected };
                self.report.push(Severity::Damage, entry.corruption(inode.nid, why));
            }
        }
        Ok(())
    }

    fn entry(&mut self, dir: u64, entry: &ErofsDirEntry) -> Result<(), ErofsReadError> {
        let kind = match self.inodes.get(&entry.nid) {
            None => self.meet(entry.nid, dir)?,
            Some(known) => {
                let kind = known.map(|known| known.kind);
                if kind == Some(ErofsFileKind::Dir) {
                    let why = ErofsDefect::SecondName { nid: entry.nid, name: entry.name.clone() };
                    self.report.push(Severity::Damage, entry.corruption(dir, why));
                    return Ok(());
                }
                kind
            }
        };
        let Some(kind) = kind else { return Ok(()) };
        self.type_byte(dir, entry, kind);
        self.count(entry.nid);
        if kind == ErofsFileKind::Dir {
            self.count(dir);
        }
        Ok(())
    }

    fn count(&mut self, nid: u64) {
        if let Some(Some(known)) = self.inodes.get_mut(&nid) {
            known.found = known.found.saturating_add(1);
        }
    }

    fn type_byte(&mut self, dir: u64, entry: &ErofsDirEntry, kind: ErofsFileKind) {
        let (found, expected) = (entry.file_type, kind.entry_byte());
        if found != expected {
            let why = ErofsDefect::FileType { name: entry.name.clone(), found, expected };
            self.report.push(Severity::Damage, entry.corruption(dir, why));
        }
    }

    /// Link counts against names.
    fn links(&mut self) {
        let root = self.file_system.superblock().root_nid;
        for (&nid, known) in &self.inodes {
            let Some(known) = known else { continue };
            // A directory has its name, `.`, and the `..` of each in it; the root has `..` for a name.
            let own = u32::from(known.kind == ErofsFileKind::Dir) + u32::from(nid == root);
            let expected = u64::from(known.found) + u64::from(own);
            if u64::from(known.links) != expected {
                let why = ErofsDefect::Value { field: "i_nlink", found: known.links.into(), expected };
                let location = ErofsLocation::Inode { nid };
                self.report.push(Severity::Damage, ErofsCorruption { location, offset: known.offset, why });
            }
        }
    }

    /// Content that overlaps with metadata, or with content that is not in chunks. Chunks of one content may be shared.
    fn overlaps(&mut self) {
        let mut content = std::mem::take(&mut self.content);
        content.sort_unstable_by_key(|claim| (claim.start, claim.end, claim.nid));
        // The claims that reach furthest so far, of all and of those that are not in chunks.
        let (mut all, mut alone): (Option<&ContentClaim>, Option<&ContentClaim>) = (None, None);
        for claim in &content {
            let against = if claim.chunk { alone } else { all };
            let metadata = self.claims.owner(claim.start, claim.end);
            let other = against.filter(|before| claim.start < before.end);
            let other = other.map(|before| ErofsLocation::Inode { nid: before.nid }).or(metadata);
            if let Some(other) = other {
                let (at, end) = (claim.start, claim.end);
                let why = ErofsDefect::Overlap { what: "the content", at, end, other };
                let location = ErofsLocation::Inode { nid: claim.nid };
                self.report.push(Severity::Damage, ErofsCorruption { location, offset: claim.offset, why });
            }
            let further = |before: Option<&ContentClaim>| before.is_none_or(|before| claim.end > before.end);
            all = if further(all) { Some(claim) } else { all };
            alone = if !claim.chunk && further(alone) { Some(claim) } else { alone };
        }
    }

    /// The number of inodes.
    fn counts(&mut self) {
        let (found, expected) = (self.file_system.superblock().inodes, self.inodes.len() as u64);
        // Only statfs(2) shows it.
        if found != expected {
            let why = ErofsDefect::Value { field: "inos", found, expected };
            let location = ErofsLocation::Superblock;
            self.report.push(Severity::Oddity, ErofsCorruption { location, offset: SUPERBLOCK_OFFSET, why });
        }
    }
}
