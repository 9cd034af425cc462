//! The parent of an upload: its choice, its suitability, and the digests of its blocks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use amiforge_formats::digest::Digest;
use amiforge_image::bundle;
use amiforge_image::image::{Block, BlockMap};
use amiforge_image::manifest::Manifest;
use amiforge_progress::{Monitor, Progress};

use super::base;
use super::hints::Hints;
use super::options::{ParentChoice, UploadOptions};
use crate::api::{DescribedSnapshot, Ebs, Encryption, ListedBlock, SnapshotCalls, SnapshotState, Tier};
use crate::error::{PublishError, call_failed};
use crate::readback::{self, RequestedBlock};
use crate::retry::{CallStep, NoObserver, retry};
use crate::services::Services;
use crate::source::{self, ImageSource};
use crate::tags;

/// A parent and its blocks; without an id there is no parent.
#[derive(Debug, Clone, Default)]
pub(super) struct Parent {
    /// The snapshot.
    pub(super) id: Option<String>,
    /// Digests of its blocks, by index.
    pub(super) blocks: BTreeMap<u64, Digest>,
}

/// The path of the manifest of a snapshot that was uploaded from here.
pub(super) fn manifest_path(folder: &Path, snapshot: &str) -> PathBuf {
    folder.join(format!("{snapshot}.manifest.json"))
}

/// Chooses the parent. Refuses a snapshot that the service would refuse, or that is too large for the image.
pub(super) async fn choose<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    choice: &ParentChoice,
    source: &ImageSource,
    options: &UploadOptions,
    encrypts_by_default: bool,
    progress: &dyn Progress,
) -> Result<Option<DescribedSnapshot>, PublishError> {
    match choice {
        ParentChoice::Id(name) => {
            let snapshot = services.lookup_snapshot(&services.resolve_snapshot_id(name).await?).await?;
            match unfit_reason(&snapshot, source, options, encrypts_by_default) {
                Some(reason) => Err(PublishError::Parent { parent: name.clone(), reason }),
                None => Ok(Some(snapshot)),
            }
        }
        ParentChoice::Newest => newest(services, source, options, encrypts_by_default, progress).await,
    }
}

/// The newest version of an image that fits, or the snapshot whose disk it keeps.
async fn newest<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    source: &ImageSource,
    options: &UploadOptions,
    encrypts_by_default: bool,
    progress: &dyn Progress,
) -> Result<Option<DescribedSnapshot>, PublishError> {
    let Some(manifest) = source.manifest() else {
        let reason = "a raw file has no image name by which to find earlier versions".to_owned();
        return Err(PublishError::Parent { parent: "auto".to_owned(), reason });
    };
    let name = &manifest.origin.name;
    let tags = [(tags::IMAGE, name.as_str())];
    let candidates = retry(&services.timer, CallStep::Idempotent, &NoObserver, || {
        services.ec2.describe_tagged_snapshots(&tags)
    })
    .await;
    let mut candidates = candidates.map_err(call_failed(format!("looking for versions of `{name}`")))?;
    candidates.sort_by_key(|snapshot| std::cmp::Reverse((snapshot.started, snapshot.id.clone())));
    let unfit = |one: &DescribedSnapshot| unfit_reason(one, source, options, encrypts_by_default);
    let of_disk = |one: &DescribedSnapshot| base::has_same_base(one, source);
    let best = candidates.iter().position(|one| of_disk(one) && unfit(one).is_none());
    let base = match best {
        Some(_) => None,
        None => base::snapshot(services, source, unfit, progress).await?,
    };
    if base.is_some() {
        return Ok(base);
    }
    let best = best.or_else(|| candidates.iter().position(|one| unfit(one).is_none()));
    let fitting = best.map(|best| candidates.swap_remove(best));
    progress.message(&match &fitting {
        Some(parent) => {
            format!("the parent is {}, the newest version of `{name}` that fits", parent.id)
        }
        None if source.required_parent().is_some() => {
            format!("no version of `{name}` fits as the parent of the hand-over")
        }
        None => format!("no version of `{name}` fits as a parent: everything is sent"),
    });
    match (&fitting, source.required_parent()) {
        (None, Some((_, expected))) => Err(PublishError::Parent {
            parent: "auto".to_owned(),
            reason: format!(
                "no snapshot that fits has the tag `{}` with {expected}, which the hand-over continues",
                tags::MANIFEST
            ),
        }),
        _ => Ok(fitting),
    }
}

/// Why a snapshot cannot be the parent; `None` if it can.
fn unfit_reason(
    snapshot: &DescribedSnapshot,
    source: &ImageSource,
    options: &UploadOptions,
    encrypts_by_default: bool,
) -> Option<String> {
    let volume = u64::from(source.volume_gib());
    if snapshot.state != SnapshotState::Completed {
        Some(format!("it is {}, not completed", snapshot.state.as_str()))
    } else if snapshot.tier == Tier::Archive {
        Some("it is archived: `amiforge snapshot restore` brings it back".to_owned())
    } else if snapshot.volume_gib > volume {
        Some(format!(
            "its volume has {} GiB, and the image's has {volume}: a child cannot be smaller",
            snapshot.volume_gib
        ))
    } else if options.encryption != Encryption::AsAccount {
        Some("a child is encrypted as its parent is, so nothing may be asked of encryption".to_owned())
    } else if encrypts_by_default && !snapshot.encrypted {
        Some("it is not encrypted, and the account encrypts by default".to_owned())
    } else {
        not_of_delta(snapshot, source)
    }
}

/// Why a snapshot is not the one that a delta continues. Its tag has to say so: blocks that are not in the delta have to
/// be in the snapshot.
fn not_of_delta(snapshot: &DescribedSnapshot, source: &ImageSource) -> Option<String> {
    let (_, expected) = source.required_parent()?;
    match snapshot.tags.get(tags::MANIFEST) {
        Some(tag) if *tag == expected.to_string() => None,
        Some(tag) => Some(format!(
            "its tag says that it was made from the manifest {tag}, and the hand-over continues {expected}"
        )),
        None => Some(format!(
            "it has no tag `{}`, and the hand-over continues the image with the manifest {expected}",
            tags::MANIFEST
        )),
    }
}

/// Loads the digests of the parent's blocks: from the manifest that it was made from, or by reading it back.
pub(super) async fn load<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    id: &str,
    hints: &Hints<'_>,
    monitor: Monitor<'_>,
) -> Result<Parent, PublishError> {
    let held = readback::list_blocks(services, id, monitor.cancel).await?.blocks;
    let snapshot = services.await_snapshot(id).await?;
    let blocks = match from_manifest(&snapshot, &held, hints)? {
        Some(blocks) => blocks,
        None => match base::blocks(&held, hints, monitor)? {
            Some(blocks) => blocks,
            None => read_back(services, id, held, hints, monitor).await?,
        },
    };
    Ok(Parent { id: Some(id.to_owned()), blocks })
}

/// The digests of the snapshot's blocks from a manifest, if one is known.
fn from_manifest(
    snapshot: &DescribedSnapshot,
    held: &[ListedBlock],
    hints: &Hints<'_>,
) -> Result<Option<BTreeMap<u64, Digest>>, PublishError> {
    if let Some((manifest, digest)) = hints.manifest {
        return listed_blocks(snapshot, held, (manifest, digest), "the hand-over").map(Some);
    }
    let own = manifest_path(hints.folder, &snapshot.id);
    let path = match hints.bundle {
        Some(bundle) if bundle.is_dir() => bundle.join(bundle::MANIFEST),
        Some(manifest) => manifest.to_owned(),
        None if own.is_file() => own,
        None => return Ok(None),
    };
    let (manifest, digest) = source::read_manifest(&path)?;
    listed_blocks(snapshot, held, (&manifest, digest), &path.display().to_string()).map(Some)
}

/// The digests that a manifest has for the blocks of its snapshot. `shown` is what has the manifest.
fn listed_blocks(
    snapshot: &DescribedSnapshot,
    held: &[ListedBlock],
    (manifest, digest): (&Manifest, Digest),
    shown: &str,
) -> Result<BTreeMap<u64, Digest>, PublishError> {
    let mismatch = |reason: String| PublishError::Parent { parent: snapshot.id.clone(), reason };
    if let Some(tag) = snapshot.tags.get(tags::MANIFEST)
        && *tag != digest.to_string()
    {
        return Err(mismatch(format!(
            "its tag says that it was made from the manifest {tag}, and `{shown}` is {digest}"
        )));
    }
    let blocks = digests_of_listed(&manifest.blocks, held);
    let data = manifest.blocks.iter().filter(|block| matches!(block, Block::Data(_))).count();
    let listed = blocks.values().filter(|digest| **digest != Block::Zero.digest()).count();
    if listed != data || blocks.len() != held.len() {
        return Err(mismatch(format!("it does not hold the blocks of `{shown}`")));
    }
    Ok(blocks)
}

/// The digests that a block map has for the listed blocks.
fn digests_of_listed(map: &BlockMap, held: &[ListedBlock]) -> BTreeMap<u64, Digest> {
    let mut blocks = BTreeMap::new();
    let mut held = held.iter().peekable();
    let mut first = 0;
    for run in map.runs() {
        let end = first + run.count;
        while let Some(listed) = held.next_if(|listed| listed.index < end) {
            blocks.insert(listed.index, run.block.digest());
        }
        first = end;
    }
    blocks
}

async fn read_back<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    id: &str,
    held: Vec<ListedBlock>,
    hints: &Hints<'_>,
    monitor: Monitor<'_>,
) -> Result<BTreeMap<u64, Digest>, PublishError> {
    let blocks = Arc::new(Mutex::new(BTreeMap::new()));
    let sink = Arc::clone(&blocks);
    let take = move |read: RequestedBlock| {
        let fetched = read.bytes?;
        sink.lock().unwrap_or_else(PoisonError::into_inner).insert(read.index, fetched.digest);
        Ok(())
    };
    monitor.progress.begin("reading the parent", Some(readback::byte_len(held.len())));
    let read = readback::read_blocks(services, id, held, hints.rate, take, monitor).await;
    monitor.progress.end();
    read?;
    let blocks = std::mem::take(&mut *blocks.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(blocks)
}
