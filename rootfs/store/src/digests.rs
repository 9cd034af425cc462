//! Digests of the contents of files, which SBOMs name: taken once, while a core is idle, and known from then on; layers
//! keep them too. How a digest is computed is [`crate::hash`]'s.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{Content, NodeKind, Origin, Tree};
use amiforge_progress::CancelToken;

use crate::blobs::{Blobs, ContentPiece};
use crate::hash::{CHUNK, FileDigests, FileHasher};

/// Bytes that are read at a time.
const STEP: u64 = CHUNK as u64;

/// Pieces with their digests.
type TakenDigests = Vec<(ContentPiece, FileDigests)>;

/// The digests of a content: the known ones, or else taken now.
///
/// # Errors
/// When the content cannot be read.
pub fn of(content: &Content, blobs: &Blobs) -> io::Result<FileDigests> {
    if let Some(known) = piece(content).and_then(|piece| blobs.digests(piece)) {
        return Ok(known);
    }
    let mut hasher = FileHasher::default();
    each_part(content, blobs, |part| hasher.update(part))?;
    Ok(hasher.finish())
}

/// The digests of a content if they are known; nothing is read.
pub fn known(content: &Content, blobs: &Blobs) -> Option<FileDigests> {
    piece(content).and_then(|piece| blobs.digests(piece))
}

/// The piece that a content is, if it is one piece of a source.
pub fn piece(content: &Content) -> Option<ContentPiece> {
    match content {
        Content::Slice { source, at, len } => Some((*source, *at, *len)),
        _ => None,
    }
}

/// Calls `take` with the bytes of a content in order, at most 1 MiB at a time, holes as zeros.
///
/// # Errors
/// When the content cannot be read.
pub fn each_part(content: &Content, sources: &dyn Sources, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut done = 0;
    for segment in content.segments() {
        zeros(segment.offset.saturating_sub(done), &mut take);
        done = segment.offset + segment.len;
        match &segment.origin {
            Origin::Inline { bytes, at } => {
                let part = bytes.get(*at..).and_then(|rest| rest.get(..segment.len as usize));
                take(part.ok_or(io::ErrorKind::InvalidData)?);
            }
            Origin::Slice { source, at } => {
                each_step(segment.len, |from, part| {
                    sources.read_exact_at(*source, at + from, part)?;
                    take(part);
                    Ok(())
                })?;
            }
        }
    }
    zeros(content.len().saturating_sub(done), &mut take);
    Ok(())
}

fn zeros(len: u64, take: &mut impl FnMut(&[u8])) {
    let empty = vec![0; len.min(STEP) as usize];
    let mut left = len;
    while left > 0 {
        let step = left.min(STEP);
        take(&empty[..step as usize]);
        left -= step;
    }
}

/// Calls `step` with a buffer for each step of `len` bytes, and the offset at which the step begins.
fn each_step(len: u64, mut step: impl FnMut(u64, &mut [u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; len.min(STEP) as usize];
    let mut from = 0;
    while from < len {
        let part = &mut buffer[..(len - from).min(STEP) as usize];
        step(from, part)?;
        from += part.len() as u64;
    }
    Ok(())
}

/// Takes the digests of all files of a tree whose content is one piece of a source and whose digests are not known, on
/// all processors.
///
/// # Errors
/// When a content cannot be read.
pub fn take(tree: &Tree, blobs: &mut Blobs) -> io::Result<()> {
    let missing = missing(tree, blobs);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let share = missing.len().div_ceil(workers).max(1);
    let read = &*blobs;
    let one = |piece: &ContentPiece| {
        let content = Content::Slice { source: piece.0, at: piece.1, len: piece.2 };
        of(&content, read).map(|digests| (*piece, digests))
    };
    let taken: Vec<io::Result<TakenDigests>> = std::thread::scope(|scope| {
        let shares = missing.chunks(share);
        let running: Vec<_> =
            shares.map(|pieces| scope.spawn(move || pieces.iter().map(one).collect())).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(panicked()))).collect()
    });
    for share in taken {
        for (piece, digests) in share? {
            blobs.set_digests(piece, digests);
        }
    }
    Ok(())
}

/// The pieces of a tree's files whose digests are not known, ordered by source and offset.
fn missing(tree: &Tree, blobs: &Blobs) -> Vec<ContentPiece> {
    let files = tree.walk().filter_map(|entry| match &tree.node(entry.id).kind {
        NodeKind::File(content) => piece(content),
        _ => None,
    });
    let mut missing: Vec<ContentPiece> = files.filter(|piece| blobs.digests(*piece).is_none()).collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}

/// Takes the digests of ranges of a file, each its first byte and its length, on `workers` threads; in the order of the call.
///
/// # Errors
/// When a range cannot be read, and [`io::ErrorKind::Interrupted`] when it is cancelled.
pub fn of_ranges(
    file: &File,
    ranges: &[(u64, u64)],
    workers: usize,
    cancel: &CancelToken,
) -> io::Result<Vec<FileDigests>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut taken = Vec::new();
        let mut buffer = vec![0; CHUNK];
        let mut number = next.fetch_add(1, Ordering::Relaxed);
        while let Some(range) = ranges.get(number) {
            taken.push((number, of_range(file, *range, &mut buffer, cancel)?));
            number = next.fetch_add(1, Ordering::Relaxed);
        }
        io::Result::Ok(taken)
    };
    let mut all: Vec<(usize, FileDigests)> = Vec::with_capacity(ranges.len());
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..workers.max(1)).map(|_| scope.spawn(work)).collect();
        for thread in running {
            all.append(&mut thread.join().unwrap_or_else(|_| Err(panicked()))?);
        }
        io::Result::Ok(())
    })?;
    all.sort_unstable_by_key(|(number, _)| *number);
    Ok(all.into_iter().map(|(_, digests)| digests).collect())
}

/// The digests of `len` bytes of a file from `at` on.
fn of_range(
    file: &File,
    (at, len): (u64, u64),
    buffer: &mut [u8],
    cancel: &CancelToken,
) -> io::Result<FileDigests> {
    let mut hasher = FileHasher::default();
    let mut from = 0;
    while from < len {
        if cancel.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let part = &mut buffer[..(len - from).min(STEP) as usize];
        file.read_exact_at(part, at + from)?;
        hasher.update(part);
        from += part.len() as u64;
    }
    Ok(hasher.finish())
}

fn panicked() -> io::Error {
    io::Error::other("a thread that takes digests ended early")
}

/// Digests that are being taken on a thread of their own. Dropped, it is cancelled.
#[derive(Debug)]
pub struct BackgroundDigests {
    cancel: CancelToken,
    thread: Option<JoinHandle<io::Result<TakenDigests>>>,
}

impl BackgroundDigests {
    /// Starts on every file of a tree whose content is one piece of a source and whose digests are not known.
    pub fn start(tree: &Tree, blobs: &Blobs) -> Self {
        let missing = missing(tree, blobs).into_iter();
        let missing: Vec<(ContentPiece, PathBuf)> =
            missing.filter_map(|piece| Some((piece, blobs.path(piece.0)?.to_owned()))).collect();
        let cancel = CancelToken::new();
        let token = cancel.clone();
        Self { cancel, thread: Some(std::thread::spawn(move || take_all(&missing, &token))) }
    }

    /// Waits for the rest and records them in `blobs`.
    ///
    /// # Errors
    /// When a content cannot be read.
    pub fn join(mut self, blobs: &mut Blobs) -> io::Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        for (piece, digests) in thread.join().unwrap_or_else(|_| Err(panicked()))? {
            blobs.set_digests(piece, digests);
        }
        Ok(())
    }
}

impl Drop for BackgroundDigests {
    fn drop(&mut self) {
        self.cancel.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn take_all(pieces: &[(ContentPiece, PathBuf)], cancel: &CancelToken) -> io::Result<TakenDigests> {
    let mut open: Option<(&Path, File)> = None;
    let mut taken = Vec::with_capacity(pieces.len());
    let mut buffer = vec![0; CHUNK];
    for (piece, path) in pieces {
        if open.as_ref().is_none_or(|(opened, _)| opened != path) {
            open = Some((path, File::open(path)?));
        }
        let Some((_, file)) = &open else { continue };
        taken.push((*piece, of_range(file, (piece.1, piece.2), &mut buffer, cancel)?));
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use amiforge_formats::digest::Digest;
    use amiforge_formats::plan::SourceId;
    use amiforge_formats::time::Time;
    use amiforge_formats::tree::{Meta, Name, Node, Segment};

    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    /// A file of the host with `xxabcxx` in it, as a source.
    fn blobs() -> (tempfile::TempDir, Blobs, SourceId) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source");
        std::fs::write(&path, b"xxabcxx").unwrap();
        let mut blobs = Blobs::new();
        let source = blobs.add(File::open(&path).unwrap(), &path);
        (folder, blobs, source)
    }

    #[test]
    fn digests_taken_in_the_background_are_recorded_and_right() {
        let (_folder, mut blobs, source) = blobs();
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        let content = Content::Slice { source, at: 2, len: 3 };
        let node = Node { meta: Meta::root_owned(0o644, Time::EPOCH), kind: NodeKind::File(content.clone()) };
        tree.add(tree.root(), Name::new(b"abc").unwrap(), node).unwrap();
        BackgroundDigests::start(&tree, &blobs).join(&mut blobs).unwrap();
        let known = blobs.digests((source, 2, 3)).unwrap();
        assert_eq!(known.sha256.to_string(), ABC);
        assert_eq!(known.sha1[..4], [0xa9, 0x99, 0x3e, 0x36]);
        assert_eq!(of(&content, &blobs).unwrap(), known);
        assert_eq!(blobs.digests((source, 2, 4)), None);
    }

    #[test]
    fn digests_of_ranges_come_in_the_order_of_the_call() {
        let (folder, _, _) = blobs();
        let file = File::open(folder.path().join("source")).unwrap();
        let cancel = CancelToken::new();
        for workers in [1, 3] {
            let taken = of_ranges(&file, &[(2, 3), (0, 7), (5, 0)], workers, &cancel).unwrap();
            let expected = [&b"abc"[..], b"xxabcxx", b""].map(Digest::of);
            assert_eq!(taken.iter().map(|taken| taken.sha256).collect::<Vec<_>>(), expected);
        }
        assert!(of_ranges(&file, &[(2, 99)], 2, &cancel).is_err());
        cancel.cancel();
        assert!(of_ranges(&file, &[(2, 3)], 2, &cancel).is_err());
    }

    #[test]
    fn holes_count_as_zeros() {
        let (_folder, blobs, source) = blobs();
        let segments = [Segment { offset: 2, len: 3, origin: Origin::Slice { source, at: 2 } }];
        let sparse = Content::Sparse { len: 7, segments: Arc::new(segments) };
        assert_eq!(of(&sparse, &blobs).unwrap().sha256, Digest::of(b"\0\0abc\0\0"));
        assert_eq!(of(&Content::empty(), &blobs).unwrap().sha256, Digest::of(b""));
    }

    #[test]
    fn a_short_source_is_an_error_and_dropping_cancels() {
        let (folder, mut blobs, source) = blobs();
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        let kind = NodeKind::File(Content::Slice { source, at: 0, len: 99 });
        let node = Node { meta: Meta::root_owned(0o644, Time::EPOCH), kind };
        tree.add(tree.root(), Name::new(b"long").unwrap(), node).unwrap();
        drop(BackgroundDigests::start(&tree, &blobs));
        assert!(BackgroundDigests::start(&tree, &blobs).join(&mut blobs).is_err());
        drop(folder);
    }
}
