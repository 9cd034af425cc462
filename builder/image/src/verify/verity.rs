//! Verified partitions: every block of data against the hash tree behind it, and the tree against the manifest.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use amiforge_formats::digest::hex;
use amiforge_formats::read_at::Window;
use amiforge_formats::verity::check::{self, CheckedTree, DataCheck};
use amiforge_formats::verity::read::VerityReadError;
use amiforge_formats::verity::{BLOCK, HASHES};
use amiforge_progress::Monitor;

use super::disk_map::DiskMap;
use super::formats::title;
use super::{BundleDifference, VerifyReport};
use crate::disk::{VerityLayout, verity_guids};
use crate::image::EmitOptions;
use crate::inspect::{Medium, chain};
use crate::manifest::{Manifest, ManifestPartition};

/// Blocks of data that a thread checks at a time: 16 MiB.
const AT_ONCE: u64 = 32 * HASHES;

/// Most blocks of data that are named; further ones are counted.
const NAMED: usize = 100;

/// A verified partition and the one with its tree.
struct Verified<'a> {
    layout: &'a VerityLayout,
    data: &'a ManifestPartition,
    hash: &'a ManifestPartition,
}

/// Checks the verified partitions that the manifest names.
pub(super) fn check(
    medium: &Medium,
    manifest: &Manifest,
    options: EmitOptions,
    monitor: Monitor<'_>,
    report: &mut VerifyReport,
) {
    for layout in &manifest.verity {
        let partition = |id: &str| manifest.partitions.iter().find(|partition| partition.id == id);
        match (partition(&layout.data), partition(&layout.hash)) {
            (Some(data), Some(hash)) => {
                Verified { layout, data, hash }.check(medium, manifest, options, monitor, report);
            }
            _ => report.differences.push(BundleDifference::Manifest {
                reason: format!("`verity` names the partitions `{}` and `{}`", layout.data, layout.hash),
            }),
        }
    }
}

impl Verified<'_> {
    fn check(
        &self,
        medium: &Medium,
        manifest: &Manifest,
        options: EmitOptions,
        monitor: Monitor<'_>,
        report: &mut VerifyReport,
    ) {
        let location = format!("hash tree of {}", title(self.data));
        monitor.progress.begin("checking the hash tree", Some(self.data.len));
        match self.differing(medium, options, monitor, report) {
            Ok(blocks) => self.name(medium, manifest, &blocks, report),
            Err(error) => {
                let problem = chain(&error);
                report.differences.push(BundleDifference::Format { location: location.clone(), problem });
            }
        }
        monitor.progress.end();
        report.checked.push(location);
    }

    /// Compares tree and manifest, and gives the blocks of data that the tree does not bear out.
    fn differing(
        &self,
        medium: &Medium,
        options: EmitOptions,
        monitor: Monitor<'_>,
        report: &mut VerifyReport,
    ) -> Result<Vec<u64>, VerityReadError> {
        let window = |partition: &ManifestPartition, what| {
            Window::new(medium, partition.start, partition.len)
                .ok_or(VerityReadError::Io { what, source: io::ErrorKind::UnexpectedEof.into() })
        };
        let (data, hash) = (window(self.data, "the data")?, window(self.hash, "the hash tree")?);
        let tree = check::tree(&hash)?;
        self.compare(&tree, report);
        // The tree may be another one than the manifest's, which was said; the data is compared with what is there.
        let root = tree.root.unwrap_or(self.layout.root_hash);
        let check = DataCheck::new(&tree.superblock, &hash, root);
        in_parallel(&check, &data, options.threads.max(1), monitor)
    }

    /// Compares what the manifest says of the tree with what the tree has.
    fn compare(&self, tree: &CheckedTree, report: &mut VerifyReport) {
        let VerityLayout { root_hash, salt, data_blocks, .. } = self.layout;
        let location = title(self.hash);
        let mut differ = |key: &str, expected: String, found: String| {
            if expected != found {
                let (location, key) = (location.clone(), key.to_owned());
                report.differences.push(BundleDifference::Partition { location, key, expected, found });
            }
        };
        if let Some(root) = tree.root {
            differ("root hash", root_hash.to_string(), root.to_string());
        }
        differ("salt", hex(salt), hex(&tree.superblock.salt));
        differ("data blocks", data_blocks.to_string(), tree.superblock.data_blocks.to_string());
        differ("verified bytes", self.data.len.to_string(), tree.superblock.covered().to_string());
        let [data, hash] = verity_guids(root_hash);
        for (partition, expected) in [(self.data, data), (self.hash, hash)] {
            if partition.guid != expected {
                report.differences.push(BundleDifference::Format {
                    location: title(partition),
                    problem: format!("its GUID is {}, and the root hash makes it {expected}", partition.guid),
                });
            }
        }
    }

    /// Names blocks of data with the files in them.
    fn name(&self, medium: &Medium, manifest: &Manifest, blocks: &[u64], report: &mut VerifyReport) {
        if blocks.is_empty() {
            return;
        }
        let map = DiskMap::of(medium, manifest);
        for block in blocks.iter().take(NAMED) {
            let start = self.data.start.saturating_add(block.saturating_mul(BLOCK));
            let end = start.saturating_add(BLOCK);
            let locations = map.offsets(start, end);
            let location = title(self.data);
            report.differences.push(BundleDifference::Unverified {
                location,
                block: *block,
                start,
                end,
                locations,
            });
        }
        if let Some(more) = blocks.len().checked_sub(NAMED).filter(|more| *more > 0) {
            report.differences.push(BundleDifference::Format {
                location: title(self.data),
                problem: format!("{more} more blocks are not what its hash tree says"),
            });
        }
    }
}

/// Checks data on several threads; gives the blocks that differ, sorted.
fn in_parallel(
    check: &DataCheck<'_>,
    data: &Window<&Medium>,
    threads: usize,
    monitor: Monitor<'_>,
) -> Result<Vec<u64>, VerityReadError> {
    let blocks = check.superblock.data_blocks;
    let next = AtomicU64::new(0);
    let all = Mutex::new(Ok(Vec::new()));
    let work = || {
        loop {
            let from = next.fetch_add(1, Ordering::Relaxed).saturating_mul(AT_ONCE);
            let range: Range<u64> = from..from.saturating_add(AT_ONCE).min(blocks);
            if range.is_empty() || monitor.cancel.is_cancelled() {
                return;
            }
            let done = check.differing(data, range.clone());
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            match (all.as_mut(), done) {
                (Ok(all), Ok(own)) => all.extend(own),
                (Ok(_), Err(error)) => *all = Err(error),
                (Err(_), _) => return,
            }
            drop(all);
            monitor.progress.advance((range.end - range.start).saturating_mul(BLOCK));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let mut differing: Vec<u64> = all.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    differing.sort_unstable();
    Ok(differing)
}
