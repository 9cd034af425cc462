//! A bundle with Secure Boot as it is: its requests, its keys, and whether its programs are signed.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_formats::pe::signed_attributes;
use serde_json::Value;

use super::program::{EspProgram, ProgramBytes, SignatureStatus, open};
use super::requests::parse_requests;
use super::signing::variable_digests;
use super::{SecureBootError, SecureBootKeys, SecureBootRecord, SignedProgram, SigningRequest};
use crate::bundle;
use crate::inspect::{DiskView, Medium, PartitionSlot, chain};
use crate::manifest::{Manifest, TEXT_MAX};
use crate::provenance::compare;

/// Id of the EFI system partition in recipes and manifests.
const ESP: &str = "esp";

/// The most bytes of the variables: more than EC2 takes.
const UEFI_DATA_MAX: u64 = 1 << 20;

/// A bundle whose recipe asks for Secure Boot, with every document as the manifest binds it.
#[derive(Debug)]
pub struct OpenBundle {
    pub(super) folder: PathBuf,
    pub(super) manifest: Manifest,
    pub(super) record: SecureBootRecord,
    /// The documents by their names.
    pub(super) documents: Vec<(&'static str, Vec<u8>)>,
    /// The predicate of its statement, where it has one.
    pub(super) predicate: Option<Value>,
    keys: SecureBootKeys,
    requests: Vec<SigningRequest>,
}

/// A program of a bundle with what firmware makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureState {
    /// Its path on the EFI system partition.
    pub path: String,
    /// What firmware with the bundle's variables makes of it.
    pub status: SignatureStatus,
}

impl OpenBundle {
    /// Opens a bundle.
    ///
    /// # Errors
    /// [`SecureBootError`] where it has no Secure Boot, or a document is not the one that the manifest binds.
    pub fn open(folder: &Path) -> Result<Self, SecureBootError> {
        let path = folder.join(bundle::MANIFEST);
        if !path.is_file() {
            return Err(SecureBootError::NotABundle { path: folder.to_owned() });
        }
        let text = read(&path, TEXT_MAX)?;
        let manifest = Manifest::parse(&text)
            .map_err(|source| SecureBootError::Manifest { path: folder.to_owned(), source })?;
        let name = || manifest.origin.name.clone();
        let record =
            manifest.secure_boot.clone().ok_or_else(|| SecureBootError::NotPrepared { name: name() })?;
        let documents = documents(folder, &manifest)?;
        let find =
            |name: &str| documents.iter().find(|(known, _)| *known == name).map(|(_, bytes)| bytes.clone());
        let variables = find(bundle::UEFI_DATA).unwrap_or_default();
        let keys = SecureBootKeys::from_uefi_data(&String::from_utf8_lossy(&variables))
            .map_err(SecureBootError::Variables)?;
        let requests = parse_requests(&find(bundle::REQUESTS).unwrap_or_default(), &find)
            .map_err(SecureBootError::Requests)?;
        let predicate = predicate(folder, &manifest, &text)?;
        let folder = folder.to_owned();
        let opened = Self { folder, manifest, record, documents, predicate, keys, requests };
        opened.check_requests()?;
        Ok(opened)
    }

    /// The enrolled keys.
    pub fn keys(&self) -> &SecureBootKeys {
        &self.keys
    }

    /// The requests for signatures, sorted by id.
    pub fn requests(&self) -> &[SigningRequest] {
        &self.requests
    }

    /// What the manifest says.
    pub fn record(&self) -> &SecureBootRecord {
        &self.record
    }

    /// Requests and variables have to be those that follow from the manifest: what is signed is what was built.
    fn check_requests(&self) -> Result<(), SecureBootError> {
        let wrong = |id: &str, problem: &str| {
            Err(SecureBootError::Request { id: id.to_owned(), problem: problem.to_owned() })
        };
        if self.requests.len() != self.record.programs.len() {
            let problem = "there are not as many requests as programs in the manifest";
            return Err(SecureBootError::Inconsistent { problem });
        }
        for (request, program) in self.requests.iter().zip(&self.record.programs) {
            if request.id != program.id || request.path != program.path {
                return wrong(&request.id, "is not one for the program in the manifest");
            }
            let digest = request.authenticode;
            if digest.to_string() != program.authenticode || request.bytes != signed_attributes(&digest) {
                return wrong(
                    &request.id,
                    "asks for a signature of other bytes than those that follow from the program",
                );
            }
        }
        if variable_digests(&self.keys) != self.record.variables {
            let problem = "the variables are not those of the manifest";
            return Err(SecureBootError::Inconsistent { problem });
        }
        Ok(())
    }
}

/// The documents of a bundle, each compared with the manifest.
fn documents(folder: &Path, manifest: &Manifest) -> Result<Vec<(&'static str, Vec<u8>)>, SecureBootError> {
    let mut documents = Vec::new();
    for name in std::iter::once(bundle::TREE).chain(bundle::DOCUMENTS) {
        let Some(expected) = manifest.documents.get(name) else { continue };
        let bytes = read(&folder.join(name), TEXT_MAX)?;
        let found = Digest::of(&bytes);
        if found != *expected {
            let (expected, found) = (expected.to_string(), found.to_string());
            return Err(SecureBootError::Unbound { name: name.to_owned(), expected, found });
        }
        documents.push((name, bytes));
    }
    Ok(documents)
}

/// The predicate of a bundle's statement, which has to be one of this bundle; bundles of older versions have none.
fn predicate(folder: &Path, manifest: &Manifest, text: &[u8]) -> Result<Option<Value>, SecureBootError> {
    let path = folder.join(bundle::PROVENANCE);
    if !path.exists() {
        return Ok(None);
    }
    let statement = read(&path, TEXT_MAX)?;
    let value = serde_json::from_slice::<Value>(&statement).ok();
    let predicate = value.and_then(|mut value| value.get_mut("predicate").map(Value::take));
    if let Some(predicate) = predicate.filter(|_| compare(&statement, manifest, text).is_empty()) {
        Ok(Some(predicate))
    } else {
        let problem = "`provenance.json` is not the statement of this bundle";
        Err(SecureBootError::Inconsistent { problem })
    }
}

/// Reads a file of at most `most` bytes.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, SecureBootError> {
    let failed = |source: io::Error| SecureBootError::File { path: path.to_owned(), source };
    let file: File = amiforge_progress::regular::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(SecureBootError::TooLong { path: path.to_owned(), most });
    }
    Ok(bytes)
}

/// The EFI system partition of a disk.
pub(super) fn esp(medium: &Medium, manifest: &Manifest) -> Result<PartitionSlot, SecureBootError> {
    let view = DiskView::read(medium).map_err(SecureBootError::Image)?;
    let number = manifest.partitions.iter().find(|one| one.id == ESP).map(|one| one.number);
    let slot = view.slots.into_iter().find(|slot| slot.number().is_some() && slot.number() == number);
    slot.ok_or_else(|| SecureBootError::NoProgram { program: ESP.to_owned() })
}

/// Opens a file on the EFI system partition of an image.
///
/// # Errors
/// [`SecureBootError`] where there is none of that path.
pub(crate) fn open_program<'a>(
    medium: &'a Medium,
    manifest: &Manifest,
    path: &str,
) -> Result<ProgramBytes<'a>, SecureBootError> {
    let (_, bytes) = open(medium, &esp(medium, manifest)?, path)?;
    Ok(bytes)
}

/// Compares a program with the manifest.
pub(super) fn check_program(program: &EspProgram, expected: &SignedProgram) -> Result<(), SecureBootError> {
    let differs = |problem: String| {
        let program = program.path.clone();
        Err(SecureBootError::ProgramDiffers { program, problem })
    };
    let found = program.authenticode.to_string();
    if found != expected.authenticode {
        let expected = &expected.authenticode;
        return differs(format!("has the Authenticode digest {found}, and the manifest says {expected}"));
    }
    if program.ranges != expected.ranges {
        return differs("has its signatures elsewhere on the disk than the manifest says".to_owned());
    }
    Ok(())
}

/// Checks Secure Boot of a bundle: gives a line for each program that is as the manifest says, and what differs.
pub(crate) fn check(directory: &Path, manifest: &Manifest, medium: &Medium) -> (Vec<String>, Vec<String>) {
    let (mut checked, mut problems) = (Vec::new(), Vec::new());
    let Some(record) = &manifest.secure_boot else { return (checked, problems) };
    let keys = match keys(directory) {
        Ok(keys) if variable_digests(&keys) == record.variables => keys,
        Ok(_) => {
            let problem = format!("`{}` enrols other keys than the manifest says", bundle::UEFI_DATA);
            return (checked, vec![problem]);
        }
        Err(error) => return (checked, vec![chain(&error)]),
    };
    for expected in &record.programs {
        let state = esp(medium, manifest)
            .and_then(|esp| EspProgram::read(medium, &esp, &expected.path))
            .and_then(|program| check_program(&program, expected).map(|()| program));
        let path = &expected.path;
        match state.map(|program| program.status(&keys)) {
            Err(error) => problems.push(chain(&error)),
            Ok(SignatureStatus::Unsigned) if expected.signature.is_none() => {
                checked.push(format!("Secure Boot: `{path}` is not signed yet"));
            }
            Ok(SignatureStatus::Trusted { signer, authority })
                if expected.signature.as_ref().is_some_and(|one| one.authority == authority.to_string()) =>
            {
                checked.push(format!("Secure Boot: `{path}` is signed by `{signer}`"));
            }
            Ok(SignatureStatus::Unsigned) => {
                problems.push(format!("`{path}` is not signed, and the manifest says that it is"));
            }
            Ok(SignatureStatus::Trusted { signer, .. }) => {
                problems.push(format!("`{path}` is signed by `{signer}`, and the manifest does not say so"));
            }
            Ok(SignatureStatus::Refused(why)) => {
                problems.push(format!("firmware would not start `{path}`: {why}"));
            }
        }
    }
    (checked, problems)
}

/// What firmware with the keys of a bundle makes of each of its programs; none for a bundle without Secure Boot.
///
/// # Errors
/// [`SecureBootError`] where the keys or a program cannot be read.
pub fn signature_states(
    directory: &Path,
    manifest: &Manifest,
    medium: &Medium,
) -> Result<Vec<SignatureState>, SecureBootError> {
    let Some(record) = &manifest.secure_boot else { return Ok(Vec::new()) };
    let (keys, esp) = (keys(directory)?, esp(medium, manifest)?);
    let states = record.programs.iter().map(|expected| {
        let program = EspProgram::read(medium, &esp, &expected.path)?;
        Ok(SignatureState { path: program.path.clone(), status: program.status(&keys) })
    });
    states.collect()
}

/// The keys that a bundle enrols.
fn keys(directory: &Path) -> Result<SecureBootKeys, SecureBootError> {
    let text = read(&directory.join(bundle::UEFI_DATA), UEFI_DATA_MAX)?;
    SecureBootKeys::from_uefi_data(&String::from_utf8_lossy(&text)).map_err(SecureBootError::Variables)
}
