//! The public key that a document may name.

use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// Why a file is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no SubjectPublicKeyInfo, neither as PEM (`PUBLIC KEY`) nor as DER")]
pub struct PublicKeyError;

/// The DER of a public key (`SubjectPublicKeyInfo`, RFC 5280 4.1) from its PEM or DER.
///
/// # Errors
/// If it is neither.
pub fn public_key_der(bytes: &[u8]) -> Result<Vec<u8>, PublicKeyError> {
    let der = match x509_cert::der::pem::decode_vec(bytes) {
        Ok(("PUBLIC KEY", der)) => der,
        Ok(_) => return Err(PublicKeyError),
        Err(_) => bytes.to_vec(),
    };
    let key = SubjectPublicKeyInfoOwned::from_der(&der).map_err(|_| PublicKeyError)?;
    key.to_der().map_err(|_| PublicKeyError)
}
