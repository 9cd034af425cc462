//! The snapshot whose disk an image keeps, as the parent of the image's own: found by the manifest, and known by the file
//! that the lock pins.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_formats::read_at::ReadAt as _;
use amiforge_image::inspect::Medium;
use amiforge_progress::{CancelToken, Monitor, Progress};
use sha2::{Digest as _, Sha256};

use super::hints::Hints;
use crate::api::{DescribedSnapshot, Ebs, ListedBlock, SnapshotCalls};
use crate::error::PublishError;
use crate::readback;
use crate::retry::CallStep;
use crate::services::{Services, SnapshotLookup};
use crate::source::ImageSource;
use crate::tags;

/// Whether a former version of an image has the disk that the image keeps; every version of one that keeps none has.
pub(super) fn has_same_base(version: &DescribedSnapshot, source: &ImageSource) -> bool {
    let base = source.manifest().and_then(|manifest| manifest.origin.base_snapshot());
    base.is_none_or(|base| version.tags.get(tags::BASE_SNAPSHOT).is_some_and(|tag| tag == base.id))
}

/// The snapshot whose disk the image keeps, if it can be a parent here; else a message says why not.
///
/// # Errors
/// [`PublishError::Interrupted`].
pub(super) async fn snapshot<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    source: &ImageSource,
    unfit: impl Fn(&DescribedSnapshot) -> Option<String>,
    progress: &dyn Progress,
) -> Result<Option<DescribedSnapshot>, PublishError> {
    let Some(base) = source.manifest().and_then(|manifest| manifest.origin.base_snapshot()) else {
        return Ok(None);
    };
    // What a delta continues is another snapshot.
    if source.required_parent().is_some() {
        return Ok(None);
    }
    let unsuitable = |reason: &str| {
        progress.message(&format!("{}, whose disk the image keeps, cannot be the parent: {reason}", base.id));
        Ok(None)
    };
    if base.region != services.region {
        return unsuitable(&format!("it is in {}, and this is {}", base.region, services.region));
    }
    let found = match services.find_snapshot(base.id, CallStep::Idempotent).await {
        Ok(SnapshotLookup::Exists(found)) => found,
        Ok(SnapshotLookup::Missing) => {
            return unsuitable("it is gone, or of another account that does not share it");
        }
        Err(PublishError::Interrupted) => return Err(PublishError::Interrupted),
        Err(error) => return unsuitable(&reason(&error)),
    };
    if let Some(reason) = unfit(&found) {
        return unsuitable(&reason);
    }
    // EBS refuses to read a snapshot that is public or whose key is not shared, and to continue it.
    match readback::list_blocks(services, base.id, &CancelToken::new()).await {
        Ok(_) => {
            progress.message(&format!("the parent is {}, whose disk the image keeps", base.id));
            Ok(Some(found))
        }
        Err(PublishError::Interrupted) => Err(PublishError::Interrupted),
        Err(error) => unsuitable(&reason(&error)),
    }
}

/// An error with its causes on one line.
fn reason(error: &PublishError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The digests of the listed blocks from the file of the disk, if that is there and is what the lock pins.
///
/// # Errors
/// [`PublishError::Interrupted`], or the error of the file.
pub(super) fn blocks(
    held: &[ListedBlock],
    hints: &Hints<'_>,
    monitor: Monitor<'_>,
) -> Result<Option<BTreeMap<u64, Digest>>, PublishError> {
    let Some((path, pinned)) = hints.base else { return Ok(None) };
    let failed = |source| PublishError::File { path: path.to_owned(), source };
    monitor.progress.begin("reading the disk of the parent", Some(readback::byte_len(held.len())));
    let read = digests(held, (path, pinned), monitor).map_err(failed);
    monitor.progress.end();
    if monitor.cancel.is_cancelled() {
        return Err(PublishError::Interrupted);
    }
    read
}

fn digests(
    held: &[ListedBlock],
    (path, pinned): (&Path, Digest),
    monitor: Monitor<'_>,
) -> io::Result<Option<BTreeMap<u64, Digest>>> {
    if file_digest(path, monitor.cancel)? != Some(pinned) {
        return Ok(None);
    }
    let medium = Medium::open(path).map_err(io::Error::other)?;
    let mut block = vec![0; BLOCK as usize];
    let mut digests = BTreeMap::new();
    for listed in held {
        if monitor.cancel.is_cancelled() {
            return Ok(None);
        }
        let start = listed.index.saturating_mul(BLOCK);
        let used = medium.size().saturating_sub(start).min(BLOCK) as usize;
        let (used, rest) = block.split_at_mut(used);
        rest.fill(0);
        medium.read_exact_at(start, used)?;
        digests.insert(listed.index, Digest::of(&block));
        monitor.progress.advance(BLOCK);
    }
    Ok(Some(digests))
}

/// The digest of a file; none for one that is not there, or when it is cancelled.
fn file_digest(path: &Path, cancel: &CancelToken) -> io::Result<Option<Digest>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    while !cancel.is_cancelled() {
        match file.read(&mut buffer)? {
            0 => return Ok(Some(Digest(hasher.finalize().into()))),
            len => hasher.update(&buffer[..len]),
        }
    }
    Ok(None)
}
