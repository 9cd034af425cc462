//! A key in a file: RSA, as PKCS#8 (RFC 5958) or PKCS#1 (RFC 8017), in PEM or DER.

use std::path::Path;

use amiforge_formats::der::{PemBlock, parse_pem};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

use super::SignerError;

/// The most bytes of a file with a key.
const LEN_MAX: u64 = 64 << 10;

/// Signs messages with the key in a file.
///
/// # Errors
/// [`SignerError`].
pub fn sign_with_file(path: &Path, messages: &[&[u8]]) -> Result<Vec<Vec<u8>>, SignerError> {
    let key = read(path)?;
    let sign = |message: &&[u8]| {
        let mut signature = vec![0; key.public().modulus_len()];
        // Random numbers blind the computation against an observer of its time; the signature does not depend on them.
        let signed = key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
        signed.map(|()| signature).map_err(|_| SignerError::Sign { path: path.to_owned() })
    };
    messages.iter().map(sign).collect()
}

/// Reads a key.
fn read(path: &Path) -> Result<RsaKeyPair, SignerError> {
    let failed = |source| SignerError::Read { path: path.to_owned(), source };
    let bytes = amiforge_progress::regular::read(path).map_err(failed)?;
    let not_a_key = || SignerError::NotAKey { path: path.to_owned() };
    if bytes.len() as u64 > LEN_MAX {
        return Err(not_a_key());
    }
    let der = if bytes.starts_with(&[0x30]) {
        bytes
    } else {
        let blocks = parse_pem(&bytes).map_err(|_| not_a_key())?;
        let block =
            blocks.into_iter().find(|block| block.label.contains("PRIVATE KEY")).ok_or_else(not_a_key)?;
        // One of the old form is encrypted by headers within the block, so that it is no base64.
        if block.label.starts_with("ENCRYPTED") || block.der.is_empty() {
            return Err(SignerError::Encrypted { path: path.to_owned() });
        }
        let PemBlock { der, .. } = block;
        der
    };
    RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der)).map_err(|_| not_a_key())
}
