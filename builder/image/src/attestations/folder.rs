//! The files with attestations in the folder of signatures.

use std::fs;
use std::io;
use std::path::Path;

use amiforge_formats::tree::Printable;
use amiforge_trust::dsse::DsseEnvelope;
use amiforge_trust::keys::PublicKey;
use amiforge_trust::sigstore::SigstoreBundle;
use amiforge_trust::statement::{FOLDER, SignatureFile, attestation_name, signature_file};

use super::{AttestationError, AttestationKind};
use crate::signatures::put;

/// The most files that are looked at.
const COUNT_MAX: usize = 1024;

/// The names of the files with attestations, without the folder, sorted; none for a bundle without the folder.
///
/// # Errors
/// [`AttestationError::File`].
pub fn names(bundle: &Path) -> Result<Vec<(String, SignatureFile)>, AttestationError> {
    let folder = bundle.join(FOLDER);
    let failed = |source| AttestationError::File { path: folder.clone(), source };
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries.take(COUNT_MAX) {
        let name = Printable(entry.map_err(failed)?.file_name().as_encoded_bytes()).to_string();
        let known = signature_file(&name);
        names.extend(known.filter(|known| *known != SignatureFile::Ssh).map(|known| (name, known)));
    }
    names.sort();
    Ok(names)
}

/// Stores an envelope of a bundle with a signature by a key, in place of an older one by it. Gives the names of the files in
/// the bundle.
///
/// # Errors
/// [`AttestationError`].
pub fn store(
    bundle: &Path,
    kind: AttestationKind,
    key: &PublicKey,
    envelope: &DsseEnvelope,
) -> Result<Vec<String>, AttestationError> {
    let sigstore = SigstoreBundle::new(envelope.clone())?;
    let mut written = Vec::new();
    for file in kind.files() {
        let text = match file {
            SignatureFile::Dsse => envelope.to_text(),
            _ => sigstore.to_text(),
        };
        let name = attestation_name(key, kind.name(), *file);
        put(bundle, &name, text.as_bytes())?;
        written.push(name);
    }
    Ok(written)
}
