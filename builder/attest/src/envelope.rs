//! The envelope of a document: a `COSE_Sign1` structure (RFC 9052, section 4.2), signed with ES384 (RFC 9053, section 2.1).

use coset::iana::Algorithm as Iana;
use coset::{Algorithm, CborSerializable as _, CoseError, CoseSign1, Header, TaggedCborSerializable as _};
use p384::ecdsa::signature::Verifier as _;
use p384::ecdsa::{Signature, VerifyingKey};

use crate::encoding::is_tagged;
use crate::error::DocumentError;
use crate::limits::MAX_DOCUMENT;

/// The envelope of a document. Protected header and payload keep the bytes that were signed.
pub(crate) struct Envelope {
    sign1: CoseSign1,
    payload: Vec<u8>,
}

impl Envelope {
    /// Parses a document, with the tag of `COSE_Sign1` (18) or without: NitroTPM writes none.
    pub(crate) fn parse(document: &[u8]) -> Result<Self, DocumentError> {
        if document.is_empty() {
            return Err(DocumentError::Empty);
        }
        if document.len() > MAX_DOCUMENT {
            return Err(DocumentError::TooLarge { len: document.len() });
        }
        let parsed = if is_tagged(document) {
            CoseSign1::from_tagged_slice(document)
        } else {
            CoseSign1::from_slice(document)
        };
        let mut sign1 = parsed.map_err(|error| match error {
            CoseError::ExtraneousData => DocumentError::TrailingBytes,
            CoseError::DuplicateMapKey => DocumentError::DuplicateHeader,
            other => DocumentError::NotCoseSign1 { reason: other.to_string() },
        })?;
        check_headers(&sign1)?;
        let payload = sign1.payload.take().ok_or(DocumentError::NoPayload)?;
        sign1.payload = Some(payload.clone());
        Ok(Self { sign1, payload })
    }

    /// The bytes of the payload.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Checks the signature over the bytes of the protected header and of the payload, as they are in the document.
    pub(crate) fn verify(&self, key: &VerifyingKey) -> Result<(), DocumentError> {
        self.sign1.verify_signature(&[], |signature, signed| {
            let parsed = Signature::from_slice(signature)
                .map_err(|_| DocumentError::SignatureForm { len: signature.len() })?;
            key.verify(signed, &parsed).map_err(|_| DocumentError::Signature)
        })
    }
}

/// Checks that the headers say ES384 and nothing else: the algorithm must be signed, and nothing may depend on what is
/// not.
fn check_headers(sign1: &CoseSign1) -> Result<(), DocumentError> {
    let protected = &sign1.protected.header;
    if protected.alg != Some(Algorithm::Assigned(Iana::ES384)) {
        let algorithm = match &protected.alg {
            None => "none".to_owned(),
            Some(algorithm) => format!("{algorithm:?}"),
        };
        return Err(DocumentError::Algorithm { algorithm });
    }
    if (Header { alg: None, ..protected.clone() }) != Header::default() {
        return Err(DocumentError::ProtectedHeader);
    }
    if sign1.unprotected != Header::default() {
        return Err(DocumentError::UnprotectedHeader);
    }
    Ok(())
}
