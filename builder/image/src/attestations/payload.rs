//! The statements that a bundle makes of itself: their bytes follow from its files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_progress::Monitor;
use amiforge_trust::in_toto::InTotoStatement;
use serde_json::Value;

use super::{AttestationError, AttestationKind};
use crate::bundle;
use crate::image::EmitOptions;
use crate::inspect::Medium;
use crate::manifest::{Manifest, TEXT_MAX};
use crate::measure::MeasurementsJson;
use crate::provenance;
use crate::verify::{VerifyError, digest_of};

/// A bundle of which something is stated.
#[derive(Debug)]
pub struct StatedBundle {
    folder: PathBuf,
    manifest: Manifest,
    text: Vec<u8>,
}

impl StatedBundle {
    /// Opens a bundle.
    ///
    /// # Errors
    /// [`AttestationError`].
    pub fn open(folder: &Path) -> Result<Self, AttestationError> {
        let path = folder.join(bundle::MANIFEST);
        if !path.is_file() {
            return Err(AttestationError::NotABundle { path: folder.to_owned() });
        }
        let text = read(&path)?;
        let manifest = Manifest::parse(&text).map_err(AttestationError::Manifest)?;
        Ok(Self { folder: folder.to_owned(), manifest, text })
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of the manifest's text.
    pub fn manifest_sha256(&self) -> Digest {
        Digest::of(&self.text)
    }

    /// The kinds of attestations that there is something for.
    pub fn available(&self) -> Vec<AttestationKind> {
        let there = |kind: &AttestationKind| match kind {
            AttestationKind::Provenance => self.folder.join(bundle::PROVENANCE).is_file(),
            AttestationKind::Measurements => self.manifest.origin.measurements.is_some(),
            other => self.manifest.documents.contains_key(other.document()),
        };
        AttestationKind::ALL.into_iter().filter(there).collect()
    }

    /// The bytes of a statement. Documents have to be those that the manifest binds; the image itself is not read (see
    /// [`disk_differs`]).
    ///
    /// # Errors
    /// [`AttestationError`].
    pub fn payload(&self, kind: AttestationKind) -> Result<Vec<u8>, AttestationError> {
        let name = kind.document();
        if !self.available().contains(&kind) {
            return Err(AttestationError::Nothing { document: name });
        }
        let predicate = match kind {
            AttestationKind::Provenance => return self.provenance(),
            AttestationKind::Measurements => self.measurements()?,
            _ => {
                let source = |source| AttestationError::Json { name, source };
                serde_json::from_slice(&self.document(name)?).map_err(source)?
            }
        };
        let subjects = BTreeMap::from([
            (bundle::DISK.to_owned(), self.manifest.plain),
            (bundle::MANIFEST.to_owned(), self.manifest_sha256()),
        ]);
        let predicate_type = kind.predicate_type().to_owned();
        Ok(InTotoStatement { subjects, predicate_type, predicate }.to_text().into_bytes())
    }

    /// The statement of how the image was built, which has to be one of this bundle.
    fn provenance(&self) -> Result<Vec<u8>, AttestationError> {
        let text = read(&self.folder.join(bundle::PROVENANCE))?;
        match provenance::compare(&text, &self.manifest, &self.text).into_iter().next() {
            None => Ok(text),
            Some(problem) => Err(AttestationError::Provenance { problem }),
        }
    }

    /// The registers, in the form of the manifest.
    fn measurements(&self) -> Result<Value, AttestationError> {
        let json = self.manifest.origin.measurements.as_ref().map(MeasurementsJson::from);
        let source = |source| AttestationError::Json { name: bundle::MANIFEST, source };
        serde_json::to_value(json).map_err(source)
    }

    /// A document, compared with the manifest.
    fn document(&self, name: &str) -> Result<Vec<u8>, AttestationError> {
        let bytes = read(&self.folder.join(name))?;
        let found = Digest::of(&bytes);
        match self.manifest.documents.get(name) {
            Some(expected) if *expected != found => Err(AttestationError::Differs {
                name: name.to_owned(),
                expected: expected.to_string(),
                found: found.to_string(),
            }),
            _ => Ok(bytes),
        }
    }
}

/// Compares the image with the manifest, for who is about to sign that it is this one.
///
/// # Errors
/// [`AttestationError::Differs`], [`AttestationError::Disk`].
pub fn disk_differs(
    stated: &StatedBundle,
    options: EmitOptions,
    monitor: Monitor<'_>,
) -> Result<(), AttestationError> {
    let medium = Medium::open_raw(&stated.folder.join(bundle::DISK));
    let medium = medium.map_err(|error| AttestationError::Disk(VerifyError::Open(error)))?;
    let found = digest_of(&medium, stated.manifest.size, options, monitor).map_err(AttestationError::Disk)?;
    if found.plain == stated.manifest.plain {
        return Ok(());
    }
    Err(AttestationError::Differs {
        name: bundle::DISK.to_owned(),
        expected: stated.manifest.plain.to_string(),
        found: found.plain.to_string(),
    })
}

/// Reads a text of the bundle.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, AttestationError> {
    read_most(path, TEXT_MAX)
}

/// Reads a file of at most `most` bytes.
pub(super) fn read_most(path: &Path, most: u64) -> Result<Vec<u8>, AttestationError> {
    use std::io::Read as _;

    let failed = |source: std::io::Error| AttestationError::File { path: path.to_owned(), source };
    let file = amiforge_progress::regular::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(AttestationError::TooLong { path: path.to_owned(), most });
    }
    Ok(bytes)
}
