//! Where the contents of the files of a disk are: ranges of its file where that holds them as they are, ranges of an entry
//! of the store where they are compressed. Every range of the disk is unpacked once, however many files share it.

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::SourceId;
use amiforge_formats::tree::{Content, NodeId, NodeKind, Origin, Segment, Tree};
use amiforge_store::blobs::Blobs;
use amiforge_store::deferred::Deferred;

use super::error::DiskSourceError;
use super::open::{DiskPlace, DiskRun, OpenDisk};
use super::placed::{PlacedDisk, Spool, content};
use super::spool::spool;
use super::volumes::DiskVolumes;
use crate::sources::SourceError;
use crate::sources::archive::Opening;
use crate::sources::expand::Bounds;

/// A file with where its bytes are: offset in the file and range of the disk.
struct PlacedFile {
    node: NodeId,
    len: u64,
    runs: Vec<(u64, DiskRun)>,
}

/// Rewrites the contents of a tree so that they refer to blobs. `file` is the disk's file among the blobs, `identity` its
/// digest and length where it may be needed. Of a `whole` disk that is kept, what no file uses is unpacked, too.
///
/// # Errors
/// When the container is damaged, or its files cannot be unpacked into the store.
pub(super) fn place(
    tree: &mut Tree,
    volumes: &DiskVolumes<'_>,
    file: SourceId,
    identity: &mut dyn FnMut() -> Result<(Digest, u64), SourceError>,
    opening: &Opening<'_>,
    (blobs, deferred): (&mut Blobs, &mut Deferred),
    whole: bool,
) -> Result<PlacedDisk, SourceError> {
    let files = placed(tree, volumes)?;
    let packed = if whole { all_packed(volumes.disk)? } else { packed_ranges(&files) };
    let spool = if packed.is_empty() {
        None
    } else {
        Some(unpacked(&packed, volumes.disk, identity()?, opening, (blobs, deferred))?)
    };
    for placed in files {
        let segments = segments(&placed, file, spool.as_ref());
        tree.node_mut(placed.node).kind = NodeKind::File(content(placed.len, segments));
    }
    Ok(PlacedDisk { file, spool })
}

/// The contents of the files of a disk that are each one range of its file: first byte and length, sorted, each once.
///
/// # Errors
/// When the container is damaged.
pub(super) fn whole_contents(
    tree: &Tree,
    volumes: &DiskVolumes<'_>,
) -> Result<Vec<(u64, u64)>, DiskSourceError> {
    let mut ranges = Vec::new();
    for file in placed(tree, volumes)? {
        // Compressed ranges are left out, so what has some is not whole.
        let segments = segments(&file, SourceId(0), None);
        if let Content::Slice { at, len, .. } = content(file.len, segments) {
            ranges.push((at, len));
        }
    }
    ranges.sort_unstable();
    ranges.dedup();
    Ok(ranges)
}

/// The compressed ranges of a disk.
fn all_packed(disk: &OpenDisk) -> Result<Vec<(u64, u64)>, DiskSourceError> {
    let mut ranges = Vec::new();
    disk.runs(0..disk.reader().size(), |run| {
        if run.place == DiskPlace::Packed {
            ranges.push((run.start, run.start + run.len));
        }
    })?;
    Ok(joined(ranges))
}

/// Every file of the tree that has bytes on the disk, once.
fn placed(tree: &Tree, volumes: &DiskVolumes<'_>) -> Result<Vec<PlacedFile>, DiskSourceError> {
    let mut seen = vec![false; tree.capacity()];
    let mut files = Vec::new();
    for entry in tree.walk() {
        if std::mem::replace(&mut seen[entry.id.index()], true) {
            continue;
        }
        let NodeKind::File(content) = &tree.node(entry.id).kind else { continue };
        let mut runs = Vec::new();
        for segment in content.segments() {
            let Origin::Slice { source, at } = segment.origin else { continue };
            let Some(part) = volumes.parts.get(source.0 as usize) else { continue };
            let start = part.start.saturating_add(at);
            let shift = segment.offset;
            let range = start..start.saturating_add(segment.len);
            volumes.disk.runs(range, |run| runs.push((shift + (run.start - start), run)))?;
        }
        if !runs.is_empty() {
            files.push(PlacedFile { node: entry.id, len: content.len(), runs });
        }
    }
    Ok(files)
}

/// The compressed ranges of the disk that files use: sorted, disjoint, those that adjoin joined.
fn packed_ranges(files: &[PlacedFile]) -> Vec<(u64, u64)> {
    let runs = files.iter().flat_map(|file| &file.runs).map(|(_, run)| run);
    let packed = runs.filter(|run| run.place == DiskPlace::Packed);
    joined(packed.map(|run| (run.start, run.start + run.len)).collect())
}

/// Ranges sorted, those that adjoin or overlap joined.
fn joined(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (start, end) in ranges {
        match joined.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => joined.push((start, end)),
        }
    }
    joined
}

/// Unpacks ranges of the disk into an entry of the store, or takes the one that is there.
fn unpacked(
    ranges: &[(u64, u64)],
    disk: &OpenDisk,
    (digest, size): (Digest, u64),
    opening: &Opening<'_>,
    (blobs, deferred): (&mut Blobs, &mut Deferred),
) -> Result<Spool, SourceError> {
    let mut text = format!("files of a disk image\n{digest}\n").into_bytes();
    let mut placed = Vec::with_capacity(ranges.len());
    let mut total = 0u64;
    for (start, end) in ranges {
        placed.push((*start, *end, total));
        total = total.saturating_add(end - start);
        text.extend([start.to_le_bytes(), end.to_le_bytes()].concat());
    }
    let bound = Bounds::default().of(size);
    if total > bound {
        return Err(DiskSourceError::Bomb { packed: size, bound }.into());
    }
    let key = Digest::of(&text);
    let entry = if let Some(entry) = opening.store.find(key, size)? {
        deferred.check_open_entry(&entry)?;
        entry
    } else {
        let mut spooling = opening.store.create_entry()?;
        opening.monitor.progress.begin("unpacking the files of the image", Some(total));
        spool(ranges, disk, &mut spooling, opening.monitor)?;
        let (entry, naming) = spooling.finish(key, size)?;
        deferred.rename(naming);
        entry
    };
    let source = blobs.add_entry(entry.file, &entry.path);
    Ok(Spool { source, ranges: placed })
}

/// The segments of a file, those that adjoin joined.
fn segments(file: &PlacedFile, source: SourceId, spool: Option<&Spool>) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for (offset, run) in &file.runs {
        let (source, at) = match (run.place, spool) {
            (DiskPlace::File(at), _) => (source, at),
            (DiskPlace::Packed, Some(spool)) => (spool.source, spool.place(run.start)),
            (DiskPlace::Packed, None) | (DiskPlace::Zeros, _) => continue,
        };
        if let Some(last) = segments.last_mut()
            && let Origin::Slice { source: other, at: before } = last.origin
            && last.offset + last.len == *offset
            && (other, before + last.len) == (source, at)
        {
            last.len += run.len;
        } else {
            segments.push(Segment { offset: *offset, len: run.len, origin: Origin::Slice { source, at } });
        }
    }
    segments
}
