//! A map from ranges of a disk to partitions and files.
//!
//! The files are those that the readers see in the image as it is, so a damaged file system may have none.

use amiforge_formats::plan::SourceId;
use amiforge_formats::tree::{NodeKind, Origin, Printable, Tree};

use super::formats;
use crate::inspect::Medium;
use crate::manifest::{Manifest, ManifestPartition};

/// Most files that are named for a block; the others are counted.
const NAMED: usize = 8;

/// The partitions of a disk and the ranges of the files in them.
pub struct DiskMap {
    partitions: Vec<(ManifestPartition, Vec<FileExtent>)>,
}

/// A range of the disk with content of a file.
struct FileExtent {
    start: u64,
    end: u64,
    path: String,
    /// Where in the file it begins.
    offset: u64,
}

impl DiskMap {
    /// Reads the file systems that the manifest names.
    pub fn of(medium: &Medium, manifest: &Manifest) -> Self {
        let partitions = manifest.partitions.iter().map(|partition| {
            let tree = formats::slot(medium, partition).and_then(|slot| formats::tree(medium, &slot).ok()?);
            let mut extents = tree.map_or_else(Vec::new, |tree| file_extents(&tree, partition.start));
            extents.sort_by_key(|extent| extent.start);
            (partition.clone(), extents)
        });
        Self { partitions: partitions.collect() }
    }

    /// The files within a range of the disk, each with the byte of it where the range begins or the file does.
    pub fn offsets(&self, start: u64, end: u64) -> Vec<String> {
        let all = self.partitions.iter().flat_map(|(_, extents)| extents);
        let inside = all.filter(|extent| extent.start < end && start < extent.end);
        let text = |extent: &FileExtent| {
            let byte = extent.offset.saturating_add(start.saturating_sub(extent.start));
            format!("`{}` from byte {byte}", extent.path)
        };
        inside.take(NAMED).map(text).collect()
    }

    /// The partitions and files within a range of the disk, as text.
    pub fn within(&self, start: u64, end: u64) -> Vec<String> {
        let overlaps = |from: u64, to: u64| from < end && start < to;
        let inside = self.partitions.iter().filter(|(partition, _)| {
            overlaps(partition.start, partition.start.saturating_add(partition.len))
        });
        let mut names = Vec::new();
        for (partition, extents) in inside {
            names.push(formats::title(partition));
            let mut paths: Vec<_> =
                extents.iter().filter(|extent| overlaps(extent.start, extent.end)).map(|s| &s.path).collect();
            paths.dedup();
            names.extend(paths.iter().take(NAMED).map(|path| format!("`{path}`")));
            if paths.len() > NAMED {
                names.push(format!("{} more files", paths.len() - NAMED));
            }
        }
        names
    }
}

/// The ranges of the disk with contents of files of a tree, whose slices are counted from `base`.
fn file_extents(tree: &Tree, base: u64) -> Vec<FileExtent> {
    let mut found = Vec::new();
    for entry in tree.walk() {
        let NodeKind::File(content) = &tree.node(entry.id).kind else { continue };
        let path = format!("/{}", Printable(&entry.path));
        for segment in content.segments() {
            if let Origin::Slice { source: SourceId(_), at } = segment.origin {
                let start = base.saturating_add(at);
                let end = start.saturating_add(segment.len);
                found.push(FileExtent { start, end, path: path.clone(), offset: segment.offset });
            }
        }
    }
    found
}
