//! The outer half's work on contents: filling the files that the inner half made, and reading back those that
//! changed, which it opened. Files come in batches and are acknowledged, so few are open at a time.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use amiforge_formats::plan::Sources as _;
use amiforge_formats::tree::{Content, NodeId, NodeKind, Origin, Tree};
use amiforge_progress::Monitor;
use amiforge_store::blobs::Blobs;

use super::wire::UNDER_WAY;

/// Bytes that are copied at a time.
pub(super) const PIECE: usize = 256 << 10;

/// Threads that fill files. More than two gain nothing: they copy memory.
const THREADS: usize = 2;

/// A batch of files to be filled, each with its node.
type Batch = Vec<(NodeId, OwnedFd)>;

/// Threads that fill files.
pub(super) struct Fillers<'scope> {
    work: SyncSender<Batch>,
    threads: Vec<std::thread::ScopedJoinHandle<'scope, io::Result<()>>>,
}

impl<'scope> Fillers<'scope> {
    /// Starts them; `filled` is called for each batch when it is done with, well or not.
    pub(super) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        tree: &'env Tree,
        blobs: &'env Blobs,
        monitor: Monitor<'env>,
        filled: &'env (dyn Fn() -> io::Result<()> + Sync),
    ) -> Self {
        let (work, batches) = sync_channel::<Batch>(UNDER_WAY);
        let batches = Arc::new(Mutex::new(batches));
        let threads = (0..THREADS)
            .map(|_| {
                let batches = Arc::clone(&batches);
                scope.spawn(move || fill_all(&batches, tree, blobs, monitor, filled))
            })
            .collect();
        Self { work, threads }
    }

    /// Hands over a batch.
    pub(super) fn push(&self, batch: Batch) -> io::Result<()> {
        self.work.send(batch).map_err(|_| io::Error::other("the threads that fill files have ended"))
    }

    /// Waits for all batches; the first error of any.
    pub(super) fn finish(self) -> io::Result<()> {
        drop(self.work);
        let gone = || Err(io::Error::other("a thread that fills files ended early"));
        self.threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| gone()))
    }
}

/// Fills batch after batch. After an error the rest is only acknowledged: the inner half waits for that.
fn fill_all(
    batches: &Mutex<Receiver<Batch>>,
    tree: &Tree,
    blobs: &Blobs,
    monitor: Monitor<'_>,
    filled: &(dyn Fn() -> io::Result<()> + Sync),
) -> io::Result<()> {
    let mut buf = vec![0; PIECE];
    let mut outcome = Ok(());
    loop {
        let next = batches.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = next else { return outcome };
        for (node, file) in batch {
            if outcome.is_ok() {
                outcome = fill(tree, node, &File::from(file), blobs, monitor, &mut buf);
            }
        }
        outcome = outcome.and(filled());
    }
}

/// An error where the user asked to stop.
pub(super) fn go_on(monitor: Monitor<'_>) -> io::Result<()> {
    if monitor.cancel.is_cancelled() { Err(io::Error::other("interrupted")) } else { Ok(()) }
}

fn fill(
    tree: &Tree,
    node: NodeId,
    file: &File,
    blobs: &Blobs,
    monitor: Monitor<'_>,
    buf: &mut [u8],
) -> io::Result<()> {
    let NodeKind::File(content) = &tree.node(node).kind else { return Ok(()) };
    for segment in content.segments() {
        match &segment.origin {
            Origin::Inline { bytes, at } => {
                let end = at.saturating_add(segment.len as usize);
                file.write_all_at(bytes.get(*at..end).unwrap_or_default(), segment.offset)?;
            }
            Origin::Slice { source, at } => {
                let mut done = 0;
                while done < segment.len {
                    let piece = (segment.len - done).min(buf.len() as u64) as usize;
                    go_on(monitor)?;
                    blobs.read_exact_at(*source, at + done, &mut buf[..piece])?;
                    file.write_all_at(&buf[..piece], segment.offset + done)?;
                    done += piece as u64;
                }
            }
        }
    }
    if matches!(content, Content::Sparse { .. }) { file.set_len(content.len()) } else { Ok(()) }
}

/// Whether a file holds just the content that a node had.
pub(super) fn equal(
    file: &File,
    len: u64,
    content: &Content,
    blobs: &Blobs,
    bufs: &mut [Vec<u8>; 2],
    monitor: Monitor<'_>,
) -> io::Result<bool> {
    if content.len() != len || matches!(content, Content::Sparse { .. }) {
        return Ok(false);
    }
    let [now, before] = bufs;
    for segment in content.segments() {
        let mut done = 0;
        while done < segment.len {
            let piece = (segment.len - done).min(PIECE as u64) as usize;
            go_on(monitor)?;
            file.read_exact_at(&mut now[..piece], segment.offset + done)?;
            let same = match &segment.origin {
                Origin::Inline { bytes, at } => {
                    let from = at.saturating_add(done as usize);
                    bytes.get(from..from.saturating_add(piece)) == Some(&now[..piece])
                }
                Origin::Slice { source, at } => {
                    blobs.read_exact_at(*source, at + done, &mut before[..piece])?;
                    before[..piece] == now[..piece]
                }
            };
            if !same {
                return Ok(false);
            }
            done += piece as u64;
        }
    }
    Ok(true)
}
