//! The payload of a document: a CBOR map (RFC 8949) with the PCRs, the certificates, and what the requester passed.

use std::collections::BTreeMap;

use ciborium::Value;

use crate::certificate::{CertificateSummary, ChainCertificate};
use crate::envelope::Envelope;
use crate::error::DocumentError;
use crate::pcr::Sha384Pcr;
use crate::time::UnixTime;

/// The depth of nested CBOR items: a map of lists of byte strings.
const MAX_DEPTH: usize = 8;
/// The largest certificate in bytes.
const MAX_CERTIFICATE: usize = 1024;
/// The largest number of certificates above that of the document. NitroTPM has four.
const MAX_CABUNDLE: usize = 8;
/// The largest nonce, user data or public key in bytes.
const MAX_OPTIONAL: usize = 1024;
/// The largest number of PCRs.
const MAX_PCRS: usize = 32;
/// The name of the digest of PCRs.
const DIGEST: &str = "SHA384";

/// What a document says. Nothing of it is verified unless it comes from [`authenticate`](crate::authenticate).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttestationDocument {
    /// The instance and its TPM: `i-…-tpm…`.
    pub module_id: String,
    /// When the document was made.
    pub timestamp: UnixTime,
    /// The PCRs by their number, in the bank SHA-384.
    pub pcrs: BTreeMap<u8, Sha384Pcr>,
    /// The certificate whose key signed the document: DER.
    pub certificate: Vec<u8>,
    /// The certificates above it, the root first: DER.
    pub cabundle: Vec<Vec<u8>>,
    /// What proves that the document was made for a request.
    pub nonce: Option<Vec<u8>>,
    /// What the requester wanted to have signed.
    pub user_data: Option<Vec<u8>>,
    /// A key to which secrets for the requester are encrypted; KMS wants the DER of an RSA `SubjectPublicKeyInfo`.
    pub public_key: Option<Vec<u8>>,
}

/// Reads what a document says **without verifying it**: neither signature nor chain.
///
/// # Errors
/// If it does not have the structure of a document.
pub fn inspect(document: &[u8]) -> Result<AttestationDocument, DocumentError> {
    AttestationDocument::parse(Envelope::parse(document)?.payload())
}

impl AttestationDocument {
    /// The certificates as far as they can be parsed: those above the document, the root first, then its own.
    pub fn certificates(&self) -> Vec<Option<CertificateSummary>> {
        let chain = self.cabundle.iter().chain([&self.certificate]);
        chain.map(|der| ChainCertificate::parse(der).ok().map(|parsed| parsed.summary())).collect()
    }

    /// Parses a payload.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, DocumentError> {
        let mut fields = Fields::read(payload)?;
        if fields.has("pcrs") && !fields.has("nitrotpm_pcrs") {
            return Err(DocumentError::Enclave);
        }
        let module_id = fields.text("module_id")?;
        if module_id.is_empty() {
            return Err(DocumentError::invalid("module_id", "it is empty"));
        }
        let digest = fields.text("digest")?;
        if digest != DIGEST {
            return Err(DocumentError::invalid("digest", format!("it is {digest:?} and not {DIGEST:?}")));
        }
        Ok(Self {
            module_id,
            timestamp: fields.timestamp()?,
            pcrs: fields.pcrs()?,
            certificate: fields.certificate()?,
            cabundle: fields.cabundle()?,
            nonce: fields.optional("nonce")?,
            user_data: fields.optional("user_data")?,
            public_key: fields.optional("public_key")?,
        })
    }
}

/// The entries of a payload by their names. Names that are not known are ignored, because AWS may add some.
struct Fields(BTreeMap<String, Value>);

impl Fields {
    fn read(payload: &[u8]) -> Result<Self, DocumentError> {
        let mut rest = payload;
        let value: Value = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH)
            .map_err(|error| DocumentError::NotCbor { reason: format!("{error:?}") })?;
        if !rest.is_empty() {
            return Err(DocumentError::TrailingBytes);
        }
        let Value::Map(entries) = value else { return Err(DocumentError::NotAMap) };
        let mut fields = BTreeMap::new();
        for (key, value) in entries {
            let Value::Text(name) = key else { return Err(DocumentError::NotAMap) };
            if fields.contains_key(&name) {
                return Err(DocumentError::DuplicateKey { key: name });
            }
            fields.insert(name, value);
        }
        Ok(Self(fields))
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn take(&mut self, name: &'static str) -> Result<Value, DocumentError> {
        self.0.remove(name).ok_or(DocumentError::Missing { field: name })
    }

    fn text(&mut self, name: &'static str) -> Result<String, DocumentError> {
        self.take(name)?.into_text().map_err(|_| DocumentError::invalid(name, "it is no text"))
    }

    fn timestamp(&mut self) -> Result<UnixTime, DocumentError> {
        let value = self.take("timestamp")?.into_integer().ok().and_then(|value| u64::try_from(value).ok());
        let millis = value.filter(|&millis| millis > 0);
        let invalid = || DocumentError::invalid("timestamp", "it is no number of milliseconds after 1970");
        Ok(UnixTime::from_millis(millis.ok_or_else(invalid)?))
    }

    fn pcrs(&mut self) -> Result<BTreeMap<u8, Sha384Pcr>, DocumentError> {
        let invalid = |reason: String| DocumentError::invalid("nitrotpm_pcrs", reason);
        let entries =
            self.take("nitrotpm_pcrs")?.into_map().map_err(|_| invalid("it is no map".to_owned()))?;
        if entries.is_empty() || entries.len() > MAX_PCRS {
            return Err(invalid(format!("it has {} entries instead of 1 to {MAX_PCRS}", entries.len())));
        }
        let mut pcrs = BTreeMap::new();
        for (key, value) in entries {
            let index = key.into_integer().ok().and_then(|index| u8::try_from(index).ok());
            let index = index.filter(|&index| usize::from(index) < MAX_PCRS);
            let index = index.ok_or_else(|| invalid("a key is no number of a PCR".to_owned()))?;
            let value = value.into_bytes().map_err(|_| invalid(format!("PCR {index} is no byte string")))?;
            let len = value.len();
            let pcr = value.try_into().map_err(|_| DocumentError::PcrLength { index, len })?;
            if pcrs.insert(index, pcr).is_some() {
                return Err(DocumentError::DuplicateKey { key: format!("nitrotpm_pcrs/{index}") });
            }
        }
        Ok(pcrs)
    }

    fn certificate(&mut self) -> Result<Vec<u8>, DocumentError> {
        sized(self.take("certificate")?, "certificate", 1, MAX_CERTIFICATE)
    }

    fn cabundle(&mut self) -> Result<Vec<Vec<u8>>, DocumentError> {
        let invalid = |reason: String| DocumentError::invalid("cabundle", reason);
        let list = self.take("cabundle")?.into_array().map_err(|_| invalid("it is no list".to_owned()))?;
        if list.is_empty() || list.len() > MAX_CABUNDLE {
            return Err(invalid(format!(
                "it has {} certificates instead of 1 to {MAX_CABUNDLE}",
                list.len()
            )));
        }
        list.into_iter().map(|one| sized(one, "cabundle", 1, MAX_CERTIFICATE)).collect()
    }

    /// A byte string that may be absent or null.
    fn optional(&mut self, name: &'static str) -> Result<Option<Vec<u8>>, DocumentError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => sized(value, name, 0, MAX_OPTIONAL).map(Some),
        }
    }
}

/// A byte string of a length within limits.
fn sized(value: Value, name: &'static str, min: usize, max: usize) -> Result<Vec<u8>, DocumentError> {
    let bytes = value.into_bytes().map_err(|_| DocumentError::invalid(name, "it is no byte string"))?;
    if bytes.len() < min || bytes.len() > max {
        let reason = format!("it has {} bytes instead of {min} to {max}", bytes.len());
        return Err(DocumentError::invalid(name, reason));
    }
    Ok(bytes)
}
