//! What every byte of an image is, and where it comes from.
//!
//! Reads the image through the readers of `formats` only: the partition table, and of each partition the map that its
//! format makes. Joins that with `origins.txt` of the bundle. Ranges neither overlap nor leave a gap: where structures do
//! not agree, the partition is one range that is not explained, with the reason. Maps are made when they are asked for.

mod coverage;
mod disk_map;
mod error;
mod offsets;
mod origin;
mod path;
mod report;
mod sections;

use std::ops::Range;
use std::path::Path;

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_formats::map::MappedRange;
use amiforge_formats::read_at::ReadAt as _;
use amiforge_progress::regular;

pub use coverage::{Coverage, CoverageRow, UnexplainedRange};
pub use error::ExplainError;
pub use offsets::parse_offsets;
pub use origin::ExplainedOrigin;
pub use path::ExplainedPath;
pub use report::{ExplainedRange, RangeReport};

use crate::bundle::{MANIFEST, ORIGINS};
use crate::inspect::{DiskView, InspectError, Medium};
use crate::manifest::Manifest;
use crate::origins::Origins;
use disk_map::ExplainedDisk;
use origin::OriginLookup;

/// An image that can be explained.
pub struct Explanation<'a> {
    medium: &'a Medium,
    disk: ExplainedDisk<'a>,
    origins: Option<OriginLookup>,
}

impl<'a> Explanation<'a> {
    /// Reads the partition table, and of a bundle the manifest and the origins, which the manifest has to bind.
    ///
    /// # Errors
    /// [`ExplainError`] when one of them cannot be read, or the origins are not those of the manifest.
    pub fn open(medium: &'a Medium) -> Result<Self, ExplainError> {
        let view = DiskView::read(medium).map_err(ExplainError::Inspect)?;
        let manifest = medium.bundle().map(manifest).transpose()?.flatten();
        let origins = match (&manifest, medium.bundle()) {
            (Some(manifest), Some(folder)) => origins(manifest, folder)?,
            _ => None,
        };
        let origins = origins.map(|origins| OriginLookup::new(origins, manifest.as_ref()));
        let disk = ExplainedDisk::new(medium, view, origins.as_ref())?;
        Ok(Self { medium, disk, origins })
    }

    /// Length of the image in bytes.
    pub fn size(&self) -> u64 {
        self.medium.size()
    }

    /// Whether the bundle says where its paths come from.
    pub fn has_origins(&self) -> bool {
        self.origins.is_some()
    }

    /// The ranges of a block of 512 KiB.
    ///
    /// # Errors
    /// [`ExplainError::NoBlock`], or the error of reading the image.
    pub fn block(&self, number: u64) -> Result<RangeReport, ExplainError> {
        let blocks = self.size().div_ceil(BLOCK);
        if number >= blocks {
            return Err(ExplainError::NoBlock { number, blocks });
        }
        let start = number * BLOCK;
        self.bytes(start..start.saturating_add(BLOCK).min(self.size()))
    }

    /// The ranges of some bytes, cut to them.
    ///
    /// # Errors
    /// [`ExplainError::NoBytes`], or the error of reading the image.
    pub fn bytes(&self, bytes: Range<u64>) -> Result<RangeReport, ExplainError> {
        if bytes.is_empty() || bytes.end > self.size() {
            return Err(ExplainError::NoBytes { start: bytes.start, end: bytes.end, len: self.size() });
        }
        let mut ranges = Vec::new();
        self.disk.visit(bytes.clone(), &mut |slot, range, text| {
            ranges.push(self.explained(slot, range, text.to_string()));
            Ok(())
        })?;
        self.check_zeros(&mut ranges)?;
        let explained = ranges.iter().all(ExplainedRange::is_explained);
        Ok(RangeReport { start: bytes.start, end: bytes.end, explained, ranges })
    }

    /// A range with its origin.
    fn explained(&self, slot: Option<usize>, range: &MappedRange, what: String) -> ExplainedRange {
        let mapped = slot.and_then(|slot| self.disk.slot(slot));
        let partition = mapped.map(|mapped| mapped.slot.title());
        let name = range.subject.node().and_then(|node| mapped.map(|mapped| mapped.map().node(node).clone()));
        let path = name.as_ref().and_then(|name| name.path().map(<[u8]>::to_vec));
        let number = mapped.and_then(|mapped| mapped.slot.number());
        let origin = self.origins.as_ref().map(|lookup| lookup.of(number, path.as_deref(), &range.subject));
        let writer = mapped.map_or("the partition table", |mapped| mapped.slot.content.name());
        ExplainedRange::new(range, what, (partition, path), origin, writer)
    }
}

/// The manifest of a bundle; none where there is no such file.
fn manifest(folder: &Path) -> Result<Option<Manifest>, ExplainError> {
    let path = folder.join(MANIFEST);
    if !path.exists() {
        return Ok(None);
    }
    let failed = |source| InspectError::Medium { path: path.clone(), source };
    let text = regular::read(&path).map_err(failed).map_err(ExplainError::Inspect)?;
    let manifest = Manifest::parse(&text);
    manifest.map(Some).map_err(|source| ExplainError::Manifest { path, source })
}

/// The origins of a bundle, compared with their digest in the manifest; none in a bundle of an older build.
fn origins(manifest: &Manifest, folder: &Path) -> Result<Option<Origins>, ExplainError> {
    let path = folder.join(ORIGINS);
    let Some(expected) = manifest.documents.get(ORIGINS) else { return Ok(None) };
    let failed = |source| InspectError::Medium { path: path.clone(), source };
    let text = regular::read(&path).map_err(failed).map_err(ExplainError::Inspect)?;
    let found = Digest::of(&text);
    if found != *expected {
        return Err(ExplainError::Unbound { path, expected: *expected, found });
    }
    Origins::parse(&text).map(Some).map_err(|source| ExplainError::Origins { path, source })
}

#[cfg(test)]
mod tests;
