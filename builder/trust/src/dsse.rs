//! DSSE envelopes: a payload with its type and signatures over both.
//!
//! Follows the Dead Simple Signing Envelope 1.0.2 (`protocol.md`, `envelope.md`). What is signed is the pre-authentication
//! encoding of type and payload, so neither can be read as the other, and no canonical form of JSON is needed. Reading is
//! strict where the specification lets a reader choose: no unknown and no repeated keys, base64 of one form, and a key id that
//! is there has to be that of the key which verifies.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};

use crate::keys::{NotVerified, PublicKey};
use crate::signing::{SignerError, SigningKey};

/// The type of a payload that is an in-toto statement.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// The most bytes of an envelope: one with a bill of materials of a large image has some 40 MB.
pub const LEN_MAX: usize = 256 << 20;

/// The most signatures of an envelope.
pub const SIGNATURES_MAX: usize = 64;

/// The most bytes of a signature: RSA with 8192 bits.
const SIGNATURE_MAX: usize = 1024;

/// The most characters of a key id and of a type.
const WORD_MAX: usize = 1024;

/// The bytes that are signed: `DSSEv1`, and type and payload, each after its length.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// An envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DsseEnvelope {
    /// The type of the payload.
    pub payload_type: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// Its signatures, at least one.
    pub signatures: Vec<EnvelopeSignature>,
}

/// A signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeSignature {
    /// What says which key it is, not signed: [`PublicKey::fingerprint`], by which cosign finds it too; may be empty.
    pub key_id: String,
    /// The signature, in the form of [`SigningKey::sign`].
    pub signature: Vec<u8>,
}

/// Why bytes are no envelope.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// More bytes than an envelope may have.
    #[error("it has {len} bytes, and envelopes of at most {LEN_MAX} are read")]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// Not JSON, or other keys.
    #[error("reading its JSON")]
    Json(#[source] serde_json::Error),
    /// A value that is no base64.
    #[error("its `{key}` is not base64")]
    Base64 {
        /// The key.
        key: &'static str,
    },
    /// Another number of signatures.
    #[error("it has {count} signatures, and 1 to {most} are read")]
    Signatures {
        /// How many it has.
        count: usize,
        /// The most that it may have.
        most: usize,
    },
    /// A text or a signature that is too long.
    #[error("its `{key}` has {len} bytes, which is more than any has")]
    Value {
        /// The key.
        key: &'static str,
        /// The length.
        len: usize,
    },
}

/// Why the signatures of an envelope are not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeRefused {
    /// A signature that bears the id of a known key is not one by it.
    #[error("checking the signature of the key {key_id}")]
    Signature {
        /// The id of the key.
        key_id: String,
        /// Why.
        source: NotVerified,
    },
    /// Two signatures are by one key.
    #[error("two of its signatures are by the key {key_id}")]
    Repeated {
        /// The id of the key.
        key_id: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnvelopeText {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<SignatureText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureText {
    #[serde(default)]
    keyid: String,
    sig: String,
}

impl DsseEnvelope {
    /// An envelope that one key signs.
    ///
    /// # Errors
    /// As [`SigningKey::sign`]; [`SignerError::OnlySsh`] for a key on a FIDO token.
    pub fn sign(payload_type: &str, payload: Vec<u8>, key: &dyn SigningKey) -> Result<Self, SignerError> {
        let signature = key.sign(&pae(payload_type, &payload))?;
        let key_id = key.public().fingerprint();
        let signatures = vec![EnvelopeSignature { key_id, signature }];
        Ok(Self { payload_type: payload_type.to_owned(), payload, signatures })
    }

    /// An envelope with a signature that was made elsewhere over [`pae`].
    ///
    /// # Errors
    /// [`NotVerified`] where it is not one by the key.
    pub fn with_signature(
        payload_type: &str,
        payload: Vec<u8>,
        key: &PublicKey,
        signature: Vec<u8>,
    ) -> Result<Self, NotVerified> {
        key.verify(&pae(payload_type, &payload), &signature)?;
        let signatures = vec![EnvelopeSignature { key_id: key.fingerprint(), signature }];
        Ok(Self { payload_type: payload_type.to_owned(), payload, signatures })
    }

    /// Reads an envelope.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn parse(text: &[u8]) -> Result<Self, EnvelopeError> {
        if text.len() > LEN_MAX {
            return Err(EnvelopeError::TooLong { len: text.len() });
        }
        Self::from_text(serde_json::from_slice(text).map_err(EnvelopeError::Json)?)
    }

    /// Its text: JSON on one line with sorted keys, and a newline.
    pub fn to_text(&self) -> String {
        // Plain structures of strings cannot fail to become JSON.
        let mut text = serde_json::to_string(&self.as_text()).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The keys among `keys` that have signed it, in their order. A signature whose id is that of none of them is not looked
    /// at; one without an id is tried with each.
    ///
    /// # Errors
    /// [`EnvelopeRefused`] where a signature is not what it says: the envelope was changed.
    pub fn verify<'k>(&self, keys: &'k [PublicKey]) -> Result<Vec<&'k PublicKey>, EnvelopeRefused> {
        let message = pae(&self.payload_type, &self.payload);
        let mut signed = Vec::new();
        for EnvelopeSignature { key_id, signature } in &self.signatures {
            let key = if key_id.is_empty() {
                keys.iter().find(|key| key.verify(&message, signature).is_ok())
            } else {
                let key = keys.iter().find(|key| key.fingerprint() == *key_id);
                let verified = key.map(|key| key.verify(&message, signature)).transpose();
                let key_id = key_id.clone();
                verified.map_err(|source| EnvelopeRefused::Signature { key_id, source })?;
                key
            };
            let Some(key) = key else { continue };
            if signed.contains(&key) {
                return Err(EnvelopeRefused::Repeated { key_id: key.fingerprint() });
            }
            signed.push(key);
        }
        Ok(keys.iter().filter(|key| signed.contains(key)).collect())
    }

    pub(crate) fn as_text(&self) -> EnvelopeText {
        let signature = |one: &EnvelopeSignature| SignatureText {
            keyid: one.key_id.clone(),
            sig: STANDARD.encode(&one.signature),
        };
        EnvelopeText {
            payload: STANDARD.encode(&self.payload),
            payload_type: self.payload_type.clone(),
            signatures: self.signatures.iter().map(signature).collect(),
        }
    }

    pub(crate) fn from_text(text: EnvelopeText) -> Result<Self, EnvelopeError> {
        let count = text.signatures.len();
        if !(1..=SIGNATURES_MAX).contains(&count) {
            return Err(EnvelopeError::Signatures { count, most: SIGNATURES_MAX });
        }
        let short = |key, text: String, most| {
            if text.len() > most { Err(EnvelopeError::Value { key, len: text.len() }) } else { Ok(text) }
        };
        let signature = |one: SignatureText| {
            let signature = decode("sig", &short("sig", one.sig, SIGNATURE_MAX.saturating_mul(2))?)?;
            Ok(EnvelopeSignature { key_id: short("keyid", one.keyid, WORD_MAX)?, signature })
        };
        Ok(Self {
            payload_type: short("payloadType", text.payload_type, WORD_MAX)?,
            payload: decode("payload", &text.payload)?,
            signatures: text.signatures.into_iter().map(signature).collect::<Result<_, _>>()?,
        })
    }
}

/// The bytes of a value: base64 with padding, of the usual alphabet or that for URLs.
fn decode(key: &'static str, text: &str) -> Result<Vec<u8>, EnvelopeError> {
    let decoded = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text));
    decoded.map_err(|_| EnvelopeError::Base64 { key })
}

#[cfg(test)]
mod tests;
