//! The bundle: the directory that a build leaves. `disk.raw`, `manifest.json`, `tree.txt` and `SHA256SUMS`, and where
//! packages are in the image its bill of materials; with Secure Boot the variables that enrol it, and the folder `signing`.
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
use serde_json::Value;

use crate::disk::Disk;
use crate::image::{self, EmitError, EmitOptions, Emitted, KnownImage};
use crate::manifest::{ImageOrigin, Manifest};
use crate::pcr_policy::PcrPolicyRecord;
use crate::provenance;
use crate::secure_boot::SecureBootRecord;

pub use error::{BundleError, ExistingBundle};
pub use names::{
    CYCLONEDX, DISK, DOCUMENTS, FILES, MANIFEST, MEASUREMENTS, ORIGINS, PCR_POLICY, PROVENANCE, REQUESTS,
    SIGNING, SPDX, STATEMENTS, SUMS, TREE, UEFI_DATA, VERIFY_SCRIPT, VEX,
};
pub(crate) use names::{names, policy_name, tbs_name};
pub use sums::{SumLine, SumsError, is_as_written, parse as parse_sums};

/// The script that checks a bundle with `sha256sum` and `ssh-keygen`.
pub const SCRIPT: &[u8] = include_bytes!("verify.sh");

/// A further file with its name, which is one of [`DOCUMENTS`].
pub type Document = (&'static str, Vec<u8>);

/// What a bundle holds beside the image.
#[derive(Debug)]
pub struct BundleTexts<'a> {
    /// What the manifest says of the image's origin.
    pub origin: ImageOrigin,
    /// What the manifest says of Secure Boot, where the image has it.
    pub secure_boot: Option<SecureBootRecord>,
    /// What the manifest says of PCR policies, where the image has some.
    pub pcr_policy: Option<PcrPolicyRecord>,
    /// The text of `tree.txt`.
    pub listing: &'a str,
    /// Further files, sorted by name.
    pub documents: &'a [Document],
    /// The predicate of the statement of how the image was built.
    pub provenance: Option<&'a Value>,
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
        let BundleTexts { origin, secure_boot, pcr_policy, listing, documents, provenance } = texts;
        let mut files = vec![(TREE, listing.as_bytes())];
        files.extend(documents.iter().map(|(name, bytes)| (*name, bytes.as_slice())));
        let bound = files.iter().map(|(name, bytes)| ((*name).to_owned(), Digest::of(bytes))).collect();
        let manifest = Manifest { secure_boot, pcr_policy, ..Manifest::new(origin, disk, emitted, bound) };
        self.finish_with(&manifest, files, provenance, cancel)?;
        Ok(manifest)
    }

    /// Writes a manifest, the other files by their names, the statement with a predicate, and their sums, and gives the bundle
    /// its name.
    ///
    /// # Errors
    /// [`BundleError`]; then there is no bundle.
    pub(crate) fn finish_with(
        self,
        manifest: &Manifest,
        files: Vec<(&str, &[u8])>,
        provenance: Option<&Value>,
        cancel: &CancelToken,
    ) -> Result<(), BundleError> {
        let text = manifest.to_text();
        let mut files: Vec<(&str, &[u8])> = files;
        let statement =
            provenance.map(|predicate| provenance::statement(predicate, manifest, text.as_bytes()));
        files.extend(statement.as_ref().map(|statement| (PROVENANCE, statement.as_bytes())));
        files.push((MANIFEST, text.as_bytes()));
        files.push((VERIFY_SCRIPT, SCRIPT));
        let mut sums = vec![(DISK, manifest.plain)];
        sums.extend(files.iter().map(|(name, bytes)| (*name, Digest::of(bytes))));
        sums.sort_unstable_by_key(|(name, _)| *name);
        let sums = sums::write(&sums);
        files.push((SUMS, sums.as_bytes()));
        let folder = self.path(SIGNING);
        let signing = files.iter().any(|(name, _)| name.starts_with(SIGNING));
        if signing {
            fs::create_dir(&folder).map_err(|source| BundleError::File { path: folder.clone(), source })?;
        }
        for (name, bytes) in files {
            write_file(&self.path(name), bytes)?;
        }
        if signing {
            let synced = File::open(&folder).and_then(|folder| folder.sync_all());
            synced.map_err(|source| BundleError::File { path: folder, source })?;
        }
        sync(&self.path(DISK))?;
        if cancel.is_cancelled() {
            return Err(BundleError::Image(EmitError::Interrupted));
        }
        self.staging.commit()
    }

    /// The folder that the bundle is written in until it has its name, for a bundle whose files are there already.
    pub fn folder(&self) -> &Path {
        self.staging.directory()
    }

    /// Gives a bundle its name whose files were all written to [`BundleWriter::folder`] and synced.
    ///
    /// # Errors
    /// [`BundleError`]; then there is no bundle.
    pub fn commit(self) -> Result<(), BundleError> {
        self.staging.commit()
    }

    /// The path of the image until the bundle has its name.
    pub(crate) fn disk(&self) -> PathBuf {
        self.path(DISK)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.staging.directory().join(name)
    }
}

/// Writes a small file and waits until it is on the disk.
fn write_file(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
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
