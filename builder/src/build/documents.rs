//! The bill of materials of an image that packages are in.

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_rootfs::blobs::Blobs;

use super::BuildError;
use super::workshop::Workshop;
use crate::bundle;
use crate::sbom::{self, Subject};

/// The texts by their names in the bundle, sorted; none where the recipe takes no packages.
pub(super) fn write(
    workshop: &Workshop<'_>,
    tree: &Tree,
    blobs: &Blobs,
    epoch: Time,
) -> Result<Vec<(&'static str, String)>, BuildError> {
    let Some(packages) = workshop.packages else { return Ok(Vec::new()) };
    workshop.watching.progress.begin("writing the bill of materials", None);
    let installed = sbom::installed(tree, blobs, &packages.lock.image).map_err(BuildError::Sbom)?;
    let inventory = sbom::inventory(tree, blobs, &installed).map_err(BuildError::Sbom)?;
    let archive = packages.deb.archives.first();
    let suite = archive.and_then(|archive| archive.suites.first());
    let subject = Subject {
        name: &workshop.recipe.image.name,
        version: workshop.recipe.image.version.as_deref().unwrap_or_default(),
        distribution: archive.map(|archive| archive.name.as_str()).unwrap_or_default(),
        suite: suite.map(String::as_str).unwrap_or_default(),
        created: epoch,
        tool: env!("CARGO_PKG_VERSION"),
    };
    let texts = vec![
        (bundle::CYCLONEDX, sbom::cyclonedx(&subject, &inventory)),
        (bundle::SPDX, sbom::spdx(&subject, &inventory)),
    ];
    workshop.watching.progress.end();
    Ok(texts)
}
