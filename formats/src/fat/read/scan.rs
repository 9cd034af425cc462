//! The walk through a volume's directories that the reader and the checker share.
//!
//! The reader stops at the first corruption that misleads; the checker collects all and goes on as well as it can. Every
//! cluster belongs to one chain at most, so the walk ends however the volume is damaged.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::{BTreeSet, VecDeque};

use super::super::corruption::{FatFinding, VolumeCorruption, VolumeLocation};
use super::super::spec::{DEPTH_MAX, ENTRIES_MAX, ENTRY, READ_ONLY, fold};
use super::boot::{FatWidth, VolumeShape};
use super::dir::{FatEntry, FatEntryKind, entries};
use super::error::FatReadError;
use super::table::{AllocationTable, ClusterChain, ClusterRange, Used, follow};
use crate::plan::SourceId;
use crate::read_at::ReadAt;
use crate::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Origin, Segment, Tree};

/// Most findings of a report.
const FINDINGS_MAX: usize = 500;

/// Where a file or a directory is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FatAllocation {
    /// Its path without a leading `/`; empty for the root directory.
    pub path: Vec<u8>,
    /// First byte of its directory entry in the volume; the root directory has none.
    pub entry_at: Option<u64>,
    /// Length of a file in bytes; `None` for a directory.
    pub len: Option<u64>,
    /// The clusters of its content, in order.
    pub clusters: Vec<ClusterRange>,
}

/// How a corruption is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum ScanMode {
    /// Stop at one that misleads, pass over the others.
    Read,
    /// Record it and continue.
    Check,
}

/// The source and offset of the volume in the slices of the tree.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct VolumeOrigin {
    pub(in super::super) source: SourceId,
    pub(in super::super) at: u64,
}

/// The result of a walk.
pub(in super::super) struct Scanned {
    pub(in super::super) tree: Tree,
    /// Where the nodes of the tree are stored.
    pub(in super::super) allocations: Vec<FatAllocation>,
    /// The label of the root directory.
    pub(in super::super) label: Option<[u8; 11]>,
    pub(in super::super) used: Used,
    pub(in super::super) findings: Vec<FatFinding>,
}

/// A directory that is still to be walked through.
struct PendingFatDir {
    node: NodeId,
    /// First byte of its entry; the root directory has none.
    entry_at: Option<u64>,
    path: Vec<u8>,
    depth: usize,
    first: u32,
    parent: u32,
}

/// The bytes of a directory, and the clusters that hold them; none for the root area of FAT12 and FAT16.
struct DirectoryBytes {
    bytes: Vec<u8>,
    clusters: Vec<ClusterRange>,
}

/// The walk.
struct Scan<'a> {
    volume: &'a dyn ReadAt,
    shape: VolumeShape,
    origin: VolumeOrigin,
    mode: ScanMode,
    table: AllocationTable<'a>,
    out: Scanned,
    pending: VecDeque<PendingFatDir>,
}

/// Walks through a volume.
pub(in super::super) fn scan(
    volume: &dyn ReadAt,
    shape: VolumeShape,
    origin: VolumeOrigin,
    mode: ScanMode,
) -> Result<Scanned, FatReadError> {
    let tree = Tree::new(Meta::root_owned(0o755, super::super::corruption::NO_TIME));
    let node = tree.root();
    let out =
        Scanned { tree, allocations: Vec::new(), label: None, used: Used::default(), findings: Vec::new() };
    let root = PendingFatDir {
        node,
        entry_at: None,
        path: Vec::new(),
        depth: 0,
        first: shape.root_cluster,
        parent: 0,
    };
    let table = AllocationTable::new(volume, shape);
    let mut scan = Scan { volume, shape, origin, mode, table, out, pending: VecDeque::from([root]) };
    while let Some(dir) = scan.pending.pop_front() {
        scan.directory(&dir)?;
    }
    Ok(scan.out)
}

impl Scan<'_> {
    /// Handles a corruption at a path.
    fn report(&mut self, path: &[u8], corruption: VolumeCorruption) -> Result<(), FatReadError> {
        match self.mode {
            ScanMode::Read if corruption.misleads() => {
                Err(FatReadError::Damaged(Box::new(corruption.at(VolumeLocation::Path(path.to_vec())))))
            }
            ScanMode::Read => Ok(()),
            ScanMode::Check => {
                let findings = &mut self.out.findings;
                if findings.len() < FINDINGS_MAX {
                    findings.push(corruption.at(VolumeLocation::Path(path.to_vec())));
                } else if findings.len() == FINDINGS_MAX {
                    findings.push(VolumeCorruption::More { listed: FINDINGS_MAX }.at(VolumeLocation::Boot));
                }
                Ok(())
            }
        }
    }

    /// Walks through a directory.
    fn directory(&mut self, dir: &PendingFatDir) -> Result<(), FatReadError> {
        let DirectoryBytes { bytes, clusters } = self.directory_bytes(dir)?;
        let allocation =
            FatAllocation { path: dir.path.clone(), entry_at: dir.entry_at, len: None, clusters };
        let clusters = allocation.clusters.clone();
        self.out.allocations.push(allocation);
        // Nothing was readable, which is a finding already; missing entries are its consequence.
        if bytes.is_empty() {
            return Ok(());
        }
        let (entries, orphan) = entries(&bytes, self.shape.width == FatWidth::Fat32);
        if orphan {
            self.report(&dir.path, VolumeCorruption::OrphanLong)?;
        }
        self.dots(dir, &entries)?;
        let mut names = BTreeSet::new();
        let mut shorts = BTreeSet::new();
        for entry in entries {
            let path = below(&dir.path, &entry.name);
            for corruption in &entry.corruptions {
                self.report(&path, corruption.clone())?;
            }
            if entry.what == FatEntryKind::Label {
                self.label(dir, &entry)?;
            } else if !entry.is_dot() || dir.depth == 0 {
                if !shorts.insert(entry.short) {
                    self.report(&path, VolumeCorruption::SameShort { name: entry.short })?;
                }
                let at = self.entry_at(&clusters, entry.index);
                self.entry(dir, (&entry, at), path, &mut names)?;
            }
        }
        Ok(())
    }

    /// The bytes of a directory: the root of FAT12 and FAT16 has an area of its own, every other directory a chain.
    fn directory_bytes(&mut self, dir: &PendingFatDir) -> Result<DirectoryBytes, FatReadError> {
        if dir.depth == 0 && self.shape.width != FatWidth::Fat32 {
            let mut bytes = vec![0; self.shape.root_len as usize];
            self.fill(self.shape.root_at, &mut bytes)?;
            return Ok(DirectoryBytes { bytes, clusters: Vec::new() });
        }
        let cluster = self.shape.cluster;
        let most = (ENTRIES_MAX.saturating_mul(ENTRY) as u64).div_ceil(cluster);
        let ClusterChain { runs, corruption, longer, .. } = self.chain(dir.first, most)?;
        let long = longer.then_some(VolumeCorruption::LongDirectory);
        for corruption in corruption.into_iter().chain(long) {
            self.report(&dir.path, corruption)?;
        }
        let mut bytes = Vec::new();
        for ClusterRange { first, count } in &runs {
            let from = bytes.len();
            // At most 2 MiB and a cluster, as the chain is no longer.
            bytes.resize(from.saturating_add(u64::from(*count).saturating_mul(cluster) as usize), 0);
            self.fill(self.shape.offset(*first), bytes.get_mut(from..).unwrap_or_default())?;
        }
        Ok(DirectoryBytes { bytes, clusters: runs })
    }

    /// First byte in the volume of an entry of a directory that is stored in `clusters`, or in the root area of FAT12 and
    /// FAT16 where it has none.
    fn entry_at(&self, clusters: &[ClusterRange], index: usize) -> Option<u64> {
        let mut offset = (index as u64).saturating_mul(ENTRY as u64);
        if clusters.is_empty() {
            return Some(self.shape.root_at.saturating_add(offset));
        }
        for range in clusters {
            let len = u64::from(range.count).saturating_mul(self.shape.cluster);
            if offset < len {
                return Some(self.shape.offset(range.first).saturating_add(offset));
            }
            offset = offset.saturating_sub(len);
        }
        None
    }

    fn chain(&mut self, first: u32, most: u64) -> Result<ClusterChain, FatReadError> {
        follow(&mut self.table, &mut self.out.used, &self.shape, first, most)
    }

    fn fill(&self, at: u64, bytes: &mut [u8]) -> Result<(), FatReadError> {
        self.volume.read_exact_at(at, bytes).map_err(|source| FatReadError::Io { at, source })
    }

    /// Looks at `.` and `..`, which every directory but the root begins with.
    fn dots(&mut self, dir: &PendingFatDir, entries: &[FatEntry]) -> Result<(), FatReadError> {
        if dir.depth == 0 {
            return Ok(());
        }
        let expected = [(".", b".          ", dir.first), ("..", b"..         ", dir.parent)];
        for (index, (name, short, expected)) in expected.into_iter().enumerate() {
            match entries
                .get(index)
                .filter(|entry| &entry.short == short && entry.what == FatEntryKind::Directory)
            {
                None => self.report(&dir.path, VolumeCorruption::NoDot { name })?,
                Some(FatEntry { first: found, .. }) if *found != expected => {
                    self.report(&dir.path, VolumeCorruption::DotCluster { name, found: *found, expected })?;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Takes the volume's label.
    fn label(&mut self, dir: &PendingFatDir, entry: &FatEntry) -> Result<(), FatReadError> {
        if dir.depth > 0 || self.out.label.is_some() {
            return self.report(&dir.path, VolumeCorruption::StrayLabel);
        }
        self.out.label = Some(entry.short);
        Ok(())
    }

    /// Takes a file or a directory into the tree.
    fn entry(
        &mut self,
        dir: &PendingFatDir,
        (entry, entry_at): (&FatEntry, Option<u64>),
        path: Vec<u8>,
        names: &mut BTreeSet<Vec<u16>>,
    ) -> Result<(), FatReadError> {
        let Ok(name) = Name::new(&entry.name) else { return self.report(&path, VolumeCorruption::NoName) };
        let text = String::from_utf8_lossy(&entry.name);
        if !names.insert(fold(&text.encode_utf16().collect::<Vec<_>>())) {
            return self.report(&path, VolumeCorruption::SameName);
        }
        let (mode, kind) = match entry.what {
            FatEntryKind::Directory => (0o755, NodeKind::dir()),
            _ if entry.attributes & READ_ONLY != 0 => (0o444, self.file(entry, entry_at, &path)?),
            _ => (0o644, self.file(entry, entry_at, &path)?),
        };
        let node = Node { meta: Meta::root_owned(mode, entry.mtime), kind };
        let added = self.out.tree.add(dir.node, name, node);
        let Ok(id) = added else { return self.report(&path, VolumeCorruption::SameName) };
        if entry.what == FatEntryKind::Directory {
            self.enter(dir, (entry, entry_at), path, id)?;
        }
        Ok(())
    }

    /// Puts a directory among those to be walked through.
    fn enter(
        &mut self,
        dir: &PendingFatDir,
        (entry, entry_at): (&FatEntry, Option<u64>),
        path: Vec<u8>,
        node: NodeId,
    ) -> Result<(), FatReadError> {
        if entry.len != 0 {
            self.report(&path, VolumeCorruption::DirectoryLen { len: entry.len })?;
        }
        let depth = dir.depth.saturating_add(1);
        if depth > DEPTH_MAX {
            return self.report(&path, VolumeCorruption::TooDeep);
        }
        // In `..`, the root is cluster 0.
        let parent = if dir.depth == 0 { 0 } else { dir.first };
        self.pending.push_back(PendingFatDir { node, entry_at, path, depth, first: entry.first, parent });
        Ok(())
    }

    /// A file with its content.
    fn file(
        &mut self,
        entry: &FatEntry,
        entry_at: Option<u64>,
        path: &[u8],
    ) -> Result<NodeKind, FatReadError> {
        let clusters = self.file_clusters(entry, path)?;
        let len = u64::from(entry.len);
        let content = self.slices(&clusters, len);
        let path = path.to_vec();
        self.out.allocations.push(FatAllocation { path, entry_at, len: Some(len), clusters });
        Ok(NodeKind::File(content))
    }

    /// The clusters of a file.
    fn file_clusters(&mut self, entry: &FatEntry, path: &[u8]) -> Result<Vec<ClusterRange>, FatReadError> {
        let len = entry.len;
        let cluster = self.shape.cluster;
        if len == 0 && entry.first == 0 {
            return Ok(Vec::new());
        }
        let needed = u64::from(len).div_ceil(cluster);
        let ClusterChain { runs, clusters, corruption, longer } = self.chain(entry.first, needed)?;
        let available = clusters.saturating_mul(cluster);
        if let Some(corruption) = corruption {
            self.report(path, corruption)?;
        } else if clusters < needed {
            self.report(path, VolumeCorruption::ChainTooShort { len, available })?;
        } else if longer {
            self.report(path, VolumeCorruption::ChainTooLong { len })?;
        }
        Ok(runs)
    }

    /// Runs of clusters as slices of the source.
    fn slices(&self, runs: &[ClusterRange], len: u64) -> Content {
        let source = self.origin.source;
        let mut segments = Vec::with_capacity(runs.len());
        let mut offset = 0_u64;
        for run in runs {
            let bytes =
                u64::from(run.count).saturating_mul(self.shape.cluster).min(len.saturating_sub(offset));
            let at = self.origin.at.saturating_add(self.shape.offset(run.first));
            if bytes > 0 {
                segments.push(Segment { offset, len: bytes, origin: Origin::Slice { source, at } });
            }
            offset = offset.saturating_add(bytes);
        }
        match segments.as_slice() {
            [] if len == 0 => Content::empty(),
            [Segment { len: whole, origin: Origin::Slice { at, .. }, .. }] if *whole == len => {
                Content::Slice { source, at: *at, len }
            }
            _ => Content::Sparse { len, segments: segments.into() },
        }
    }
}

/// The path of a name in a directory.
fn below(path: &[u8], name: &[u8]) -> Vec<u8> {
    let mut below = path.to_vec();
    if !below.is_empty() {
        below.push(b'/');
    }
    below.extend_from_slice(name);
    below
}
