//! The bill of materials of an image that packages are in.

use std::error::Error;
use std::io;
use std::thread::ScopedJoinHandle;

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_image::bundle::{self, Document};
use amiforge_store::blobs::Blobs;

use super::BuildError;
use super::workshop::{Packages, Workshop};
use crate::sbom::{self, Subject};

/// A bill of materials that is to be written.
pub(super) struct Bill<'a> {
    packages: Packages<'a>,
    subject: Subject<'a>,
    tree: Tree,
}

impl<'a> Bill<'a> {
    /// That of a tree; none where the recipe takes no packages.
    pub(super) fn of(workshop: &Workshop<'a>, tree: &Tree, epoch: Time) -> Option<Self> {
        let packages = workshop.packages?;
        let release = packages.source.backend().release();
        let subject = Subject {
            name: &workshop.recipe.image.name,
            version: workshop.recipe.image.version.as_deref().unwrap_or_default(),
            distribution: release.distribution,
            suite: release.suite,
            created: epoch,
            tool: env!("CARGO_PKG_VERSION"),
        };
        Some(Self { packages, subject, tree: tree.clone() })
    }

    /// The texts by their names in the bundle, sorted.
    pub(super) fn write(&self, blobs: &Blobs) -> Result<Vec<Document>, BuildError> {
        let Self { packages, subject, tree } = self;
        let installed = sbom::installed(tree, blobs, &packages.lock.image).map_err(BuildError::Sbom)?;
        let inventory = sbom::inventory(tree, blobs, &installed).map_err(BuildError::Sbom)?;
        Ok(vec![
            (bundle::CYCLONEDX, sbom::cyclonedx(subject, &inventory)),
            (bundle::SPDX, sbom::spdx(subject, &inventory)),
        ])
    }
}

/// What a thread wrote.
pub(super) fn written(
    writing: Option<ScopedJoinHandle<'_, Result<Vec<Document>, BuildError>>>,
) -> Result<Vec<Document>, Box<dyn Error + Send + Sync>> {
    let Some(writing) = writing else { return Ok(Vec::new()) };
    let ended = || io::Error::other("the thread that writes it ended early");
    writing.join().unwrap_or_else(|_| Err(BuildError::Sbom(ended()))).map_err(Into::into)
}
