//! Downloads a snapshot into a file, as a sparse raw disk or as a container of its blocks: blocks are read concurrently and verified against the service's digests. An
//! interrupted download keeps its blocks, and the file gets its name only when it is complete.

mod ledger;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use amiforge_formats::container::PackedDisk;
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

/// The result of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// The snapshot.
    pub snapshot: String,
    /// Length of the file in bytes.
    pub size: u64,
    /// Blocks that the snapshot holds.
    pub held: u64,
    /// Blocks that this call fetched.
    pub fetched: u64,
}

/// What the file of a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownloadForm {
    /// The disk, with holes for what the snapshot does not hold.
    Raw,
    /// A qcow2 of the blocks that the snapshot lists ([`PackedDisk`]), whose bytes follow from these blocks alone.
    Packed,
}

/// Downloads a snapshot, or that of an image's root volume, into a new raw file.
///
/// # Errors
/// As for [`download_as`].
pub async fn download<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    name: &str,
    out: &Path,
    rate: u32,
    monitor: Monitor<'_>,
) -> Result<Downloaded, PublishError> {
    let named = SnapshotContent { read: name, identity: None };
    download_as(services, named, (out, DownloadForm::Raw), rate, monitor).await
}

/// The snapshot that a download reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotContent<'a> {
    /// The snapshot, or an image, whose root volume is meant.
    pub read: &'a str,
    /// The snapshot that `read` is a copy of. Blocks that were read of one copy are then not read again of another.
    pub identity: Option<&'a str>,
}

/// Downloads a snapshot, or that of an image's root volume, into a new file of a form.
///
/// # Errors
/// [`PublishError`]. Fetched blocks stay in `FILE.partial`, and the next call uses them.
pub async fn download_as<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    content: SnapshotContent<'_>,
    (out, form): (&Path, DownloadForm),
    rate: u32,
    monitor: Monitor<'_>,
) -> Result<Downloaded, PublishError> {
    if out.symlink_metadata().is_ok() {
        let source = std::io::ErrorKind::AlreadyExists.into();
        return Err(PublishError::File { path: out.to_owned(), source });
    }
    let services = &services.with_cancel(monitor.cancel);
    let snapshot = services.lookup_snapshot(&services.resolve_snapshot_id(content.read).await?).await?;
    let identity = content.identity.unwrap_or(&snapshot.id);
    if snapshot.state != SnapshotState::Completed {
        let problem = format!("it is {}, and only a completed snapshot can be read", snapshot.state.as_str());
        return Err(PublishError::InconsistentResponse { snapshot: snapshot.id, problem });
    }
    let list = readback::list_blocks(services, &snapshot.id, monitor.cancel).await?;
    let size = list.volume_gib << 30;
    let held = list.blocks.len() as u64;
    let layout = FileLayout::of(form, size, &snapshot.id, &list.blocks)?;
    let partial = Arc::new(PartialFile::open(out, identity, layout)?);
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
    Ok(Downloaded { snapshot: identity.to_owned(), size, held, fetched })
}

/// Where the blocks are in the file.
struct FileLayout {
    len: u64,
    /// The tables of a container, and the index of each of its blocks in order.
    packed: Option<(PackedDisk, Vec<u64>)>,
}

impl FileLayout {
    fn of(
        form: DownloadForm,
        size: u64,
        snapshot: &str,
        blocks: &[ListedBlock],
    ) -> Result<Self, PublishError> {
        if form == DownloadForm::Raw {
            return Ok(Self { len: size, packed: None });
        }
        let indexes: Vec<u64> = blocks.iter().map(|block| block.index).collect();
        let disk = PackedDisk::new(size, &indexes).ok_or_else(|| PublishError::InconsistentResponse {
            snapshot: snapshot.to_owned(),
            problem: "its blocks are not listed in ascending order, or one is past its end".to_owned(),
        })?;
        Ok(Self { len: disk.len, packed: Some((disk, indexes)) })
    }

    /// Where a block is.
    fn place(&self, index: u64) -> u64 {
        match &self.packed {
            None => index * BLOCK,
            // Only listed blocks are asked for, and found.
            Some((disk, indexes)) => {
                disk.data_at + indexes.partition_point(|other| *other < index) as u64 * BLOCK
            }
        }
    }

    fn write_head(&self, file: &File) -> std::io::Result<()> {
        let head = self.packed.iter().flat_map(|(disk, _)| &disk.head);
        head.into_iter().try_for_each(|(at, bytes)| file.write_all_at(bytes, *at))
    }
}

/// A file that is being downloaded, with the ledger of its blocks.
struct PartialFile {
    path: PathBuf,
    file: File,
    layout: FileLayout,
    /// Whether it held data before.
    state: PartialState,
    ledger: Mutex<DownloadLedger>,
}

/// Whether a partial file existed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PartialState {
    New,
    Resumed,
}

impl PartialFile {
    fn open(out: &Path, snapshot: &str, layout: FileLayout) -> Result<Self, PublishError> {
        let path = with_suffix(out, "partial");
        let failed = |source| PublishError::File { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        // A symbolic link could redirect the writes to another file, and a pipe would block.
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
            // The file belongs to another snapshot.
            file.set_len(0).map_err(failed)?;
        }
        file.set_len(layout.len).and_then(|()| layout.write_head(&file)).map_err(failed)?;
        // The ledger may list blocks that were not on disk before a power failure.
        ledger.retain(|index, digest| {
            let mut block = vec![0; BLOCK as usize];
            file.read_exact_at(&mut block, layout.place(index)).is_ok()
                && amiforge_formats::digest::Digest::of(&block) == digest
        });
        let state = if resumed && !ledger.is_new() { PartialState::Resumed } else { PartialState::New };
        Ok(Self { path, file, layout, state, ledger: Mutex::new(ledger) })
    }

    fn contains(&self, index: u64) -> bool {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).contains(index)
    }

    /// Writes a block. A block of zeros stays a hole in a new file.
    fn write(&self, read: RequestedBlock) -> Result<(), PublishError> {
        let fetched = read.bytes?;
        let hole = Block::hashed(fetched.digest) == Block::Zero && self.state == PartialState::New;
        if !hole {
            self.file
                .write_all_at(&fetched.bytes, self.layout.place(read.index))
                .map_err(|source| self.failed(source))?;
        }
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).record(read.index, fetched.digest)
    }

    /// Renames the file to its final name.
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

/// The file's name with a suffix.
fn with_suffix(out: &Path, suffix: &str) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    out.with_file_name(name)
}
