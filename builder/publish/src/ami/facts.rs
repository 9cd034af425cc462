//! The facts of a bundle or raw file that an AMI is made from: name, version, architecture, boot mode, and the tags
//! that identify the bundle. Reads manifests; calls no service.

use std::path::Path;

use super::AmiError;
use crate::api::ec2::Tags;
use crate::request::{Arch, ImageFacts, boot_mode_of, watermark_of};
use crate::source::ImageSource;
use crate::tags;

/// The tags that identify the bundle at a path.
///
/// # Errors
/// [`AmiError::Open`].
pub fn digests_of(path: &Path) -> Result<Tags, AmiError> {
    let opened =
        ImageSource::open(path).map_err(|source| AmiError::Open { path: path.to_owned(), source })?;
    Ok(digests(&opened))
}

/// The tags that identify a bundle; none for a raw file.
pub fn digests(source: &ImageSource) -> Tags {
    match (source.manifest(), source.manifest_sha256()) {
        (Some(manifest), Some(sha256)) => tags::of_manifest(manifest, sha256),
        _ => Tags::new(),
    }
}

/// The facts of a bundle or a raw file.
pub fn image_facts(source: &ImageSource) -> ImageFacts {
    let gib = Some(u64::from(source.volume_gib()));
    let Some(manifest) = source.manifest() else {
        return ImageFacts { gib, ..ImageFacts::default() };
    };
    let architecture = Arch::by_name(&manifest.origin.arch);
    ImageFacts {
        name: Some(manifest.origin.name.clone()),
        version: manifest.origin.version.clone(),
        content: manifest.merkle_root.to_string().get(..12).map(str::to_owned),
        architecture,
        boot_mode: architecture.and_then(|architecture| boot_mode_of(manifest, architecture)),
        gib,
        uefi_data: source.uefi_data().map(str::to_owned),
        measured: manifest.secure_boot.is_some() || !manifest.verity.is_empty(),
        tags: digests(source),
        watermark: Some(watermark_of(manifest)),
    }
}
