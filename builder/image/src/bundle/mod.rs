//! The bundle: the directory that a build leaves. `disk.raw`, `manifest.json`, `tree.txt` and `SHA256SUMS`, and where
//! packages are in the image its bill of materials.
//!
//! Owns the names of its files and its way to its path: everything is written in a staging directory beside it that is
//! renamed as a whole, so a half-written bundle never has the final name. Knows no recipe.

mod error;
mod names;
mod staging;
mod sums;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::{Plan, Sources};
use amiforge_progress::{CancelToken, Monitor};

use crate::disk::Disk;
use crate::image::{self, EmitError, EmitOptions, Emitted, KnownImage};
use crate::manifest::{ImageOrigin, Manifest};

pub use error::{BundleError, ExistingBundle};
pub(crate) use names::names;
pub use names::{CYCLONEDX, DISK, DOCUMENTS, FILES, MANIFEST, MEASUREMENTS, SPDX, SUMS, TREE};
pub use sums::{SumLine, SumsError, parse as parse_sums};

/// A further text with its name, which is one of [`DOCUMENTS`].
pub type Document = (&'static str, String);

/// What a bundle holds beside the image.
#[derive(Debug)]
pub struct BundleTexts<'a> {
    /// What the manifest says of the image's origin.
    pub origin: ImageOrigin,
    /// The text of `tree.txt`.
    pub listing: &'a str,
    /// Further texts, sorted by name.
    pub documents: &'a [Document],
}

/// A bundle that is being written, in a directory beside its place. Dropped before [`BundleWriter::finish`], it leaves
/// nothing.
#[derive(Debug)]
pub struct BundleWriter {
    staging: staging::StagingDir,
}

/// Checks that a bundle may be written at `out`, before any work is done for it.
///
/// # Errors
/// [`BundleError::Exists`], [`BundleError::NotABundle`].
pub fn check_vacant(out: &Path, existing: ExistingBundle) -> Result<(), BundleError> {
    staging::check_taken(out, existing)
}

/// The path that a bundle at `out` really gets. Where one may be replaced, `out` may be a link to it, which stays.
///
/// # Errors
/// [`BundleError::Link`] when the link leads to no directory.
pub fn resolve(out: &Path, existing: ExistingBundle) -> Result<PathBuf, BundleError> {
    match existing {
        ExistingBundle::Refuse => Ok(out.to_owned()),
        ExistingBundle::Replace => staging::resolve(out),
    }
}

impl BundleWriter {
    /// Starts a bundle at `out`.
    ///
    /// # Errors
    /// [`BundleError`] when the name is taken, or another build writes there.
    pub fn open(out: &Path, existing: ExistingBundle) -> Result<Self, BundleError> {
        Ok(Self { staging: staging::StagingDir::open(out, existing)? })
    }

    /// Writes the image of a plan, with digests taken in the same pass. Inputs may be checked once this returns: the last
    /// of their bytes has been read.
    ///
    /// # Errors
    /// [`BundleError::Image`].
    pub fn write_image(
        &self,
        plan: &Plan,
        sources: &dyn Sources,
        options: &EmitOptions,
        known: Option<KnownImage>,
        monitor: Monitor<'_>,
    ) -> Result<Emitted, BundleError> {
        image::emit(plan, sources, &self.path(DISK), options, known, monitor).map_err(BundleError::Image)
    }

    /// Writes the manifest and the other texts, and gives the bundle its name.
    ///
    /// # Errors
    /// [`BundleError`]; then there is no bundle.
    pub fn finish(
        self,
        disk: &Disk,
        emitted: &Emitted,
        texts: BundleTexts<'_>,
        cancel: &CancelToken,
    ) -> Result<Manifest, BundleError> {
        let BundleTexts { origin, listing, documents } = texts;
        let mut texts = vec![(TREE, listing)];
        texts.extend(documents.iter().map(|(name, text)| (*name, text.as_str())));
        let digests: Vec<_> = texts.iter().map(|(name, text)| (*name, Digest::of(text.as_bytes()))).collect();
        let bound = digests.iter().map(|(name, digest)| ((*name).to_owned(), *digest)).collect();
        let manifest = Manifest::new(origin, disk, emitted, bound);
        let text = manifest.to_text();
        texts.push((MANIFEST, &text));
        let mut sums = vec![(DISK, emitted.plain), (MANIFEST, Digest::of(text.as_bytes()))];
        sums.extend(digests);
        sums.sort_unstable_by_key(|(name, _)| *name);
        let sums = sums::write(&sums);
        texts.push((SUMS, &sums));
        for (name, text) in texts {
            write_file(&self.path(name), text)?;
        }
        sync(&self.path(DISK))?;
        if cancel.is_cancelled() {
            return Err(BundleError::Image(EmitError::Interrupted));
        }
        self.staging.commit()?;
        Ok(manifest)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.staging.directory().join(name)
    }
}

/// Writes a small file and waits until it is on the disk.
fn write_file(path: &Path, text: &str) -> Result<(), BundleError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| BundleError::File { path: path.to_owned(), source })
}

/// Waits until a file is on the disk.
fn sync(path: &Path) -> Result<(), BundleError> {
    let sync = || fs::OpenOptions::new().write(true).open(path)?.sync_all();
    sync().map_err(|source| BundleError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
