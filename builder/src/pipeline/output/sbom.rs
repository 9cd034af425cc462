//! The bill of materials of an image that packages are in.

use std::io;

use amiforge_formats::path;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_image::bundle::{self, Document};
use amiforge_rootfs::sources::{SourceKind, SourceSpec};
use amiforge_store::blobs::Blobs;

use crate::pipeline::BuildError;
use crate::pipeline::layers::{LayerBuilder, PackageInputs};
use crate::sbom::{self, Subject};

/// Longest os-release that is read, in bytes.
const OS_RELEASE_MAX: usize = 64 << 10;

/// The texts by their names in the bundle, sorted; none where the recipe takes neither packages nor an image.
///
/// # Errors
/// [`BuildError::ReadTree`] when a file of the tree cannot be read.
pub(super) fn documents(
    builder: &LayerBuilder<'_>,
    tree: &Tree,
    epoch: Time,
    blobs: &Blobs,
) -> Result<Vec<Document>, BuildError> {
    let is_image = |source: &&SourceSpec| matches!(source.kind, SourceKind::Image { .. });
    let base = builder.recipe.sources.iter().find(is_image).map(|source| source.label.as_str());
    let (distribution, suite, locked) = match (builder.packages, base) {
        (Some(PackageInputs { lock, source }), _) => {
            let release = source.backend().release();
            (release.distribution.to_owned(), release.suite.to_owned(), lock.image.as_slice())
        }
        (None, Some(_)) => {
            let (distribution, suite) = os_release(tree, blobs).map_err(BuildError::ReadTree)?;
            (distribution, suite, &[][..])
        }
        (None, None) => return Ok(Vec::new()),
    };
    let image = &builder.recipe.image;
    let subject = Subject {
        name: &image.name,
        version: image.version.as_deref().unwrap_or_default(),
        distribution: &distribution,
        suite: &suite,
        created: epoch,
        tool: env!("CARGO_PKG_VERSION"),
        base,
    };
    let installed = sbom::installed(tree, blobs, locked).map_err(BuildError::ReadTree)?;
    let inventory = sbom::inventory(tree, blobs, &installed).map_err(BuildError::ReadTree)?;
    Ok(vec![
        (bundle::CYCLONEDX, sbom::cyclonedx(&subject, &inventory).into()),
        (bundle::SPDX, sbom::spdx(&subject, &inventory).into()),
    ])
}

/// The distribution of a tree and its release, as package URLs name them: `ID`, and `VERSION_CODENAME` where there is one, else
/// `VERSION_ID` (os-release(5), which also says what a missing `ID` means).
fn os_release(tree: &Tree, blobs: &Blobs) -> io::Result<(String, String)> {
    let mut text = None;
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        if text.is_none() {
            text = path::read(tree, blobs, path.as_bytes()).map_err(io::Error::other)?;
        }
    }
    let text = text.unwrap_or_default();
    let text = String::from_utf8_lossy(text.get(..OS_RELEASE_MAX).unwrap_or(&text)).into_owned();
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
        line.map(|value| value.trim_matches(['"', '\'']).to_owned()).filter(|value| !value.is_empty())
    };
    let suite = value("VERSION_CODENAME").or_else(|| value("VERSION_ID")).unwrap_or_default();
    Ok((value("ID").unwrap_or_else(|| "linux".to_owned()), suite))
}
