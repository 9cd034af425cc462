//! A snapshot as a medium that is read at any offset: every block is fetched when it is first needed, and few are kept.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use amiforge_formats::digest::BLOCK;
use amiforge_formats::read_at::ReadAt;
use amiforge_image::image::{Block, BlockMap};
use amiforge_progress::{CancelToken, Monitor};
use bytes::Bytes;
use tokio::runtime::Handle;

use super::api::{Ebs, ListedBlock, SnapshotCalls, SnapshotState};
use super::error::PublishError;
use super::readback::{self, BlockReader, RequestedBlock};
use super::services::Services;

/// Blocks that are kept: 32 MiB.
const KEPT: usize = 64;

/// A completed snapshot. Blocks that it does not hold read as zeros.
pub struct SnapshotReader<E> {
    runtime: Handle,
    reader: BlockReader<E>,
    snapshot: String,
    size: u64,
    blocks: BTreeMap<u64, ListedBlock>,
    fetched: Mutex<FetchedBlocks>,
}

/// What was fetched.
#[derive(Default)]
struct FetchedBlocks {
    /// The newest last.
    kept: VecDeque<(u64, Bytes)>,
    /// All that were ever fetched.
    all: BTreeSet<u64>,
    /// The first error of the service: one of a file-system reader says only that a read failed.
    failure: Option<PublishError>,
}

impl<E: Ebs> SnapshotReader<E> {
    /// Opens a snapshot, or that of an image's root volume, and lists its blocks. The reads then run on the runtime that this
    /// is awaited on, so they must not come from one of its threads.
    ///
    /// # Errors
    /// [`PublishError`]; of a snapshot that is not completed, too.
    pub async fn open<S: SnapshotCalls>(
        services: &Services<E, S>,
        name: &str,
        rate: u32,
        cancel: &CancelToken,
    ) -> Result<Self, PublishError> {
        let services = &services.with_cancel(cancel);
        let id = completed(services, name).await?;
        let list = readback::list_blocks(services, &id, cancel).await?;
        Ok(Self {
            runtime: Handle::current(),
            reader: BlockReader::new(services, &id, rate),
            size: list.volume_gib << 30,
            blocks: list.blocks.into_iter().map(|block| (block.index, block)).collect(),
            fetched: Mutex::default(),
            snapshot: id,
        })
    }

    /// The snapshot.
    pub fn snapshot(&self) -> &str {
        &self.snapshot
    }

    /// Number of blocks that the snapshot holds.
    pub fn held(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// Number of different blocks that were fetched so far.
    pub fn fetched(&self) -> u64 {
        self.lock().all.len() as u64
    }

    /// Takes the first error of the service, if a read failed because of one.
    pub fn take_failure(&self) -> Option<PublishError> {
        self.lock().failure.take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, FetchedBlocks> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes of a block; `None` for one that the snapshot does not hold.
    fn block(&self, index: u64) -> io::Result<Option<Bytes>> {
        let Some(listed) = self.blocks.get(&index) else { return Ok(None) };
        if let Some((_, bytes)) = self.lock().kept.iter().find(|(kept, _)| *kept == index) {
            return Ok(Some(bytes.clone()));
        }
        let read = self.runtime.block_on(self.reader.read(listed));
        let mut fetched = self.lock();
        let bytes = match read {
            Ok(read) => read.bytes,
            Err(error) => {
                let message = error.to_string();
                fetched.failure.get_or_insert(error);
                return Err(io::Error::other(message));
            }
        };
        fetched.all.insert(index);
        if fetched.kept.len() == KEPT {
            fetched.kept.pop_front();
        }
        fetched.kept.push_back((index, bytes.clone()));
        Ok(Some(bytes))
    }
}

impl<E: Ebs> ReadAt for SnapshotReader<E> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).filter(|end| *end <= self.size);
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let (mut at, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let within = (at % BLOCK) as usize;
            let len = rest.len().min(BLOCK as usize - within);
            let (part, after) = rest.split_at_mut(len);
            match self.block(at / BLOCK)? {
                None => part.fill(0),
                Some(bytes) => {
                    let bytes = bytes.get(within..within + len).ok_or(io::ErrorKind::UnexpectedEof)?;
                    part.copy_from_slice(bytes);
                }
            }
            (at, rest) = (at + len as u64, after);
        }
        Ok(())
    }
}

/// The id of a completed snapshot: the named one, or that of an image's root volume.
async fn completed<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    name: &str,
) -> Result<String, PublishError> {
    let snapshot = services.lookup_snapshot(&services.resolve_snapshot_id(name).await?).await?;
    if snapshot.state == SnapshotState::Completed {
        return Ok(snapshot.id);
    }
    let problem = format!("it is {}, and only a completed snapshot can be read", snapshot.state.as_str());
    Err(PublishError::InconsistentResponse { snapshot: snapshot.id, problem })
}

/// The digests of all blocks of a snapshot, each fetched once; blocks that it does not hold are free.
///
/// # Errors
/// [`PublishError`], also for a block whose bytes are not what the service's checksum says.
pub async fn block_map<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    name: &str,
    rate: u32,
    monitor: Monitor<'_>,
) -> Result<BlockMap, PublishError> {
    let services = &services.with_cancel(monitor.cancel);
    let id = completed(services, name).await?;
    let list = readback::list_blocks(services, &id, monitor.cancel).await?;
    let digests = Arc::new(Mutex::new(BTreeMap::new()));
    let sink = Arc::clone(&digests);
    let take = move |read: RequestedBlock| {
        let digest = read.bytes?.digest;
        sink.lock().unwrap_or_else(PoisonError::into_inner).insert(read.index, digest);
        Ok(())
    };
    monitor.progress.begin("reading back", Some(readback::byte_len(list.blocks.len())));
    let read = readback::read_blocks(services, &id, list.blocks, rate, take, monitor).await;
    monitor.progress.end();
    read?;
    let mut map = BlockMap::default();
    for (index, digest) in digests.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        map.push(Block::Free, index.saturating_sub(map.len()));
        map.push(Block::hashed(*digest), 1);
    }
    let all = BlockMap::count_for(list.volume_gib << 30);
    map.push(Block::Free, all.saturating_sub(map.len()));
    Ok(map)
}
