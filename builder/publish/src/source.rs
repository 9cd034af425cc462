//! What is uploaded: the image of a bundle, whose manifest knows every block, or a raw file, of which only the holes
//! are known.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_formats::read_at::ReadAt as _;
use amiforge_image::bundle;
use amiforge_image::image::{Block, BlockMap, BlockSpan};
use amiforge_image::inspect::Medium;
use amiforge_image::manifest::Manifest;
use amiforge_image::verify::DiskMap;

use super::api::ec2::Tags;
use super::error::PublishError;
use super::journal::UploadIdentity;
use super::tags;

/// Bytes of a GiB, of which volumes have a whole number.
const GIB: u64 = 1 << 30;

/// The largest volume.
const GIB_MAX: u64 = 65_536;

/// An image that is open.
#[derive(Debug)]
pub struct ImageSource {
    medium: Medium,
    bundle: Option<(Manifest, Digest)>,
    /// The state of a raw file, whose blocks no manifest knows.
    stamp: Option<SourceStamp>,
}

/// What changes when a file is written to: its length, and the times of its last change and of its last change of
/// attributes, in seconds and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SourceStamp {
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl SourceStamp {
    fn of(path: &Path) -> Result<Self, PublishError> {
        let failed = |source| PublishError::File { path: path.to_owned(), source };
        let data = std::fs::metadata(path).map_err(failed)?;
        let modified = (data.mtime(), data.mtime_nsec());
        Ok(Self { size: data.size(), modified, changed: (data.ctime(), data.ctime_nsec()) })
    }
}

/// What is known of neighbouring blocks before they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KnownRun {
    /// The first.
    pub(super) first: u64,
    /// How many.
    pub(super) count: u64,
    /// What they hold; nothing where that is only known when they were read.
    pub(super) block: Option<Block>,
}

impl ImageSource {
    /// Opens a bundle or a raw file.
    ///
    /// # Errors
    /// [`PublishError::Image`], [`PublishError::Manifest`], [`PublishError::File`], [`PublishError::Length`].
    pub fn open(path: &Path) -> Result<Self, PublishError> {
        let medium = Medium::open(path).map_err(PublishError::Image)?;
        let bundle =
            medium.bundle().map(|folder| read_manifest(&folder.join(bundle::MANIFEST))).transpose()?;
        let length = |expected| PublishError::Length {
            path: medium.path().to_owned(),
            found: medium.size(),
            expected,
        };
        match &bundle {
            Some((manifest, _)) if manifest.size != medium.size() => {
                return Err(length(format!("the manifest says {}", manifest.size)));
            }
            _ if medium.size() == 0 => return Err(length("a volume is at least one block long".to_owned())),
            _ if medium.size() > GIB_MAX * GIB => {
                return Err(length(format!("the largest volume has {GIB_MAX} GiB")));
            }
            _ => {}
        }
        let stamp = bundle.is_none().then(|| SourceStamp::of(medium.path())).transpose()?;
        Ok(Self { medium, bundle, stamp })
    }

    /// Refuses a raw file that was written to since it was opened. Blocks of a bundle are compared with its manifest
    /// one by one.
    ///
    /// # Errors
    /// [`PublishError::RawChanged`], [`PublishError::File`].
    pub(super) fn check_unchanged(&self) -> Result<(), PublishError> {
        let path = self.medium.path();
        match self.stamp {
            Some(stamp) if SourceStamp::of(path)? != stamp => {
                Err(PublishError::RawChanged { path: path.to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// The manifest, where there is one.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.bundle.as_ref().map(|(manifest, _)| manifest)
    }

    /// Digest of the manifest's text, where there is one.
    pub fn manifest_sha256(&self) -> Option<Digest> {
        self.bundle.as_ref().map(|(_, digest)| *digest)
    }

    /// Which image it is.
    pub fn identity(&self) -> UploadIdentity {
        match &self.bundle {
            Some((_, digest)) => UploadIdentity::Bundle { manifest: digest.to_string() },
            None => UploadIdentity::Raw { name: self.name() },
        }
    }

    /// The tags that say what a snapshot of it is: which image and version, and from which manifest.
    pub fn tags(&self) -> Tags {
        let Some((manifest, digest)) = &self.bundle else {
            return Tags::from([(tags::NAME.to_owned(), self.name())]);
        };
        let origin = &manifest.origin;
        let name = match &origin.version {
            Some(version) => format!("{}-{version}", origin.name),
            None => origin.name.clone(),
        };
        let mut tags = tags::of_manifest(manifest, *digest);
        tags.insert(tags::NAME.to_owned(), name);
        tags
    }

    /// The name of the bundle or file, without its folder.
    pub fn name(&self) -> String {
        let path = self.medium.bundle().unwrap_or(self.medium.path());
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        real.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.medium.size()
    }

    /// Length of the volume that takes it, in GiB.
    pub fn volume_gib(&self) -> u32 {
        self.medium.size().div_ceil(GIB) as u32
    }

    /// Fills a buffer of one block, the end of the last one with zeros.
    ///
    /// # Errors
    /// What the host says.
    pub(super) fn read(&self, index: u64, block: &mut [u8]) -> std::io::Result<()> {
        let start = index * BLOCK;
        let used = self.medium.size().saturating_sub(start).min(BLOCK) as usize;
        let (used, rest) = block.split_at_mut(used);
        rest.fill(0);
        self.medium.read_exact_at(start, used)
    }

    /// What is known of all blocks before any is read, in order.
    ///
    /// # Errors
    /// [`PublishError::File`] when the host does not tell the holes of a raw file.
    pub(super) fn known_runs(&self) -> Result<Vec<KnownRun>, PublishError> {
        if let Some((manifest, _)) = &self.bundle {
            return Ok(runs_of_manifest(manifest.blocks.runs()));
        }
        let failed = |source| PublishError::File { path: self.medium.path().to_owned(), source };
        let runs = self.medium.data_ranges(0, self.medium.size()).map_err(failed)?;
        Ok(runs_of_extents(&runs, BlockMap::count_for(self.medium.size())))
    }

    /// What lies in a block: partitions and files, in words. Slow: it reads the file systems.
    pub(super) fn locations(&self, index: u64) -> Vec<String> {
        let locations = self.disk_map();
        locations.map(|locations| locations.within(index * BLOCK, (index + 1) * BLOCK)).unwrap_or_default()
    }

    /// What lies where, if there is a manifest to tell.
    pub(super) fn disk_map(&self) -> Option<DiskMap> {
        self.bundle.as_ref().map(|(manifest, _)| DiskMap::of(&self.medium, manifest))
    }
}

/// Reads a manifest; also gives the digest of its text.
pub(super) fn read_manifest(path: &Path) -> Result<(Manifest, Digest), PublishError> {
    let path: PathBuf = path.to_owned();
    let text = amiforge_progress::regular::read(&path)
        .map_err(|source| PublishError::File { path: path.clone(), source })?;
    let manifest = Manifest::parse(&text).map_err(|source| PublishError::Manifest { path, source })?;
    Ok((manifest, Digest::of(&text)))
}

fn runs_of_manifest(runs: &[BlockSpan]) -> Vec<KnownRun> {
    let mut first = 0;
    let known_run = |run: &BlockSpan| {
        let known_run = KnownRun { first, count: run.count, block: Some(run.block) };
        first += run.count;
        known_run
    };
    runs.iter().map(known_run).collect()
}

/// Blocks that some stretch of bytes touches have to be read; what lies between are holes, which are zeros.
fn runs_of_extents(bytes: &[(u64, u64)], blocks: u64) -> Vec<KnownRun> {
    let mut runs: Vec<KnownRun> = Vec::new();
    let mut at = 0;
    let mut push = |first: u64, end: u64, block| {
        if first < end {
            runs.push(KnownRun { first, count: end - first, block });
        }
    };
    for &(start, end) in bytes {
        let (first, end) = ((start / BLOCK).max(at), end.div_ceil(BLOCK).min(blocks));
        push(at, first, Some(Block::Zero));
        push(first, end, None);
        at = at.max(end);
    }
    push(at, blocks, Some(Block::Zero));
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_zeros_and_blocks_that_bytes_touch_are_read() {
        let zero = |first, count| KnownRun { first, count, block: Some(Block::Zero) };
        let read = |first, count| KnownRun { first, count, block: None };
        assert_eq!(runs_of_extents(&[], 3), [zero(0, 3)]);
        assert_eq!(
            runs_of_extents(&[(0, 10), (20, BLOCK + 1), (5 * BLOCK, 6 * BLOCK)], 8),
            [read(0, 1), read(1, 1), zero(2, 3), read(5, 1), zero(6, 2)]
        );
        assert_eq!(runs_of_extents(&[(BLOCK, 2 * BLOCK + 7)], 3), [zero(0, 1), read(1, 2)]);
    }
}
