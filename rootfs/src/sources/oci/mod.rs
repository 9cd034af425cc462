//! OCI images as sources: an image layout, as a folder or an archive (OCI image format specification 1.1), or what
//! `docker save` writes. Index, manifest, config and layers, each held against the digest and size by which the one
//! before names it. Network, registries and running containers are not its business.
//!
//! One image and one platform are picked; where that is not clear, it is refused with the list of choices.
//! Layers override each other as the specification says; see [`super::tar::layer`].

mod blobs;
mod error;
mod model;
mod pick;
mod platform;

use amiforge_store::blobs::Blobs;
use amiforge_store::deferred::Deferred;

use self::blobs::{OciBlob, OciBlobs};
pub use self::error::OciError;
use self::model::OciDescriptor;
use self::pick::OciLayer;
use super::archive::{FileRange, OpenedSource, Opening};
use super::expand::Compression;
use super::indexed::{Indexed, Inserter, OnDuplicate};
use super::tar::{self, ArchiveLocation};
use super::warning::Tally;
use super::{DigestPin, SourceError, SourceSpec};

/// Checks a platform as a recipe names it.
///
/// # Errors
/// [`OciError::NotAPlatform`].
pub fn check_platform(text: &str) -> Result<(), OciError> {
    platform::PlatformRequest::parse(text).map(|_| ())
}

/// Opens an image and lays its layers over each other.
pub(super) fn open(
    opening: &Opening<'_>,
    spec: &SourceSpec,
    path: &std::path::Path,
    platform: &str,
    reference: Option<&str>,
    blobs: &mut Blobs,
) -> Result<OpenedSource, SourceError> {
    let mut deferred = Deferred::new();
    let mut parts = OciBlobs::open(opening, path, blobs, &mut deferred)?;
    let image = pick::image(&parts, platform, reference)?;
    let pinned = match spec.pin {
        DigestPin::Exact(expected) if expected != image.digest => {
            return Err(SourceError::Digest { expected, actual: image.digest });
        }
        DigestPin::Exact(_) => true,
        _ => false,
    };
    let mut inserter = Inserter::new(OnDuplicate::ReplaceLower);
    let (mut size, mut tally) = (image.size, Tally::default());
    for (layer, number) in image.layers.iter().zip(1..) {
        let opened = open_layer(opening, &mut parts, layer, number, blobs, &mut deferred)?;
        size = size.saturating_add(opened.size);
        inserter.next_layer();
        let bytes = FileRange { file: &opened.file, at: opened.location.at, len: opened.len };
        let read = tar::layer(&bytes, opened.location, &mut inserter, opening.monitor);
        tally.add(read.map_err(|error| OciError::Layer {
            number,
            digest: layer.diff_id,
            source: Box::new(error),
        })?);
    }
    let size = parts.size().unwrap_or(size);
    let indexed = Indexed { warnings: tally.warnings(), ..inserter.finish() };
    let (sha256, config) = (Some(image.digest), Some(image.config));
    Ok(OpenedSource { indexed, kind: "oci", size, sha256, pinned, deferred, config, disk: None })
}

/// An uncompressed layer in a file.
struct OpenedLayer {
    file: std::fs::File,
    location: ArchiveLocation,
    len: u64,
    /// Length as the image holds it.
    size: u64,
}

/// Finds a layer, has it decompressed if need be, and its digests checked now or later.
fn open_layer(
    opening: &Opening<'_>,
    parts: &mut OciBlobs,
    layer: &OciLayer,
    number: usize,
    blobs: &mut Blobs,
    deferred: &mut Deferred,
) -> Result<OpenedLayer, SourceError> {
    let OciBlob { file, path, at, len } = parts.blob(&layer.name)?;
    let size = len;
    let what = format!("layer {number}");
    if let Some(OciDescriptor { size: expected, .. }) = &layer.descriptor
        && *expected != len
    {
        return Err(OciError::Size { what, expected: *expected, actual: len }.into());
    }
    let range = FileRange { file: &file, at, len };
    let reading = |source| OciError::Read { name: layer.name.clone(), source };
    let start = super::archive::start(&range).map_err(reading)?;
    let known = layer.digest;
    let check = |deferred: &mut Deferred, expected| {
        let file = file.try_clone().map_err(reading)?;
        deferred.check_part((file, at, len), &what, expected);
        Ok::<_, OciError>(())
    };
    if start.first_chunk().is_some_and(tar::is_tar) {
        if let Some(actual) = known.filter(|digest| *digest != layer.diff_id) {
            let what = format!("{what}, uncompressed,");
            return Err(OciError::Digest { what, expected: layer.diff_id, actual }.into());
        }
        check(deferred, layer.diff_id)?;
        let source = parts.source(&path, &file, blobs).map_err(reading)?;
        return Ok(OpenedLayer { file, location: ArchiveLocation { source, at }, len, size });
    }
    let Some(format) = Compression::of(&start) else { return Err(OciError::LayerContent { number }.into()) };
    let mut own = Deferred::new();
    let (entry, actual) = opening.decompressed(&range, format, known, &mut own)?;
    let from_store = own.has_checks();
    deferred.append(own);
    if let Some(expected) = known {
        if expected != actual {
            return Err(OciError::Digest { what, expected, actual }.into());
        }
        // From the store by the digest in the manifest: then the layer's own bytes have not been checked yet.
        if from_store {
            check(deferred, expected)?;
        }
    }
    if entry.digest != layer.diff_id {
        let what = format!("{what}, uncompressed,");
        return Err(OciError::Digest { what, expected: layer.diff_id, actual: entry.digest }.into());
    }
    let source = blobs.add_entry(entry.file.try_clone().map_err(reading)?, &entry.path);
    Ok(OpenedLayer { file: entry.file, location: ArchiveLocation { source, at: 0 }, len: entry.len, size })
}
