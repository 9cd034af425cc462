//! Secure Boot of a build: the certificates that the recipe names, and the places for signatures filled with those that the
//! caller brought. No private key is read.

use std::path::Path;

use amiforge_formats::plan::Sources as _;
use amiforge_formats::tree::{Content, Origin};
use amiforge_image::pcr_policy::is_policy_id;
use amiforge_image::seal::Sealed;
use amiforge_image::secure_boot::{
    GivenSignature, KeyFileError, PreparedSecureBoot, SecureBootKeys, prepare, read_revocations,
};
use amiforge_store::blobs::Blobs;

use super::error::HostFileError;
use super::system::host_files::HostFiles;
use super::{BuildError, BuildOptions};
use crate::recipe::{NamedFile, Recipe, SecureBootRecipe};

/// The most bytes of a file of certificates or revocations.
const LEN_MAX: u64 = 1 << 20;

/// The certificates that the recipe enrols; `None` where it asks for no Secure Boot.
///
/// # Errors
/// [`BuildError::EnrolledKey`], [`BuildError::HostFile`].
pub(super) fn keys(
    recipe: &Recipe,
    host_files: &mut HostFiles<'_>,
    blobs: &mut Blobs,
) -> Result<Option<SecureBootKeys>, BuildError> {
    let Some(SecureBootRecipe { db, kek, pk, dbx, owner }) = &recipe.trust.secure_boot else {
        return Ok(None);
    };
    let mut read = |file: &NamedFile| read_host_file(file, host_files, blobs);
    let files = [read(pk)?, read(kek)?, read(db)?];
    let revocations = dbx.as_ref().map(&mut read).transpose()?;
    let refused = |(key, source): (&'static str, KeyFileError)| {
        let named = [("pk", Some(pk)), ("kek", Some(kek)), ("db", Some(db)), ("dbx", dbx.as_ref())];
        let name = named.into_iter().find(|(known, _)| *known == key).and_then(|(_, file)| file);
        BuildError::EnrolledKey { key, name: name.map_or(String::new(), |file| file.name.clone()), source }
    };
    let revoked = revocations.map(|bytes| read_revocations(&bytes, *owner)).transpose();
    let revoked = revoked.map_err(|source| refused(("dbx", source)))?.unwrap_or_default();
    let [pk, kek, db] = &files;
    SecureBootKeys::from_files(*owner, [pk, kek, db], revoked).map(Some).map_err(refused)
}

/// Reads a short file that the recipe names.
///
/// # Errors
/// [`BuildError::HostFile`].
pub(super) fn read_host_file(
    file: &NamedFile,
    host_files: &mut HostFiles<'_>,
    blobs: &mut Blobs,
) -> Result<Vec<u8>, BuildError> {
    let content = host_files.open(&file.path, &file.name, blobs)?;
    bytes(&content, blobs, &file.path)
        .map_err(|source| BuildError::HostFile { name: file.name.clone(), source })
}

/// The bytes of a file of the host.
fn bytes(content: &Content, blobs: &Blobs, path: &Path) -> Result<Vec<u8>, HostFileError> {
    if content.len() > LEN_MAX {
        return Err(HostFileError::TooLong { len: content.len(), most: LEN_MAX });
    }
    let mut bytes = vec![0; content.len() as usize];
    for segment in content.segments() {
        let part = &mut bytes[segment.offset as usize..][..segment.len as usize];
        match segment.origin {
            Origin::Inline { bytes, at } => part.copy_from_slice(&bytes[at..at + part.len()]),
            Origin::Slice { source, at } => blobs
                .read_exact_at(source, at, part)
                .map_err(|source| HostFileError::Read { path: path.to_owned(), source })?,
        }
    }
    Ok(bytes)
}

/// Makes the requests for signatures, and puts the given signatures into their places.
///
/// # Errors
/// [`BuildError::Signing`]; [`BuildError::NoSecureBoot`] for signatures that nothing has a place for.
pub(super) fn sign(
    sealed: &mut Sealed,
    keys: Option<&SecureBootKeys>,
    options: &BuildOptions,
    blobs: &Blobs,
) -> Result<Option<PreparedSecureBoot>, BuildError> {
    let given = options.signatures.iter().filter(|one| !is_policy_id(&one.id));
    let given: Vec<GivenSignature> = given.cloned().collect();
    match keys {
        None if given.is_empty() => Ok(None),
        None => Err(BuildError::NoSecureBoot),
        Some(keys) => Ok(Some(prepare(&mut sealed.esp, keys, blobs, &given)?)),
    }
}

/// The warning for an image that firmware will not start yet.
pub(super) fn unsigned_warning(
    prepared: Option<&PreparedSecureBoot>,
    options: &BuildOptions,
) -> Option<String> {
    let out = options.out.display();
    let unsigned = prepared.is_some_and(|prepared| prepared.inputs().is_empty());
    unsigned.then(|| {
        format!(
            "the image is not signed, so firmware that enrols its keys does not start it: sign the files `{out}/signing/*.tbs` \
             and run `amiforge attach {out}`, or `amiforge sign {out}`"
        )
    })
}
