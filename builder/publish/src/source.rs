//! The image to upload: that of a bundle or a hand-over, whose manifest lists every block, or a raw file, of which only
//! the holes are known.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_formats::read_at::ReadAt as _;
use amiforge_formats::uefi_vars::{check_enrolment, decode_ec2};
use amiforge_handover::read::{Handover, is_handover};
use amiforge_image::bundle;
use amiforge_image::image::{Block, BlockMap, BlockSpan};
use amiforge_image::inspect::Medium;
use amiforge_image::manifest::Manifest;
use amiforge_image::verify::DiskMap;

use super::api::ec2::Tags;
use super::error::PublishError;
use super::journal::UploadIdentity;
use super::tags;

/// Bytes per GiB; volumes have whole GiB.
const GIB: u64 = 1 << 30;

/// Maximum size of a volume in GiB.
const GIB_MAX: u64 = 65_536;

/// An open image.
#[derive(Debug)]
pub struct ImageSource {
    medium: Medium,
    bundle: Option<(Manifest, Digest)>,
    /// The variables of a bundle that enrols Secure Boot, in base64.
    uefi_data: Option<String>,
    /// The stamp of a raw file; a bundle is checked by its manifest.
    stamp: Option<SourceStamp>,
    /// The manifest of the image whose blocks are left out, of a hand-over that is a delta.
    parent: Option<(Manifest, Digest)>,
    /// The documents of a hand-over.
    documents: BTreeMap<String, Vec<u8>>,
}

/// Detects modification of a file: its length, and the times of its last modification and status change, as seconds and
/// nanoseconds.
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

/// Adjacent blocks with the same known content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KnownRun {
    /// Index of the first block.
    pub(super) first: u64,
    /// Number of blocks.
    pub(super) count: u64,
    /// Their content; `None` if it is known only after reading them.
    pub(super) block: Option<Block>,
}

impl ImageSource {
    /// Opens a bundle, a hand-over or a raw file.
    ///
    /// # Errors
    /// [`PublishError::Image`], [`PublishError::Manifest`], [`PublishError::File`], [`PublishError::Length`],
    /// [`PublishError::Handover`].
    pub fn open(path: &Path) -> Result<Self, PublishError> {
        if is_handover(path) {
            return Self::open_handover(path);
        }
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
        let enrols = bundle.as_ref().is_some_and(|(manifest, _)| manifest.secure_boot.is_some());
        let folder = medium.bundle().filter(|_| enrols);
        let uefi_data = folder.map(|folder| read_uefi_data(folder, bundle.as_ref())).transpose()?;
        let stamp = bundle.is_none().then(|| SourceStamp::of(medium.path())).transpose()?;
        Ok(Self { medium, bundle, uefi_data, stamp, parent: None, documents: BTreeMap::new() })
    }

    /// Opens a hand-over, whose blocks are read without unpacking it.
    fn open_handover(path: &Path) -> Result<Self, PublishError> {
        let failed = |source| PublishError::Handover { path: path.to_owned(), source: Box::new(source) };
        let handover = Handover::open(path).map_err(failed)?;
        let contents = handover.contents();
        let named = &contents.manifest;
        let parent = contents.parent.as_ref().map(|parent| (parent.manifest.clone(), parent.sha256));
        let bundle = Some((named.manifest.clone(), named.sha256));
        let variables = contents.documents.get(bundle::UEFI_DATA).cloned();
        let size = named.manifest.size;
        if size == 0 || size > GIB_MAX * GIB {
            let expected = format!("a volume has at least one block and at most {GIB_MAX} GiB");
            return Err(PublishError::Length { path: path.to_owned(), found: size, expected });
        }
        let enrols = named.manifest.secure_boot.is_some();
        let uefi_data = variables.filter(|_| enrols);
        let uefi_data = uefi_data.map(|bytes| check_uefi_data(path, bytes, bundle.as_ref())).transpose()?;
        if enrols && uefi_data.is_none() {
            return Err(PublishError::UefiDataChanged { path: path.join(bundle::UEFI_DATA) });
        }
        let documents = contents.documents.clone();
        let medium = Medium::over(Box::new(handover), path);
        Ok(Self { medium, bundle, uefi_data, stamp: None, parent, documents })
    }

    /// The image, for those who read file systems in it.
    pub fn medium(&self) -> &Medium {
        &self.medium
    }

    /// The documents of a hand-over by their names, which agree with each other; none of a bundle or a raw file.
    pub fn documents(&self) -> Option<&BTreeMap<String, Vec<u8>>> {
        Some(&self.documents).filter(|documents| !documents.is_empty())
    }

    /// The manifest of the image that a delta continues, with the digest of its text: blocks that both have are not in it.
    pub fn required_parent(&self) -> Option<(&Manifest, Digest)> {
        self.parent.as_ref().map(|(manifest, digest)| (manifest, *digest))
    }

    /// Refuses a delta that is to be published without its parent.
    pub(super) fn refuse_without_parent(&self, given: Option<&str>) -> Result<(), PublishError> {
        match (&self.parent, given) {
            (Some((_, digest)), None) => Err(PublishError::Parent {
                parent: "none".to_owned(),
                reason: format!(
                    "the hand-over holds only what differs from the image with the manifest {digest}"
                ),
            }),
            _ => Ok(()),
        }
    }

    /// Refuses a raw file that was modified since it was opened. The blocks of a bundle are compared with its manifest
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

    /// The manifest of a bundle.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.bundle.as_ref().map(|(manifest, _)| manifest)
    }

    /// The variables that a bundle enrols Secure Boot with, in base64.
    pub fn uefi_data(&self) -> Option<&str> {
        self.uefi_data.as_deref()
    }

    /// Digest of the manifest's text.
    pub fn manifest_sha256(&self) -> Option<Digest> {
        self.bundle.as_ref().map(|(_, digest)| *digest)
    }

    /// The identity in the journal.
    pub fn identity(&self) -> UploadIdentity {
        match &self.bundle {
            Some((_, digest)) => UploadIdentity::Bundle { manifest: digest.to_string() },
            None => UploadIdentity::Raw { name: self.name() },
        }
    }

    /// The tags of its snapshot: image, version and manifest.
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

    /// The file name of the bundle or raw file.
    pub fn name(&self) -> String {
        let path = self.medium.bundle().unwrap_or(self.medium.path());
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        real.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.medium.size()
    }

    /// Size of its volume in GiB.
    pub fn volume_gib(&self) -> u32 {
        self.medium.size().div_ceil(GIB) as u32
    }

    /// Reads a block into a buffer; the last block is padded with zeros.
    ///
    /// # Errors
    /// Errors of the file.
    pub(super) fn read(&self, index: u64, block: &mut [u8]) -> std::io::Result<()> {
        let start = index * BLOCK;
        let used = self.medium.size().saturating_sub(start).min(BLOCK) as usize;
        let (used, rest) = block.split_at_mut(used);
        rest.fill(0);
        self.medium.read_exact_at(start, used)
    }

    /// The known content of all blocks, in order, without reading any.
    ///
    /// # Errors
    /// [`PublishError::File`] when the holes of a raw file cannot be listed.
    pub(super) fn known_runs(&self) -> Result<Vec<KnownRun>, PublishError> {
        if let Some((manifest, _)) = &self.bundle {
            return Ok(runs_of_manifest(manifest.blocks.runs()));
        }
        let failed = |source| PublishError::File { path: self.medium.path().to_owned(), source };
        let runs = self.medium.data_ranges(0, self.medium.size()).map_err(failed)?;
        Ok(runs_of_extents(&runs, BlockMap::count_for(self.medium.size())))
    }

    /// The partitions and files in a block, as text. Slow: it reads the file systems.
    pub(super) fn locations(&self, index: u64) -> Vec<String> {
        let locations = self.disk_map();
        locations.map(|locations| locations.within(index * BLOCK, (index + 1) * BLOCK)).unwrap_or_default()
    }

    /// The locations of all files, if there is a manifest.
    pub(super) fn disk_map(&self) -> Option<DiskMap> {
        self.bundle.as_ref().map(|(manifest, _)| DiskMap::of(&self.medium, manifest))
    }
}

/// Reads the variables of a bundle, which have to be those that its manifest binds, and enrol nothing but keys.
fn read_uefi_data(folder: &Path, bundle: Option<&(Manifest, Digest)>) -> Result<String, PublishError> {
    let path = folder.join(bundle::UEFI_DATA);
    let bytes = amiforge_progress::regular::read(&path)
        .map_err(|source| PublishError::File { path: path.clone(), source })?;
    check_uefi_data(&path, bytes, bundle)
}

/// Checks the variables of a bundle or a hand-over.
fn check_uefi_data(
    path: &Path,
    bytes: Vec<u8>,
    bundle: Option<&(Manifest, Digest)>,
) -> Result<String, PublishError> {
    let path = path.to_owned();
    let expected = bundle.and_then(|(manifest, _)| manifest.documents.get(bundle::UEFI_DATA));
    if expected != Some(&Digest::of(&bytes)) {
        return Err(PublishError::UefiDataChanged { path });
    }
    let text = String::from_utf8(bytes).map_err(|_| PublishError::UefiDataChanged { path: path.clone() })?;
    let checked = decode_ec2(&text).and_then(|variables| check_enrolment(&variables));
    checked.map_err(|source| PublishError::UefiData { path, source: Box::new(source) })?;
    Ok(text)
}

/// Reads a manifest; also returns the digest of its text.
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

/// Blocks that overlap an extent must be read; blocks between extents are holes, which read as zeros.
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
    fn holes_are_zeros_and_blocks_with_data_are_read() {
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
