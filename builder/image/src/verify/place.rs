//! Where a block lies: in which partition, and in the contents of which files.
//!
//! The files are those that the readers see in the image as it is, so a damaged file system may tell none.

use amiforge_formats::plan::SourceId;
use amiforge_formats::tree::{NodeKind, Origin, Printable, Tree};

use super::formats;
use crate::inspect::Medium;
use crate::manifest::{Manifest, ManifestPartition};

/// Most files that are named for a block; the others are counted.
const NAMED: usize = 8;

/// What lies where on a disk.
pub struct DiskMap {
    partitions: Vec<(ManifestPartition, Vec<FileExtent>)>,
}

/// A stretch of a file's content on the disk.
struct FileExtent {
    start: u64,
    end: u64,
    path: String,
}

impl DiskMap {
    /// Looks where everything is.
    pub fn of(medium: &Medium, manifest: &Manifest) -> Self {
        let partitions = manifest.partitions.iter().map(|partition| {
            let tree = formats::slot(medium, partition).and_then(|slot| formats::tree(medium, &slot).ok()?);
            let mut stretches = tree.map_or_else(Vec::new, |tree| stretches(&tree, partition.start));
            stretches.sort_by_key(|stretch| stretch.start);
            (partition.clone(), stretches)
        });
        Self { partitions: partitions.collect() }
    }

    /// What lies within a range of the disk, in words.
    pub fn within(&self, start: u64, end: u64) -> Vec<String> {
        let overlaps = |from: u64, to: u64| from < end && start < to;
        let inside = self.partitions.iter().filter(|(partition, _)| {
            overlaps(partition.start, partition.start.saturating_add(partition.len))
        });
        let mut places = Vec::new();
        for (partition, stretches) in inside {
            places.push(formats::title(partition));
            let mut paths: Vec<_> = stretches
                .iter()
                .filter(|stretch| overlaps(stretch.start, stretch.end))
                .map(|s| &s.path)
                .collect();
            paths.dedup();
            places.extend(paths.iter().take(NAMED).map(|path| format!("`{path}`")));
            if paths.len() > NAMED {
                places.push(format!("{} more files", paths.len() - NAMED));
            }
        }
        places
    }
}

/// Where the contents of the files of a tree are on the disk; its slices are counted from `base`.
fn stretches(tree: &Tree, base: u64) -> Vec<FileExtent> {
    let mut found = Vec::new();
    for entry in tree.walk() {
        let NodeKind::File(content) = &tree.node(entry.id).kind else { continue };
        let path = format!("/{}", Printable(&entry.path));
        for segment in content.segments() {
            if let Origin::Slice { source: SourceId(_), at } = segment.origin {
                let start = base.saturating_add(at);
                found.push(FileExtent { start, end: start.saturating_add(segment.len), path: path.clone() });
            }
        }
    }
    found
}
