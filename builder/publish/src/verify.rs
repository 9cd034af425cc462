//! Verification of a snapshot from the service's side: which blocks it holds, and what they read back as, against the
//! manifest of a bundle, or against the tags that the upload left when there is no bundle at hand.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_image::image::{Block, BlockMap};
use amiforge_image::manifest::Manifest;
use amiforge_image::verify::BundleDifference;
use amiforge_progress::Monitor;
use serde::Serialize;

use super::api::{DescribedSnapshot, Ebs, ListedBlock, SnapshotCalls};
use super::error::PublishError;
use super::fault::ServiceErrorKind;
use super::readback::{self, RequestedBlock};
use super::services::Services;
use super::source::{self, ImageSource};
use super::tags;

/// What of a snapshot was verified and what differs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotReport {
    /// The snapshot.
    pub snapshot_id: String,
    /// Blocks that it holds.
    pub held: u64,
    /// Blocks that were read back.
    pub read: u64,
    /// What they were compared with.
    pub against: String,
    /// Everything that differs.
    pub differences: Vec<BundleDifference>,
}

/// How much to read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// Every block.
    All,
    /// So many of a hundred blocks, drawn by chance. That all blocks are there is looked at all the same.
    Percent(f64),
}

/// What a snapshot should hold.
enum ExpectedSnapshot {
    Manifest { manifest: Box<Manifest>, source: Option<Box<ImageSource>> },
    Root { root: String, blocks: u64 },
    Nothing,
}

/// Verifies a snapshot, or the one of an image's root volume.
///
/// # Errors
/// [`PublishError`] when something cannot be read; what reads and differs is in the report.
pub async fn verify<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    name: &str,
    bundle: Option<&Path>,
    sample: Sample,
    rate: u32,
    monitor: Monitor<'_>,
) -> Result<SnapshotReport, PublishError> {
    let services = &services.stopped_by(monitor.cancel);
    let snapshot = services.named(&services.resolve(name).await?).await?;
    let list = readback::list(services, &snapshot.id, monitor.cancel).await?;
    let expected = expected(&snapshot, list.volume_gib, bundle)?;
    let mut report = SnapshotReport {
        snapshot_id: snapshot.id.clone(),
        held: list.blocks.len() as u64,
        against: expected.words(),
        ..SnapshotReport::default()
    };
    let mut suspects = expected.absent(&snapshot, &list.blocks);
    let chosen = choose(services, list.blocks, sample);
    report.read = chosen.len() as u64;
    let found = read(services, &snapshot.id, chosen, rate, monitor).await?;
    suspects.extend(expected.unlike(&found));
    report.differences = expected.tell(suspects);
    if sample == Sample::All {
        report.differences.extend(expected.root(&found));
    }
    Ok(report)
}

/// What a block turned out to be: its digest, or why there is none.
type BlockResult = BTreeMap<u64, Result<Digest, String>>;

/// Something about a block that is not as it should be.
struct Suspect {
    block: u64,
    what: Wrong,
}

enum Wrong {
    Digest { expected: Digest, found: Digest },
    Absent { expected: Digest },
    Unwritten,
    Unread { reason: String },
}

fn expected(
    snapshot: &DescribedSnapshot,
    volume_gib: u64,
    bundle: Option<&Path>,
) -> Result<ExpectedSnapshot, PublishError> {
    if let Some(path) = bundle {
        let folder = path.is_dir();
        let text = if folder { path.join(amiforge_image::bundle::MANIFEST) } else { path.to_owned() };
        let (manifest, _) = source::read_manifest(&text)?;
        // Without the disk beside it the manifest still tells partitions, though not files.
        let disk = folder && path.join(amiforge_image::bundle::DISK).is_file();
        let source = if disk { Some(Box::new(ImageSource::open(path)?)) } else { None };
        return Ok(ExpectedSnapshot::Manifest { manifest: Box::new(manifest), source });
    }
    let Some(root) = snapshot.tags.get(tags::MERKLE_ROOT) else { return Ok(ExpectedSnapshot::Nothing) };
    let tagged = snapshot.tags.get(tags::BLOCKS).and_then(|blocks| blocks.parse().ok());
    let blocks = tagged.unwrap_or(volume_gib << 11).min(volume_gib << 11);
    Ok(ExpectedSnapshot::Root { root: root.clone(), blocks })
}

impl ExpectedSnapshot {
    fn words(&self) -> String {
        match self {
            Self::Manifest { manifest, .. } => format!("the manifest of `{}`", manifest.origin.name),
            Self::Root { .. } => format!("the tag {}", tags::MERKLE_ROOT),
            Self::Nothing => "the service's own checksums".to_owned(),
        }
    }

    /// What a manifest says of a block; zeros beyond its end.
    fn blocks(&self) -> Option<&BlockMap> {
        match self {
            Self::Manifest { manifest, .. } => Some(&manifest.blocks),
            _ => None,
        }
    }

    /// Blocks that should be held and are not.
    fn absent(&self, snapshot: &DescribedSnapshot, held: &[ListedBlock]) -> Vec<Suspect> {
        let Some(map) = self.blocks() else { return Vec::new() };
        let mut held = held.iter().map(|block| block.index).peekable();
        let mut suspects = Vec::new();
        for (block, expected) in (0..).zip(map.iter()) {
            while held.next_if(|index| *index < block).is_some() {}
            if held.peek() == Some(&block) {
                continue;
            }
            match expected {
                Block::Data(expected) => suspects.push(Suspect { block, what: Wrong::Absent { expected } }),
                Block::Zero if snapshot.encrypted => {
                    suspects.push(Suspect { block, what: Wrong::Unwritten });
                }
                _ => {}
            }
        }
        suspects
    }

    /// Blocks that were read and are not what they should be.
    fn unlike(&self, found: &BlockResult) -> Vec<Suspect> {
        let mut expected = (0..).zip(self.blocks().into_iter().flat_map(BlockMap::iter)).peekable();
        let mut suspects = Vec::new();
        for (&block, found) in found {
            while expected.next_if(|(index, _)| *index < block).is_some() {}
            let wanted =
                expected.peek().filter(|(index, _)| *index == block).map(|(_, wanted)| wanted.digest());
            let wanted = wanted.or_else(|| self.blocks().map(|_| Block::Zero.digest()));
            match found {
                Err(reason) => {
                    suspects.push(Suspect { block, what: Wrong::Unread { reason: reason.clone() } });
                }
                Ok(found) => match wanted {
                    Some(expected) if expected != *found => {
                        suspects.push(Suspect { block, what: Wrong::Digest { expected, found: *found } });
                    }
                    _ => {}
                },
            }
        }
        suspects
    }

    /// The suspects in words, with what lies in them.
    fn tell(&self, mut suspects: Vec<Suspect>) -> Vec<BundleDifference> {
        suspects.sort_by_key(|suspect| suspect.block);
        let Self::Manifest { manifest, source } = self else {
            return suspects.into_iter().map(|suspect| difference(suspect, Vec::new())).collect();
        };
        let mut places = source.as_ref().filter(|_| !suspects.is_empty()).map(|source| source.all_places());
        let mut within = |block: u64| {
            let (start, end) = (block * BLOCK, (block + 1) * BLOCK);
            match &mut places {
                Some(Some(places)) => places.within(start, end),
                _ => partitions(manifest, start, end),
            }
        };
        suspects
            .into_iter()
            .map(|suspect| {
                let places = within(suspect.block);
                difference(suspect, places)
            })
            .collect()
    }

    /// The Merkle root of what was read, where that is all that is known.
    fn root(&self, found: &BlockResult) -> Option<BundleDifference> {
        let Self::Root { root, blocks } = self else { return None };
        let mut map = BlockMap::default();
        for (index, digest) in found {
            if *index >= map.len() {
                map.push(Block::Zero, index - map.len());
            }
            // One that could not be read is told of already.
            map.push(Block::hashed(*digest.as_ref().ok()?), 1);
        }
        map.push(Block::Zero, blocks.saturating_sub(map.len()));
        let computed = map.merkle_root().to_string();
        (computed != *root).then(|| BundleDifference::MerkleRoot { expected: root.clone(), found: computed })
    }
}

/// The partitions that a range touches, in words.
fn partitions(manifest: &Manifest, start: u64, end: u64) -> Vec<String> {
    let touches = |from: u64, len: u64| from < end && start < from.saturating_add(len);
    let inside = manifest.partitions.iter().filter(|partition| touches(partition.start, partition.len));
    inside.map(|partition| format!("partition {} `{}`", partition.number, partition.id)).collect()
}

fn difference(suspect: Suspect, places: Vec<String>) -> BundleDifference {
    let block = suspect.block;
    let (start, end) = (block * BLOCK, (block + 1) * BLOCK);
    match suspect.what {
        Wrong::Digest { expected, found } => BundleDifference::Block {
            block,
            start,
            end,
            places,
            expected: expected.to_string(),
            found: found.to_string(),
        },
        Wrong::Absent { expected } => {
            BundleDifference::Absent { block, start, end, places, expected: expected.to_string() }
        }
        Wrong::Unwritten => BundleDifference::Unwritten { block, start, end, places },
        Wrong::Unread { reason } => BundleDifference::Unread { block, start, end, places, reason },
    }
}

/// The blocks to read.
fn choose<E, S>(services: &Services<E, S>, blocks: Vec<ListedBlock>, sample: Sample) -> Vec<ListedBlock> {
    match sample {
        Sample::All => blocks,
        Sample::Percent(percent) => {
            let limit = (percent / 100.0 * u64::MAX as f64) as u64;
            let chosen = |_: &ListedBlock| services.pace.chance() <= limit;
            blocks.into_iter().filter(chosen).collect()
        }
    }
}

/// Reads blocks and takes their digests. A block whose bytes are not what the service states is a finding.
async fn read<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    snapshot: &str,
    blocks: Vec<ListedBlock>,
    rate: u32,
    monitor: Monitor<'_>,
) -> Result<BlockResult, PublishError> {
    let found = Arc::new(Mutex::new(BlockResult::new()));
    let into = Arc::clone(&found);
    let take = move |read: RequestedBlock| {
        let digest = match read.bytes {
            Ok(fetched) => Ok(fetched.digest),
            Err(PublishError::Block { source, .. }) if source.fault.kind == ServiceErrorKind::Checksum => {
                Err(source.fault.to_string())
            }
            Err(error) => return Err(error),
        };
        into.lock().unwrap_or_else(PoisonError::into_inner).insert(read.index, digest);
        Ok(())
    };
    monitor.progress.begin("reading back", Some(readback::len(blocks.len())));
    let read = readback::each(services, snapshot, blocks, rate, take, monitor).await;
    monitor.progress.end();
    read?;
    let found = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(found)
}
