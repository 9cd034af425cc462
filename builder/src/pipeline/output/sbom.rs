//! The bill of materials of an image that packages are in.

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_image::bundle::{self, Document};
use amiforge_store::blobs::Blobs;

use crate::pipeline::BuildError;
use crate::pipeline::layers::{LayerBuilder, PackageInputs};
use crate::sbom::{self, Subject};

/// The texts by their names in the bundle, sorted; none where the recipe takes no packages.
///
/// # Errors
/// [`BuildError::Sbom`] when a file of the tree cannot be read.
pub(super) fn documents(
    builder: &LayerBuilder<'_>,
    tree: &Tree,
    epoch: Time,
    blobs: &Blobs,
) -> Result<Vec<Document>, BuildError> {
    let Some(PackageInputs { lock, source }) = builder.packages else { return Ok(Vec::new()) };
    let image = &builder.recipe.image;
    let release = source.backend().release();
    let subject = Subject {
        name: &image.name,
        version: image.version.as_deref().unwrap_or_default(),
        distribution: release.distribution,
        suite: release.suite,
        created: epoch,
        tool: env!("CARGO_PKG_VERSION"),
    };
    let installed = sbom::installed(tree, blobs, &lock.image).map_err(BuildError::Sbom)?;
    let inventory = sbom::inventory(tree, blobs, &installed).map_err(BuildError::Sbom)?;
    Ok(vec![
        (bundle::CYCLONEDX, sbom::cyclonedx(&subject, &inventory).into()),
        (bundle::SPDX, sbom::spdx(&subject, &inventory).into()),
    ])
}
