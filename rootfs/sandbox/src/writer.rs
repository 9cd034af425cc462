//! Writing and comparing contents in the outer half: fills the files that the inner half created and opened. Files come
//! in batches that are acknowledged, so few are open at a time.

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

use super::wire::UNACKNOWLEDGED_MAX;

/// Bytes that are copied at a time.
pub(super) const CHUNK: usize = 256 << 10;

/// Threads that write files. More than two gain nothing: they copy memory.
const THREADS: usize = 2;

/// A batch of files to write, each with its node.
type Batch = Vec<(NodeId, OwnedFd)>;

/// Threads that write the contents of files.
pub(super) struct FileWriters<'scope> {
    queue: SyncSender<Batch>,
    threads: Vec<std::thread::ScopedJoinHandle<'scope, io::Result<()>>>,
}

impl<'scope> FileWriters<'scope> {
    /// Starts the threads; `acknowledge` is called for each batch, whether it was written or failed.
    pub(super) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        tree: &'env Tree,
        blobs: &'env Blobs,
        monitor: Monitor<'env>,
        acknowledge: &'env (dyn Fn() -> io::Result<()> + Sync),
    ) -> Self {
        let (queue, batches) = sync_channel::<Batch>(UNACKNOWLEDGED_MAX);
        let batches = Arc::new(Mutex::new(batches));
        let threads = (0..THREADS)
            .map(|_| {
                let batches = Arc::clone(&batches);
                scope.spawn(move || write_batches(&batches, tree, blobs, monitor, acknowledge))
            })
            .collect();
        Self { queue, threads }
    }

    /// Queues a batch.
    pub(super) fn push(&self, batch: Batch) -> io::Result<()> {
        self.queue.send(batch).map_err(|_| io::Error::other("the threads that write files have ended"))
    }

    /// Waits for all batches; the first error.
    pub(super) fn finish(self) -> io::Result<()> {
        drop(self.queue);
        let panicked = || Err(io::Error::other("a thread that writes files ended early"));
        self.threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| panicked()))
    }
}

/// Writes batch after batch. After an error the others are only acknowledged: the inner half waits for that.
fn write_batches(
    batches: &Mutex<Receiver<Batch>>,
    tree: &Tree,
    blobs: &Blobs,
    monitor: Monitor<'_>,
    acknowledge: &(dyn Fn() -> io::Result<()> + Sync),
) -> io::Result<()> {
    let mut buf = vec![0; CHUNK];
    let mut outcome = Ok(());
    loop {
        let next = batches.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = next else { return outcome };
        for (node, file) in batch {
            if outcome.is_ok() {
                outcome = write(tree, node, &File::from(file), blobs, monitor, &mut buf);
            }
        }
        outcome = outcome.and(acknowledge());
    }
}

/// Fails when the job is cancelled.
pub(super) fn check_cancelled(monitor: Monitor<'_>) -> io::Result<()> {
    if monitor.cancel.is_cancelled() { Err(io::Error::other("interrupted")) } else { Ok(()) }
}

fn write(
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
                    let chunk = (segment.len - done).min(buf.len() as u64) as usize;
                    check_cancelled(monitor)?;
                    blobs.read_exact_at(*source, at + done, &mut buf[..chunk])?;
                    file.write_all_at(&buf[..chunk], segment.offset + done)?;
                    done += chunk as u64;
                }
            }
        }
    }
    if matches!(content, Content::Sparse { .. }) { file.set_len(content.len()) } else { Ok(()) }
}

/// Whether the content of a file equals a given content.
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
            let chunk = (segment.len - done).min(CHUNK as u64) as usize;
            check_cancelled(monitor)?;
            file.read_exact_at(&mut now[..chunk], segment.offset + done)?;
            let same = match &segment.origin {
                Origin::Inline { bytes, at } => {
                    let from = at.saturating_add(done as usize);
                    bytes.get(from..from.saturating_add(chunk)) == Some(&now[..chunk])
                }
                Origin::Slice { source, at } => {
                    blobs.read_exact_at(*source, at + done, &mut before[..chunk])?;
                    before[..chunk] == now[..chunk]
                }
            };
            if !same {
                return Ok(false);
            }
            done += chunk as u64;
        }
    }
    Ok(true)
}
