//! Verifies a snapshot as the service returns it: its list of blocks and their bytes, against the manifest of a bundle,
//! or without a bundle against the tags of the upload.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_handover::read::is_handover;
use amiforge_image::image::{Block, BlockMap};
use amiforge_image::manifest::Manifest;
use amiforge_image::verify::BundleDifference;
use amiforge_progress::Monitor;
use serde::Serialize;

use super::api::{DescribedSnapshot, Ebs, ListedBlock, SnapshotCalls};
use super::error::PublishError;
use super::readback::{self, RequestedBlock};
use super::service_error::ServiceErrorKind;
use super::services::Services;
use super::source::{self, ImageSource};
use super::tags;

/// The result of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotReport {
    /// The snapshot.
    pub snapshot_id: String,
    /// Blocks that it holds.
    pub held: u64,
    /// Blocks that were read back.
    pub read: u64,
    /// The name of the reference that they were compared with.
    pub against: String,
    /// All differences.
    pub differences: Vec<BundleDifference>,
}

/// Which blocks to read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// Every block.
    All,
    /// A random sample of this percentage. The list of blocks is checked completely.
    Percent(f64),
}

/// The reference for a snapshot.
enum ExpectedSnapshot {
    Manifest { manifest: Box<Manifest>, source: Option<Box<ImageSource>> },
    Blocks { name: String, blocks: BlockMap },
    Root { root: String, blocks: u64 },
    Unknown,
}

/// Verifies a snapshot, or the one of an image's root volume.
///
/// # Errors
/// [`PublishError`] when something cannot be read. Differences are in the report.
pub async fn verify<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    name: &str,
    bundle: Option<&Path>,
    sample: Sample,
    rate: u32,
    monitor: Monitor<'_>,
) -> Result<SnapshotReport, PublishError> {
    let services = &services.with_cancel(monitor.cancel);
    let snapshot = services.lookup_snapshot(&services.resolve_snapshot_id(name).await?).await?;
    compare(services, &snapshot, |snapshot, gib| expected(snapshot, gib, bundle), (sample, rate), monitor)
        .await
}

/// Verifies a snapshot against the blocks of a raw file with a name: reads every block.
///
/// # Errors
/// As [`verify`].
pub(crate) async fn verify_blocks<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    id: &str,
    (name, blocks): (&str, BlockMap),
    rate: u32,
    monitor: Monitor<'_>,
) -> Result<SnapshotReport, PublishError> {
    let snapshot = services.await_snapshot(id).await?;
    let expected = ExpectedSnapshot::Blocks { name: name.to_owned(), blocks };
    compare(services, &snapshot, |_, _| Ok(expected), (Sample::All, rate), monitor).await
}

/// Lists the blocks of a snapshot, reads those of the sample, and compares them with the reference that `expect` gives
/// for the size of the volume in GiB.
async fn compare<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    snapshot: &DescribedSnapshot,
    expect: impl FnOnce(&DescribedSnapshot, u64) -> Result<ExpectedSnapshot, PublishError>,
    (sample, rate): (Sample, u32),
    monitor: Monitor<'_>,
) -> Result<SnapshotReport, PublishError> {
    let list = readback::list_blocks(services, &snapshot.id, monitor.cancel).await?;
    let expected = expect(snapshot, list.volume_gib)?;
    let mut report = SnapshotReport {
        snapshot_id: snapshot.id.clone(),
        held: list.blocks.len() as u64,
        against: expected.label(),
        ..SnapshotReport::default()
    };
    let mut findings = expected.missing_blocks(snapshot, &list.blocks);
    let chosen = choose(services, list.blocks, sample);
    report.read = chosen.len() as u64;
    let results = read(services, &snapshot.id, chosen, rate, monitor).await?;
    findings.extend(expected.differing_blocks(&results));
    report.differences = expected.describe(findings);
    if sample == Sample::All {
        report.differences.extend(expected.compare_root(&results));
    }
    Ok(report)
}

/// The digest of each block, or why it has none.
type BlockResult = BTreeMap<u64, Result<Digest, String>>;

/// A difference in a block.
struct BlockFinding {
    block: u64,
    problem: BlockProblem,
}

enum BlockProblem {
    Digest { expected: Digest, actual: Digest },
    Absent { expected: Digest },
    Unwritten,
    Unread { reason: String },
}

fn expected(
    snapshot: &DescribedSnapshot,
    volume_gib: u64,
    bundle: Option<&Path>,
) -> Result<ExpectedSnapshot, PublishError> {
    if let Some(path) = bundle.filter(|path| is_handover(path)) {
        let source = ImageSource::open(path)?;
        let manifest = source.manifest().cloned();
        let manifest = manifest.ok_or_else(|| PublishError::Length {
            path: path.to_owned(),
            found: 0,
            expected: "a hand-over has a manifest".to_owned(),
        })?;
        return Ok(ExpectedSnapshot::Manifest {
            manifest: Box::new(manifest),
            source: Some(Box::new(source)),
        });
    }
    if let Some(path) = bundle {
        let folder = path.is_dir();
        let text = if folder { path.join(amiforge_image::bundle::MANIFEST) } else { path.to_owned() };
        let (manifest, _) = source::read_manifest(&text)?;
        // A manifest without its disk still has the partitions, but not the files.
        let disk = folder && path.join(amiforge_image::bundle::DISK).is_file();
        let source = if disk { Some(Box::new(ImageSource::open(path)?)) } else { None };
        return Ok(ExpectedSnapshot::Manifest { manifest: Box::new(manifest), source });
    }
    let Some(root) = snapshot.tags.get(tags::MERKLE_ROOT) else { return Ok(ExpectedSnapshot::Unknown) };
    let tagged = snapshot.tags.get(tags::BLOCKS).and_then(|blocks| blocks.parse().ok());
    let blocks = tagged.unwrap_or(volume_gib << 11).min(volume_gib << 11);
    Ok(ExpectedSnapshot::Root { root: root.clone(), blocks })
}

impl ExpectedSnapshot {
    fn label(&self) -> String {
        match self {
            Self::Manifest { manifest, .. } => format!("the manifest of `{}`", manifest.origin.name),
            Self::Blocks { name, .. } => format!("the blocks of `{name}`"),
            Self::Root { .. } => format!("the tag {}", tags::MERKLE_ROOT),
            Self::Unknown => "the service's own checksums".to_owned(),
        }
    }

    /// The blocks of the manifest; blocks beyond its end are zeros.
    fn blocks(&self) -> Option<&BlockMap> {
        match self {
            Self::Manifest { manifest, .. } => Some(&manifest.blocks),
            Self::Blocks { blocks, .. } => Some(blocks),
            _ => None,
        }
    }

    /// Blocks that the snapshot should hold and does not.
    fn missing_blocks(&self, snapshot: &DescribedSnapshot, held: &[ListedBlock]) -> Vec<BlockFinding> {
        let Some(map) = self.blocks() else { return Vec::new() };
        let mut held = held.iter().map(|block| block.index).peekable();
        let mut findings = Vec::new();
        for (block, expected) in (0..).zip(map.iter()) {
            while held.next_if(|index| *index < block).is_some() {}
            if held.peek() == Some(&block) {
                continue;
            }
            match expected {
                Block::Data(expected) => {
                    findings.push(BlockFinding { block, problem: BlockProblem::Absent { expected } });
                }
                Block::Zero if snapshot.encrypted => {
                    findings.push(BlockFinding { block, problem: BlockProblem::Unwritten });
                }
                _ => {}
            }
        }
        findings
    }

    /// Blocks that were read and differ.
    fn differing_blocks(&self, results: &BlockResult) -> Vec<BlockFinding> {
        let mut expected = (0..).zip(self.blocks().into_iter().flat_map(BlockMap::iter)).peekable();
        let mut findings = Vec::new();
        for (&block, result) in results {
            while expected.next_if(|(index, _)| *index < block).is_some() {}
            let expected_digest = expected
                .peek()
                .filter(|(index, _)| *index == block)
                .map(|(_, expected_digest)| expected_digest.digest());
            let expected_digest = expected_digest.or_else(|| self.blocks().map(|_| Block::Zero.digest()));
            match result {
                Err(reason) => {
                    findings.push(BlockFinding {
                        block,
                        problem: BlockProblem::Unread { reason: reason.clone() },
                    });
                }
                Ok(actual) => match expected_digest {
                    Some(expected) if expected != *actual => {
                        findings.push(BlockFinding {
                            block,
                            problem: BlockProblem::Digest { expected, actual: *actual },
                        });
                    }
                    _ => {}
                },
            }
        }
        findings
    }

    /// The findings as differences, with the partitions and files in each block.
    fn describe(&self, mut findings: Vec<BlockFinding>) -> Vec<BundleDifference> {
        findings.sort_by_key(|finding| finding.block);
        let Self::Manifest { manifest, source } = self else {
            return findings.into_iter().map(|finding| difference(finding, Vec::new())).collect();
        };
        let mut locations = source.as_ref().filter(|_| !findings.is_empty()).map(|source| source.disk_map());
        let mut locate = |block: u64| {
            let (start, end) = (block * BLOCK, (block + 1) * BLOCK);
            match &mut locations {
                Some(Some(locations)) => locations.within(start, end),
                _ => partitions(manifest, start, end),
            }
        };
        findings
            .into_iter()
            .map(|finding| {
                let locations = locate(finding.block);
                difference(finding, locations)
            })
            .collect()
    }

    /// Compares the Merkle root over the blocks, if nothing else is known.
    fn compare_root(&self, results: &BlockResult) -> Option<BundleDifference> {
        let Self::Root { root, blocks } = self else { return None };
        let mut map = BlockMap::default();
        for (index, digest) in results {
            if *index >= map.len() {
                map.push(Block::Zero, index - map.len());
            }
            // A block that could not be read is already reported.
            map.push(Block::hashed(*digest.as_ref().ok()?), 1);
        }
        map.push(Block::Zero, blocks.saturating_sub(map.len()));
        let computed = map.merkle_root().to_string();
        (computed != *root).then(|| BundleDifference::MerkleRoot { expected: root.clone(), found: computed })
    }
}

/// The partitions that overlap a range, as text.
fn partitions(manifest: &Manifest, start: u64, end: u64) -> Vec<String> {
    let touches = |from: u64, len: u64| from < end && start < from.saturating_add(len);
    let inside = manifest.partitions.iter().filter(|partition| touches(partition.start, partition.len));
    inside.map(|partition| format!("partition {} `{}`", partition.number, partition.id)).collect()
}

fn difference(finding: BlockFinding, locations: Vec<String>) -> BundleDifference {
    let block = finding.block;
    let (start, end) = (block * BLOCK, (block + 1) * BLOCK);
    match finding.problem {
        BlockProblem::Digest { expected, actual } => BundleDifference::Block {
            block,
            start,
            end,
            locations,
            expected: expected.to_string(),
            found: actual.to_string(),
        },
        BlockProblem::Absent { expected } => {
            BundleDifference::Absent { block, start, end, locations, expected: expected.to_string() }
        }
        BlockProblem::Unwritten => BundleDifference::Unwritten { block, start, end, locations },
        BlockProblem::Unread { reason } => BundleDifference::Unread { block, start, end, locations, reason },
    }
}

/// Chooses the blocks to read.
fn choose<E, S>(services: &Services<E, S>, blocks: Vec<ListedBlock>, sample: Sample) -> Vec<ListedBlock> {
    match sample {
        Sample::All => blocks,
        Sample::Percent(percent) => {
            let limit = (percent / 100.0 * u64::MAX as f64) as u64;
            let chosen = |_: &ListedBlock| services.timer.random() <= limit;
            blocks.into_iter().filter(chosen).collect()
        }
    }
}

/// Reads blocks and computes their digests. A block that does not match the service's checksum is a finding, not an
/// error.
async fn read<E: Ebs, S: SnapshotCalls>(
    services: &Services<E, S>,
    snapshot: &str,
    blocks: Vec<ListedBlock>,
    rate: u32,
    monitor: Monitor<'_>,
) -> Result<BlockResult, PublishError> {
    let results = Arc::new(Mutex::new(BlockResult::new()));
    let sink = Arc::clone(&results);
    let take = move |read: RequestedBlock| {
        let digest = match read.bytes {
            Ok(fetched) => Ok(fetched.digest),
            Err(PublishError::Block { source, .. }) if source.error.kind == ServiceErrorKind::Checksum => {
                Err(source.error.to_string())
            }
            Err(error) => return Err(error),
        };
        sink.lock().unwrap_or_else(PoisonError::into_inner).insert(read.index, digest);
        Ok(())
    };
    monitor.progress.begin("reading back", Some(readback::byte_len(blocks.len())));
    let read = readback::read_blocks(services, snapshot, blocks, rate, take, monitor).await;
    monitor.progress.end();
    read?;
    let results = std::mem::take(&mut *results.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(results)
}
