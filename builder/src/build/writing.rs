//! From a disk that is laid out to a bundle: the image, its bill of materials beside it, and the checks of all inputs when
//! the last byte is written.

use std::error::Error;
use std::path::Path;

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;
use amiforge_image::bundle::{self, BundleParts};
use amiforge_image::disk::Disk;
use amiforge_image::image::{self, Emitted, KnownImage};
use amiforge_image::inspect::{InspectError, Medium};
use amiforge_image::manifest::{ImageOrigin, Manifest, Secret};
use amiforge_machine::preflight;
use amiforge_progress::Monitor;
use amiforge_rootfs::assemble::{Assembled, unchanged};
use amiforge_rootfs::normalize::RuleChange;
use amiforge_store::blobs::Blobs;

use super::documents::{self, Bill};
use super::host_files::HostFiles;
use super::kept::KeptLayers;
use super::recall::Recall;
use super::secrets::{self, KeptDependent};
use super::{BuildError, BuildOptions, origin};
use crate::recipe::Recipe;

/// A bundle that is to be written.
pub(super) struct BundleWriter<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) options: &'a BuildOptions,
    pub(super) disk: &'a Disk,
    pub(super) listing: &'a str,
    pub(super) bill: Option<Bill<'a>>,
    pub(super) secrets: SecretScan,
    pub(super) blobs: &'a Blobs,
    pub(super) recall: Recall<'a>,
}

/// Where secrets are looked for, while the image is written.
pub(super) struct SecretScan {
    /// All files of the image.
    pub(super) tree: Tree,
    /// What depends on random numbers, as far as it is still there.
    pub(super) dependents: Vec<KeptDependent>,
}

/// What the image is made from, to be checked once it is written, and what the manifest says of that.
pub(super) struct MadeFrom<'a> {
    pub(super) kept: KeptLayers,
    pub(super) assembled: Assembled,
    pub(super) host_files: HostFiles<'a>,
    pub(super) epoch: Time,
    pub(super) changes: Vec<RuleChange>,
    pub(super) skipped: Vec<String>,
}

impl BundleWriter<'_> {
    /// Writes it; gives its manifest, and what the image will not be able to do.
    pub(super) fn write(
        &self,
        mut made_from: MadeFrom<'_>,
        monitor: Monitor<'_>,
    ) -> Result<(Manifest, Vec<String>), BuildError> {
        let known = self.recall.known().filter(|_| made_from.kept.may_be_discarded());
        if known.is_none() {
            made_from.kept.start();
        }
        let mut found = None;
        let manifest = std::thread::scope(|scope| {
            let bill = self.bill.as_ref().map(|bill| scope.spawn(|| bill.write(self.blobs)));
            let secrets = scope.spawn(|| self.secrets());
            let parts = BundleParts {
                disk: self.disk,
                sources: self.blobs,
                origin: Box::new(|emitted| {
                    found = Some((emitted.known(), emitted.recalled));
                    let ended = || Err(BuildError::Secrets(std::io::Error::other("its thread ended early")));
                    let secrets = secrets.join().unwrap_or_else(|_| ended())?;
                    self.origin(made_from, secrets, emitted)
                }),
                listing: self.listing,
                documents: Box::new(|| documents::written(bill)),
                known,
            };
            let threads = image::EmitOptions { threads: self.options.threads.max(1) };
            bundle::write(&self.options.out, self.options.existing, parts, &threads, monitor)
        })?;
        let Some((_, recalled)) = found.filter(|_| self.recipe.boot.is_some()) else {
            self.keep(found, None);
            return Ok((manifest, Vec::new()));
        };
        if let Some(findings) = self.recall.findings().filter(|_| recalled) {
            return Ok((manifest, findings.to_vec()));
        }
        match preflighted(&self.options.out) {
            Ok(findings) => {
                self.keep(found, Some(&findings));
                Ok((manifest, findings))
            }
            // The image is whole already, so this is a warning too.
            Err(error) => {
                self.keep(found, None);
                let warning = format!("the image could not be looked at for what EC2 needs: {error}");
                Ok((manifest, vec![warning]))
            }
        }
    }

    /// Keeps what was found out of an image that was not known.
    fn keep(&self, found: Option<(KnownImage, bool)>, findings: Option<&[String]>) {
        if let Some((known, false)) = found {
            // The bundle is whole; where this fails the next build only takes longer.
            let _ = self.recall.keep(known, findings);
        }
    }

    /// The secrets in the image.
    fn secrets(&self) -> Result<Vec<Secret>, BuildError> {
        let SecretScan { tree, dependents } = &self.secrets;
        secrets::list(self.recipe, tree, self.blobs, dependents).map_err(BuildError::Secrets)
    }

    /// What the manifest says of the image's origin, if nothing of that changed meanwhile.
    fn origin(
        &self,
        made_from: MadeFrom<'_>,
        secrets: Vec<Secret>,
        emitted: &Emitted,
    ) -> Result<ImageOrigin, Box<dyn Error + Send + Sync>> {
        let MadeFrom { mut kept, mut assembled, host_files, epoch, changes, skipped } = made_from;
        if emitted.recalled {
            kept.discard();
        }
        assembled.record(&kept.join()?);
        unchanged(self.blobs)?;
        let inputs = origin::inputs(self.options, &assembled, &host_files);
        Ok(origin::origin(self.recipe, self.options, epoch, inputs, &changes, (secrets, skipped)))
    }
}

/// What EC2 will miss in an image that is to boot, as found in its bytes.
fn preflighted(bundle: &Path) -> Result<Vec<String>, InspectError> {
    let report = Medium::open(bundle).and_then(|medium| preflight::starts(&medium))?;
    Ok(report.findings.iter().map(ToString::to_string).collect())
}
