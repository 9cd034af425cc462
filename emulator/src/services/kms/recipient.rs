//! The recipient of a plaintext: a machine, by its attestation document (KMS API Reference, `RecipientInfo`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs8::DecodePublicKey as _;
use rsa::{Oaep, RsaPublicKey, rand_core};
use serde::Deserialize;

use super::{cms, sealed};
use crate::attestation::{self, Recognized};
use crate::ids;
use crate::services::json::call::JsonCall;
use crate::services::json::errors::JsonError;

/// The only algorithm for documents of machines.
const ALGORITHM: &str = "RSAES_OAEP_SHA_256";
/// The sizes of RSA keys in bits.
const KEY_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// A recipient in a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RecipientInput {
    key_encryption_algorithm: Option<String>,
    attestation_document: Option<String>,
}

/// A machine whose document was recognized.
#[derive(Debug)]
pub(super) struct Recipient {
    document: Recognized,
    key: RsaPublicKey,
}

impl Recipient {
    /// Recognizes the document: one that this region issued, whose certificate has not expired.
    pub(super) fn read(call: &JsonCall<'_>, input: &RecipientInput) -> Result<Self, JsonError> {
        let invalid =
            |reason: &str| JsonError::validation(format!("Attestation document is invalid: {reason}"));
        if input.key_encryption_algorithm.as_deref() != Some(ALGORITHM) {
            return Err(JsonError::validation(format!("KeyEncryptionAlgorithm is not {ALGORITHM}")));
        }
        let text = input.attestation_document.as_deref().unwrap_or_default();
        let bytes = STANDARD.decode(text).map_err(|_| invalid("it is no Base64"))?;
        let document = attestation::recognize(call.state, call.region, &bytes, call.now);
        let document = document.map_err(|reason| invalid(&reason))?;
        let key = document.public_key.as_deref().ok_or_else(|| invalid("it has no public key"))?;
        let key =
            RsaPublicKey::from_public_key_der(key).map_err(|_| invalid("its public key is none of RSA"))?;
        let bits = rsa::traits::PublicKeyParts::size(&key) * 8;
        if !KEY_BITS.contains(&bits) {
            return Err(invalid(&format!("its public key has {bits} bits")));
        }
        Ok(Self { document, key })
    }

    /// The condition keys of its PCRs.
    pub(super) fn conditions(&self) -> Vec<(String, String)> {
        let hex =
            |value: &[u8; 48]| value.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let name = |index: &u8| format!("kms:RecipientAttestation:NitroTPMPCR{index}");
        self.document.pcrs.iter().map(|(index, value)| (name(index), hex(value))).collect()
    }

    /// A plaintext for its key: CMS `EnvelopedData` (RFC 5652), as KMS answers.
    pub(super) fn encrypt(&self, plaintext: &[u8]) -> Result<Vec<u8>, JsonError> {
        let (key, iv): ([u8; 32], [u8; 16]) = (ids::random(), ids::random());
        let wrapped = self.key.encrypt(&mut SystemRandom, Oaep::new::<sha2_for_rsa::Sha256>(), &key);
        let wrapped = wrapped.map_err(|error| JsonError::validation(error.to_string()))?;
        let content = sealed::encrypt_cbc(&key, &iv, plaintext);
        Ok(cms::enveloped(self.document.public_key.as_deref().unwrap_or_default(), &wrapped, &iv, &content))
    }
}

/// The system's random numbers.
struct SystemRandom;

impl rand_core::CryptoRng for SystemRandom {}

impl rand_core::RngCore for SystemRandom {
    fn next_u32(&mut self) -> u32 {
        u32::from_ne_bytes(ids::random())
    }

    fn next_u64(&mut self) -> u64 {
        u64::from_ne_bytes(ids::random())
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        dest.chunks_mut(32).for_each(|part| part.copy_from_slice(&ids::random::<32>()[..part.len()]));
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}
