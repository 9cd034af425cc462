//! Digests of the contents of files, which bills of materials name: taken once, while there is a core to spare, and
//! known from then on, with the layers that are kept too.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::{SourceId, Sources};
use amiforge_formats::tree::{Content, NodeKind, Origin, Tree};
use sha1::Digest as _;
use sha2::Digest as _;
use sha2::Sha256;

use crate::blobs::Blobs;

/// Bytes that are read at a time.
const STEP: u64 = 1 << 20;

/// What is taken of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileDigests {
    /// SHA-1, which SPDX asks for.
    pub sha1: [u8; 20],
    /// SHA-256.
    pub sha256: Digest,
}

/// Where a file's content lies as one piece: source, first byte, length.
pub type ContentPiece = (SourceId, u64, u64);

/// Pieces with their digests.
type Taken = Vec<(ContentPiece, FileDigests)>;

/// Takes both digests of bytes that come one after another.
#[derive(Default)]
pub struct Both {
    sha1: sha1::Sha1,
    sha256: Sha256,
}

impl Both {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha1.update(bytes);
        self.sha256.update(bytes);
    }

    /// The digests of all bytes.
    pub fn finish(self) -> FileDigests {
        FileDigests { sha1: self.sha1.finalize().into(), sha256: Digest(self.sha256.finalize().into()) }
    }
}

/// The digests of a content: as known, or taken now.
///
/// # Errors
/// What the medium says.
pub fn of(content: &Content, blobs: &Blobs) -> io::Result<FileDigests> {
    if let Some(known) = piece(content).and_then(|piece| blobs.known(piece)) {
        return Ok(known);
    }
    let mut both = Both::default();
    each_part(content, blobs, |part| both.update(part))?;
    Ok(both.finish())
}

/// The digests of a content, if they are known; nothing is read.
pub fn known(content: &Content, blobs: &Blobs) -> Option<FileDigests> {
    piece(content).and_then(|piece| blobs.known(piece))
}

/// Where a content lies, if in one piece of a source.
pub fn piece(content: &Content) -> Option<ContentPiece> {
    match content {
        Content::Slice { source, at, len } => Some((*source, *at, *len)),
        _ => None,
    }
}

/// Gives the bytes of a file piece by piece, holes as zeros.
///
/// # Errors
/// What the medium says.
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

/// Calls with a buffer for each step of `len` bytes, and where the step begins.
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

/// Takes the digests of all files of a tree whose content lies in one piece, as far as they are not known.
///
/// # Errors
/// What the medium says.
pub fn take(tree: &Tree, blobs: &mut Blobs) -> io::Result<()> {
    let wanted = wanted(tree, blobs);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let share = wanted.len().div_ceil(workers).max(1);
    let read = &*blobs;
    let one = |piece: &ContentPiece| {
        let content = Content::Slice { source: piece.0, at: piece.1, len: piece.2 };
        of(&content, read).map(|digests| (*piece, digests))
    };
    let taken: Vec<io::Result<Taken>> = std::thread::scope(|scope| {
        let shares = wanted.chunks(share);
        let running: Vec<_> =
            shares.map(|pieces| scope.spawn(move || pieces.iter().map(one).collect())).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(ended()))).collect()
    });
    for share in taken {
        for (piece, digests) in share? {
            blobs.know(piece, digests);
        }
    }
    Ok(())
}

/// The pieces of a tree's files that are not known, in the order in which they lie.
fn wanted(tree: &Tree, blobs: &Blobs) -> Vec<ContentPiece> {
    let files = tree.walk().filter_map(|entry| match &tree.node(entry.id).kind {
        NodeKind::File(content) => piece(content),
        _ => None,
    });
    let mut wanted: Vec<ContentPiece> = files.filter(|piece| blobs.known(*piece).is_none()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

fn ended() -> io::Error {
    io::Error::other("a thread that takes digests ended early")
}

/// Digests that are being taken on a thread of their own. Dropped, it stops.
#[derive(Debug)]
pub struct Digesting {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<Taken>>>,
}

impl Digesting {
    /// Starts on every file of a tree whose content lies in one piece, is not known, and in a file that has a name.
    pub fn start(tree: &Tree, blobs: &Blobs) -> Self {
        let wanted = wanted(tree, blobs).into_iter();
        let wanted: Vec<(ContentPiece, PathBuf)> =
            wanted.filter_map(|piece| Some((piece, blobs.path(piece.0)?.to_owned()))).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        Self { stop, thread: Some(std::thread::spawn(move || all(&wanted, &flag))) }
    }

    /// Waits for the rest, and lets them be known.
    ///
    /// # Errors
    /// What the medium says.
    pub fn finish(mut self, blobs: &mut Blobs) -> io::Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        for (piece, digests) in thread.join().unwrap_or_else(|_| Err(ended()))? {
            blobs.know(piece, digests);
        }
        Ok(())
    }
}

impl Drop for Digesting {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn all(wanted: &[(ContentPiece, PathBuf)], stop: &AtomicBool) -> io::Result<Taken> {
    let mut open: Option<(&Path, File)> = None;
    let mut taken = Vec::with_capacity(wanted.len());
    for (piece, path) in wanted {
        if open.as_ref().is_none_or(|(opened, _)| opened != path) {
            open = Some((path, File::open(path)?));
        }
        let Some((_, file)) = &open else { continue };
        let mut both = Both::default();
        each_step(piece.2, |from, part| {
            if stop.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            file.read_exact_at(part, piece.1 + from)?;
            both.update(part);
            Ok(())
        })?;
        taken.push((*piece, both.finish()));
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
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
    fn what_was_taken_on_the_side_is_known_and_right() {
        let (_folder, mut blobs, source) = blobs();
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        let content = Content::Slice { source, at: 2, len: 3 };
        let node = Node { meta: Meta::root_owned(0o644, Time::EPOCH), kind: NodeKind::File(content.clone()) };
        tree.add(tree.root(), Name::new(b"abc").unwrap(), node).unwrap();
        Digesting::start(&tree, &blobs).finish(&mut blobs).unwrap();
        let known = blobs.known((source, 2, 3)).unwrap();
        assert_eq!(known.sha256.to_string(), ABC);
        assert_eq!(known.sha1[..4], [0xa9, 0x99, 0x3e, 0x36]);
        assert_eq!(of(&content, &blobs).unwrap(), known);
        assert_eq!(blobs.known((source, 2, 4)), None);
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
    fn a_source_that_went_away_is_told_and_one_that_is_given_up_is_left() {
        let (folder, mut blobs, source) = blobs();
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        let kind = NodeKind::File(Content::Slice { source, at: 0, len: 99 });
        let node = Node { meta: Meta::root_owned(0o644, Time::EPOCH), kind };
        tree.add(tree.root(), Name::new(b"long").unwrap(), node).unwrap();
        drop(Digesting::start(&tree, &blobs));
        assert!(Digesting::start(&tree, &blobs).finish(&mut blobs).is_err());
        drop(folder);
    }
}
