//! A snapshot becomes a file: sparse, every block checked against the service's digest, many at a time. What was
//! fetched is kept when a download is stopped, and the file has its name only when it is whole.

mod ledger;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use amiforge_formats::digest::BLOCK;
use amiforge_image::image::Block;
use amiforge_progress::Monitor;
use rustix::fs::{FlockOperation, OFlags, flock};

use self::ledger::DownloadLedger;
use super::api::{Ebs, ListedBlock, SnapshotCalls, SnapshotState};
use super::error::PublishError;
use super::folder::FolderError;
use super::readback::{self, RequestedBlock};
use super::services::Services;

/// What came of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// The snapshot.
    pub snapshot: String,
    /// Length of the file.
    pub size: u64,
    /// Blocks that the snapshot holds.
    pub held: u64,
    /// Blocks that were fetched this time.
    pub fetched: u64,
}

/// Downloads a snapshot, or that of an image's root volume, into a new file.
///
/// # Errors
/// [`PublishError`]. What was fetched stays beside the file as `FILE.partial` and is used by the next try.
pub async fn download<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    name: &str,
    out: &Path,
    rate: u32,
    monitor: Monitor<'_>,
) -> Result<Downloaded, PublishError> {
    if out.symlink_metadata().is_ok() {
        let source = std::io::ErrorKind::AlreadyExists.into();
        return Err(PublishError::File { path: out.to_owned(), source });
    }
    let services = &services.with_cancel(monitor.cancel);
    let snapshot = services.lookup_snapshot(&services.resolve_snapshot_id(name).await?).await?;
    if snapshot.state != SnapshotState::Completed {
        let problem = format!("it is {}, and only a completed snapshot can be read", snapshot.state.as_str());
        return Err(PublishError::InconsistentResponse { snapshot: snapshot.id, problem });
    }
    let list = readback::list_blocks(services, &snapshot.id, monitor.cancel).await?;
    let size = list.volume_gib << 30;
    let held = list.blocks.len() as u64;
    let partial = Arc::new(PartialFile::open(out, &snapshot.id, size)?);
    let missing: Vec<ListedBlock> =
        list.blocks.into_iter().filter(|block| !partial.contains(block.index)).collect();
    let fetched = missing.len() as u64;
    monitor.progress.begin("downloading", Some(readback::byte_len(missing.len())));
    let sink = Arc::clone(&partial);
    let take = move |read: RequestedBlock| sink.write(read);
    let read = readback::read_blocks(services, &snapshot.id, missing, rate, take, monitor).await;
    monitor.progress.end();
    read?;
    partial.commit(out)?;
    Ok(Downloaded { snapshot: snapshot.id, size, held, fetched })
}

/// A file that is being fetched, and the ledger of what is in it.
struct PartialFile {
    path: PathBuf,
    file: File,
    /// Whether something was in it before.
    state: PartialState,
    ledger: Mutex<DownloadLedger>,
}

/// What was at the partial file's place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PartialState {
    New,
    Resumed,
}

impl PartialFile {
    fn open(out: &Path, snapshot: &str, size: u64) -> Result<Self, PublishError> {
        let path = with_suffix(out, "partial");
        let failed = |source| PublishError::File { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        // Through a link a file of somebody else would be overwritten; a pipe would block.
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
        let file = options.open(&path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(PublishError::Folder(FolderError::Busy { path }));
            }
            other => other.map_err(|errno| failed(errno.into()))?,
        }
        let resumed = file.metadata().map_err(failed)?.len() > 0;
        let mut ledger = DownloadLedger::open(&with_suffix(out, "partial.journal"), snapshot)?;
        if resumed && ledger.is_new() {
            // It is of something else.
            file.set_len(0).map_err(failed)?;
        }
        file.set_len(size).map_err(failed)?;
        // The ledger may know of blocks that a power cut kept from the disk.
        ledger.retain(|index, digest| {
            let mut block = vec![0; BLOCK as usize];
            file.read_exact_at(&mut block, index * BLOCK).is_ok()
                && amiforge_formats::digest::Digest::of(&block) == digest
        });
        let state = if resumed && !ledger.is_new() { PartialState::Resumed } else { PartialState::New };
        Ok(Self { path, file, state, ledger: Mutex::new(ledger) })
    }

    fn contains(&self, index: u64) -> bool {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).contains(index)
    }

    /// Writes a block; zeros stay a hole where nothing was before.
    fn write(&self, read: RequestedBlock) -> Result<(), PublishError> {
        let fetched = read.bytes?;
        let hole = Block::hashed(fetched.digest) == Block::Zero && self.state == PartialState::New;
        if !hole {
            self.file
                .write_all_at(&fetched.bytes, read.index * BLOCK)
                .map_err(|source| self.failed(source))?;
        }
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).record(read.index, fetched.digest)
    }

    /// Gives the file its name.
    fn commit(&self, out: &Path) -> Result<(), PublishError> {
        self.file.sync_all().map_err(|source| self.failed(source))?;
        let named = rustix::fs::renameat_with(
            rustix::fs::CWD,
            &self.path,
            rustix::fs::CWD,
            out,
            rustix::fs::RenameFlags::NOREPLACE,
        );
        let named = match named {
            Err(rustix::io::Errno::INVAL) => std::fs::rename(&self.path, out),
            other => other.map_err(std::io::Error::from),
        };
        let failed = |source| PublishError::File { path: out.to_owned(), source };
        named.map_err(failed)?;
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).remove()?;
        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)
    }

    fn failed(&self, source: std::io::Error) -> PublishError {
        PublishError::File { path: self.path.clone(), source }
    }
}

/// The file's name with something behind it.
fn with_suffix(out: &Path, suffix: &str) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    out.with_file_name(name)
}
