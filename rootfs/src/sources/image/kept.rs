//! A disk that is kept: its partitions with their files, and where each byte of it is among the blobs.
//!
//! Contents of its files refer to blobs as those of the source do, so a file of the image that nothing has changed is known
//! again without a look at its bytes.

use amiforge_formats::arch::Arch;
use amiforge_formats::gpt;
use amiforge_formats::guid::Guid;
use amiforge_formats::mbr;
use amiforge_formats::plan::{Claims, Data, SourceId, Sources};
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::tree::{Content, NodeKind, Origin, Segment, Tree};
use amiforge_formats::volume::VolumeContent;

use super::error::DiskSourceError;
use super::placed::{PlacedDisk, content};
use super::shell_arch::arch;
use super::volumes::DiskVolumes;

/// Bytes of code in the first sector of a disk (UEFI 2.10, section 5.2.1).
const CODE: usize = 440;

/// A disk that is kept.
#[derive(Debug)]
pub struct KeptDisk {
    /// Its length in bytes.
    pub size: u64,
    /// Its GUID.
    pub guid: Guid,
    /// Its partitions, by their first bytes.
    pub parts: Vec<KeptPart>,
    /// The architecture of its programs, if it is one that images are built for.
    pub arch: Option<Arch>,
    /// Whether its first sector has code for a legacy BIOS.
    pub code: bool,
    runs: KeptRuns,
}

/// Ranges of a disk with bytes, sorted and disjoint; the rest is zeros.
#[derive(Debug, Default)]
struct KeptRuns(Vec<KeptRun>);

/// A partition of a disk that is kept.
#[derive(Debug)]
pub struct KeptPart {
    /// Its entry in the table.
    pub entry: gpt::Partition,
    /// First byte on the disk.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// What it holds.
    pub content: VolumeContent,
    /// UUID or volume id, if it has one that is read.
    pub id: Option<String>,
    /// Where the image mounts it, if it does.
    pub mount: Option<String>,
    /// Its files, if it has some that are read.
    pub tree: Option<Tree>,
}

/// A range of the disk with its bytes among the blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct KeptRun {
    start: u64,
    len: u64,
    source: SourceId,
    at: u64,
}

/// The file systems of a disk as they are read before they are mounted into one tree: id and files of each partition.
pub(super) type VolumeTrees = Vec<Option<(Option<String>, Option<Tree>)>>;

/// Reads every file system of a disk. One that cannot be read is none: only what the image mounts has to be.
pub(super) fn trees(volumes: &mut DiskVolumes<'_>) -> VolumeTrees {
    let count = volumes.parts.len();
    let read = |index| volumes.volume(index).ok().map(|volume| (volume.id.clone(), volume.tree.clone()));
    (0..count).map(read).collect()
}

impl KeptDisk {
    /// The disk of `volumes`, whose bytes are `placed` among the blobs, and whose partitions have `mounts` by their index.
    ///
    /// # Errors
    /// [`DiskSourceError::NotKept`] for one without a GPT.
    pub(super) fn read(
        volumes: &DiskVolumes<'_>,
        trees: VolumeTrees,
        mounts: &[(usize, String)],
        placed: &PlacedDisk,
        (tree, sources): (&Tree, &dyn Sources),
    ) -> Result<Self, DiskSourceError> {
        let disk = volumes.disk.reader();
        let Ok(table) = gpt::read::read(disk).map(|reading| reading.table) else {
            let found = if mbr::read(disk)?.is_some() { "an MBR" } else { "no partition table" };
            return Err(DiskSourceError::NotKept { found });
        };
        let mut code = [0; CODE];
        disk.read_exact_at(0, &mut code).map_err(DiskSourceError::Read)?;
        let runs = runs(volumes, placed)?;
        let mut parts = Vec::with_capacity(trees.len());
        for ((index, entry), read) in table.partitions.into_iter().enumerate().zip(trees) {
            let part = &volumes.parts[index];
            let (id, files) = read.unwrap_or_default();
            parts.push(KeptPart {
                entry,
                start: part.start,
                len: part.len,
                content: part.content,
                id,
                mount: mounts.iter().find(|(mounted, _)| *mounted == index).map(|(_, point)| point.clone()),
                tree: files.map(|files| placed_tree(files, part.start, &runs)),
            });
        }
        parts.sort_by_key(|part| part.start);
        Ok(Self {
            size: disk.size(),
            guid: table.guid,
            parts,
            arch: arch(tree, sources),
            code: code != [0; CODE],
            runs,
        })
    }

    /// The bytes of the disk.
    pub fn bytes<'a>(&'a self, sources: &'a dyn Sources) -> KeptBytes<'a> {
        KeptBytes { disk: self, sources }
    }

    /// Claims a range of the disk at `to`, as it is.
    pub fn claim(&self, (start, len): (u64, u64), to: u64, claims: &mut Claims) {
        let end = start.saturating_add(len);
        let mut done = start;
        for run in self.runs.within(start, end) {
            claims.claim(to + (done - start), run.start - done, Data::Zero);
            let data = Data::Slice { source: run.source, at: run.at };
            claims.claim(to + (run.start - start), run.len, data);
            done = run.start + run.len;
        }
        claims.claim(to + (done - start), end - done, Data::Zero);
    }
}

impl KeptRuns {
    /// The runs within a range, clipped to it.
    fn within(&self, start: u64, end: u64) -> impl Iterator<Item = KeptRun> + '_ {
        let first = self.0.partition_point(|run| run.start + run.len <= start);
        self.0[first..].iter().take_while(move |run| run.start < end).map(move |run| {
            let skip = start.saturating_sub(run.start);
            let from = run.start + skip;
            KeptRun { start: from, len: (run.start + run.len).min(end) - from, at: run.at + skip, ..*run }
        })
    }
}

/// The bytes of a kept disk, read from the blobs.
pub struct KeptBytes<'a> {
    disk: &'a KeptDisk,
    sources: &'a dyn Sources,
}

impl ReadAt for KeptBytes<'_> {
    fn size(&self) -> u64 {
        self.disk.size
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).filter(|end| *end <= self.disk.size);
        let end = end.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        buf.fill(0);
        for run in self.disk.runs.within(offset, end) {
            let from = (run.start - offset) as usize;
            self.sources.read_exact_at(run.source, run.at, &mut buf[from..from + run.len as usize])?;
        }
        Ok(())
    }
}

/// A tree with contents among the blobs; those of its reader are slices that count from the first byte of the partition,
/// which is `start` on the disk.
fn placed_tree(mut tree: Tree, start: u64, runs: &KeptRuns) -> Tree {
    let mut seen = vec![false; tree.capacity()];
    let files: Vec<_> = tree.walk().map(|entry| entry.id).collect();
    for id in files {
        if std::mem::replace(&mut seen[id.index()], true) {
            continue;
        }
        if let NodeKind::File(own) = &mut tree.node_mut(id).kind {
            *own = placed_content(own, start, runs);
        }
    }
    tree
}

/// The content of a file among the blobs.
fn placed_content(own: &Content, start: u64, runs: &KeptRuns) -> Content {
    let mut segments: Vec<Segment> = Vec::new();
    for segment in own.segments() {
        let Origin::Slice { at, .. } = segment.origin else {
            segments.push(segment);
            continue;
        };
        let from = start.saturating_add(at);
        for run in runs.within(from, from.saturating_add(segment.len)) {
            let origin = Origin::Slice { source: run.source, at: run.at };
            push(
                &mut segments,
                Segment { offset: segment.offset + (run.start - from), len: run.len, origin },
            );
        }
    }
    content(own.len(), segments)
}

/// The ranges of the disk that have bytes.
fn runs(volumes: &DiskVolumes<'_>, placed: &PlacedDisk) -> Result<KeptRuns, DiskSourceError> {
    let disk = volumes.disk.reader();
    let mut runs: Vec<KeptRun> = Vec::new();
    let mut from = 0;
    while let Some(data) = disk.data_from(from, disk.size()).map_err(DiskSourceError::Read)? {
        from = data.end;
        volumes.disk.runs(data, |run| {
            let Some((source, at)) = placed.at(&run) else { return };
            let next = KeptRun { start: run.start, len: run.len, source, at };
            match runs.last_mut().filter(|last| last.is_before(&next)) {
                Some(last) => last.len += next.len,
                None => runs.push(next),
            }
        })?;
    }
    Ok(KeptRuns(runs))
}

impl KeptRun {
    /// Whether another run continues this one, on the disk and in the source.
    fn is_before(&self, next: &Self) -> bool {
        self.start + self.len == next.start && self.source == next.source && self.at + self.len == next.at
    }
}

/// Appends a segment, joined with the one before it where that is of the same range.
fn push(segments: &mut Vec<Segment>, next: Segment) {
    if let (Some(last), Origin::Slice { source, at }) = (segments.last_mut(), &next.origin)
        && let Origin::Slice { source: other, at: before } = last.origin
        && last.offset + last.len == next.offset
        && (other, before + last.len) == (*source, *at)
    {
        last.len += next.len;
    } else {
        segments.push(next);
    }
}
