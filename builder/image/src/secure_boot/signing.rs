//! From the programs of the EFI system partition to requests for signatures, and from signatures to the tables that hold
//! them.

use std::collections::BTreeMap;
use std::sync::Arc;

use amiforge_formats::der::Certificate;
use amiforge_formats::digest::Digest;
use amiforge_formats::pe::{self, PeError, SignatureParts};
use amiforge_formats::plan::{Data, Plan, Sources};

use super::error::SigningError;
use super::program::{authenticode, joined};
use super::requests::write_requests;
use super::{
    RequestKind, SecureBootKeys, SecureBootRecord, SignatureRecord, SignedProgram, SigningRequest, authority,
    verify_rsa_sha256,
};
use crate::bundle::{self, Document};
use crate::manifest::{ManifestInput, SIGNATURE_INPUT};
use crate::measure::ContentReader;
use crate::seal::EspFile;

/// A signature that came back, with the certificates that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenSignature {
    /// The request that it answers.
    pub id: String,
    /// The detached signature.
    pub bytes: Vec<u8>,
    /// The signer's certificate, and those that lead from it to `db`, in any order. Where there is none, the signer is looked
    /// for in `db`.
    pub certificates: Vec<Certificate>,
}

impl GivenSignature {
    /// As a manifest lists it among the inputs.
    pub(super) fn input(&self) -> ManifestInput {
        let sha256 = Some(Digest::of(&self.bytes));
        ManifestInput { kind: SIGNATURE_INPUT.to_owned(), name: self.id.clone(), sha256 }
    }
}

/// What a build prepares for Secure Boot, before the disk is laid out.
#[derive(Debug)]
pub struct PreparedSecureBoot {
    variables: BTreeMap<String, String>,
    uefi_data: String,
    programs: Vec<PreparedProgram>,
    /// The signatures, in the order of the programs.
    inputs: Vec<ManifestInput>,
}

#[derive(Debug)]
struct PreparedProgram {
    request: SigningRequest,
    signature: Option<SignatureRecord>,
    /// The table, which is looked for in the plan of the disk by its address in memory.
    table: Arc<[u8]>,
}

/// Makes a request for every program that has a place for a signature, and puts the signatures that are given into their
/// places: all of them, or none.
///
/// # Errors
/// [`SigningError`].
pub fn prepare(
    esp: &mut [EspFile],
    keys: &SecureBootKeys,
    sources: &impl Sources,
    given: &[GivenSignature],
) -> Result<PreparedSecureBoot, SigningError> {
    let mut requests = Vec::new();
    for file in esp.iter() {
        let Some(place) = &file.signing else { continue };
        let failed = |source| SigningError::Program { path: file.path.clone(), source };
        let io = |source| failed(PeError::Io { at: 0, len: file.content.len(), source });
        let digest =
            authenticode(&ContentReader::new(&file.content, sources).map_err(io)?).map_err(failed)?;
        requests.push(request(place.id, &file.path, digest));
    }
    requests.sort_by(|one, other| one.id.cmp(&other.id));
    let given = if given.is_empty() { None } else { Some(by_request(&ids(&requests), given)?) };
    let mut programs = Vec::with_capacity(requests.len());
    for (index, request) in requests.into_iter().enumerate() {
        let one = given.as_ref().map(|given| signed_table(&request, given[index], keys)).transpose()?;
        let (table, signature) = one.unzip();
        let table: Arc<[u8]> = table.unwrap_or_else(pe::placeholder).into();
        let file = esp.iter_mut().find(|file| file.path == request.path);
        if let Some((file, place)) = file.and_then(|file| file.signing.clone().map(|place| (file, place))) {
            file.content = place.reserved.with_table(Arc::clone(&table));
        }
        programs.push(PreparedProgram { request, signature, table });
    }
    Ok(PreparedSecureBoot {
        variables: variable_digests(keys),
        uefi_data: keys.uefi_data().map_err(SigningError::Variables)?,
        programs,
        inputs: given.into_iter().flatten().map(GivenSignature::input).collect(),
    })
}

/// SHA-256 of the value of each variable.
pub(super) fn variable_digests(keys: &SecureBootKeys) -> BTreeMap<String, String> {
    let variables = keys.variables().into_iter();
    variables.map(|variable| (variable.name, Digest::of(&variable.data).to_string())).collect()
}

/// The request for the signature of a program.
fn request(id: &str, path: &str, authenticode: Digest) -> SigningRequest {
    SigningRequest {
        id: id.to_owned(),
        kind: RequestKind::Authenticode,
        bytes: pe::signed_attributes(&authenticode),
        authenticode,
        path: path.to_owned(),
    }
}

/// The signatures in the order of the requests with these ids.
///
/// # Errors
/// [`SigningError::Unknown`], [`SigningError::Twice`], [`SigningError::Missing`].
pub(crate) fn by_request<'g>(
    ids: &[&str],
    given: &'g [GivenSignature],
) -> Result<Vec<&'g GivenSignature>, SigningError> {
    let known = || ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    if let Some(other) = given.iter().find(|one| !ids.contains(&one.id.as_str())) {
        return Err(SigningError::Unknown { id: other.id.clone(), known: known() });
    }
    let (mut ordered, mut missing) = (Vec::new(), Vec::new());
    for id in ids {
        let mut own = given.iter().filter(|one| one.id == *id);
        match (own.next(), own.next()) {
            (Some(one), None) => ordered.push(one),
            (Some(_), Some(_)) => return Err(SigningError::Twice { id: (*id).to_owned() }),
            (None, _) => missing.push((*id).to_owned()),
        }
    }
    if missing.is_empty() { Ok(ordered) } else { Err(SigningError::Missing { ids: missing }) }
}

/// The ids of requests.
pub(super) fn ids(requests: &[SigningRequest]) -> Vec<&str> {
    requests.iter().map(|request| request.id.as_str()).collect()
}

/// Checks a signature as firmware will, and makes the table that holds it.
///
/// # Errors
/// [`SigningError::Refused`], [`SigningError::NoSigner`], [`SigningError::Table`].
pub(super) fn signed_table(
    request: &SigningRequest,
    given: &GivenSignature,
    keys: &SecureBootKeys,
) -> Result<(Vec<u8>, SignatureRecord), SigningError> {
    let (id, len) = (request.id.clone(), given.bytes.len());
    let refused = |source| SigningError::Refused { id: id.clone(), len, source };
    let signer = signer(request, given, keys)?;
    let others: Vec<_> = given.certificates.iter().filter(|one| one.der != signer.der).cloned().collect();
    let (_, entry) = authority(keys, &request.authenticode, signer, &others).map_err(refused)?;
    let parts = SignatureParts {
        authenticode: &request.authenticode,
        signer,
        intermediates: &others,
        signature: &given.bytes,
    };
    let table = pe::certificate_table(&pe::signed_data(&parts))
        .map_err(|source| SigningError::Table { id: request.id.clone(), source })?;
    let certificates = std::iter::once(signer).chain(&others);
    let record = SignatureRecord {
        authority: entry.fingerprint().to_string(),
        certificates: certificates.map(|one| one.fingerprint().to_string()).collect(),
        sha256: Digest::of(&given.bytes).to_string(),
    };
    Ok((table, record))
}

/// The certificate whose key made a signature: among those that came with it, else in `db`.
///
/// # Errors
/// [`SigningError::Refused`], [`SigningError::NoSigner`].
fn signer<'k>(
    request: &SigningRequest,
    given: &'k GivenSignature,
    keys: &'k SecureBootKeys,
) -> Result<&'k Certificate, SigningError> {
    let (id, len) = (request.id.clone(), given.bytes.len());
    let check = |one: &Certificate| verify_rsa_sha256(one, &request.bytes, &given.bytes);
    if let Some(first) = given.certificates.first() {
        let signer = given.certificates.iter().find(|one| check(one).is_ok());
        let refused =
            || check(first).err().map(|source| SigningError::Refused { id: id.clone(), len, source });
        return signer.ok_or_else(|| {
            refused().unwrap_or_else(|| SigningError::NoSigner { id: id.clone(), len, db: keys.db_names() })
        });
    }
    let signer = keys.db.iter().map(|(_, certificate)| certificate).find(|one| check(one).is_ok());
    signer.ok_or_else(|| SigningError::NoSigner { id, len, db: keys.db_names() })
}

impl PreparedSecureBoot {
    /// The signatures, as a manifest lists them among the inputs.
    pub fn inputs(&self) -> &[ManifestInput] {
        &self.inputs
    }

    /// The requests.
    pub fn requests(&self) -> Vec<SigningRequest> {
        self.programs.iter().map(|program| program.request.clone()).collect()
    }

    /// The files of the bundle.
    pub fn documents(&self) -> Vec<Document> {
        let requests = self.requests();
        let mut documents = vec![
            (bundle::REQUESTS, write_requests(&requests).into_bytes()),
            (bundle::UEFI_DATA, self.uefi_data.clone().into_bytes()),
        ];
        let tbs = requests.into_iter().filter_map(|one| Some((bundle::tbs_name(&one.id)?, one.bytes)));
        documents.extend(tbs);
        documents
    }

    /// What the manifest says, with the ranges of a disk that is laid out.
    pub fn record(&self, disk: &Plan) -> SecureBootRecord {
        let programs = self.programs.iter().map(|program| SignedProgram {
            authenticode: program.request.authenticode.to_string(),
            id: program.request.id.clone(),
            path: program.request.path.clone(),
            ranges: ranges(disk, &program.table),
            signature: program.signature.clone(),
        });
        SecureBootRecord { programs: programs.collect(), variables: self.variables.clone() }
    }
}

/// The ranges of a disk that these very bytes are on.
fn ranges(disk: &Plan, table: &Arc<[u8]>) -> Vec<(u64, u64)> {
    let own = disk
        .extents()
        .iter()
        .filter(|extent| matches!(&extent.data, Data::Bytes { bytes, .. } if Arc::ptr_eq(bytes, table)));
    joined(own.map(|extent| (extent.offset, extent.len)))
}
