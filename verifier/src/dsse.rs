//! DSSE envelopes (protocol 1.0.2), alone or in a sigstore bundle of version 0.3 without entries of a log.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::base64;
use crate::bytes::hex;
use crate::json::Json;
use crate::sshsig::PublicKey;

/// The type of a sigstore bundle.
const SIGSTORE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The type of a payload that is an in-toto statement.
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// An envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) payload: Vec<u8>,
    /// Ids of keys, which may be empty, and signatures.
    signatures: Vec<(String, Vec<u8>)>,
}

impl Envelope {
    /// Reads an envelope.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let json = Json::parse(text).map_err(|error| format!("byte {}: {}", error.offset, error.reason))?;
        Self::from_json(&json)
    }

    /// Reads the envelope of a sigstore bundle.
    pub(crate) fn parse_sigstore(text: &[u8]) -> Result<Self, String> {
        let json = Json::parse(text).map_err(|error| format!("byte {}: {}", error.offset, error.reason))?;
        only(&json, &["dsseEnvelope", "mediaType", "verificationMaterial"])?;
        if json.get("mediaType").and_then(Json::text) != Some(SIGSTORE) {
            return Err("it is no sigstore bundle of version 0.3".to_string());
        }
        let material = json.get("verificationMaterial").ok_or("it has no verification material")?;
        let entries = material.get("tlogEntries").and_then(Json::list).map_or(0, <[Json]>::len);
        let stamps = material.get("timestampVerificationData").and_then(|data| data.get("rfc3161Timestamps"));
        if entries > 0 || stamps.and_then(Json::list).is_some_and(|all| !all.is_empty()) {
            return Err("it has entries of a log or timestamps, which are not checked here".to_string());
        }
        let key = material.get("publicKey").ok_or("it names no public key")?;
        let hint = key.get("hint").and_then(Json::text).ok_or("it has no hint of the key")?;
        let envelope = Self::from_json(json.get("dsseEnvelope").ok_or("it has no envelope")?)?;
        match envelope.signatures.as_slice() {
            [(id, _)] if id == hint => Ok(envelope),
            [_] => Err("its hint is not the id of its signature's key".to_string()),
            all => Err(format!("it has {} signatures and not one", all.len())),
        }
    }

    fn from_json(json: &Json) -> Result<Self, String> {
        only(json, &["payload", "payloadType", "signatures"])?;
        if json.get("payloadType").and_then(Json::text) != Some(IN_TOTO) {
            return Err("its payload is no in-toto statement".to_string());
        }
        let bytes = |json: &Json, key: &str| json.get(key).and_then(Json::text).and_then(base64::decode);
        let payload = bytes(json, "payload").ok_or("its payload is no base64")?;
        let mut signatures = Vec::new();
        for signature in json.get("signatures").and_then(Json::list).unwrap_or(&[]) {
            only(signature, &["keyid", "sig"])?;
            let id = signature.get("keyid").map_or(Some(""), Json::text).ok_or("a key id is no text")?;
            signatures.push((id.to_string(), bytes(signature, "sig").ok_or("a signature is no base64")?));
        }
        if signatures.is_empty() || signatures.len() > 64 {
            return Err(format!("it has {} signatures", signatures.len()));
        }
        Ok(Self { payload, signatures })
    }

    /// Whether one of the keys that it names has an ID: the first digits of the digest that a fingerprint shows.
    pub(crate) fn names(&self, id: &str) -> bool {
        let short = |fingerprint: &str| {
            let digest = base64::decode(&format!("{}=", fingerprint.strip_prefix("SHA256:")?))?;
            digest.get(..8).filter(|_| digest.len() == 32).map(hex)
        };
        self.signatures.iter().any(|(named, _)| short(named).as_deref() == Some(id))
    }

    /// The keys among those given that signed.
    ///
    /// # Errors
    /// A signature that bears the id of a given key and is none by it.
    pub(crate) fn signed_by(&self, keys: &[PublicKey]) -> Result<Vec<PublicKey>, String> {
        let mut message = format!("DSSEv1 {} {IN_TOTO} {} ", IN_TOTO.len(), self.payload.len()).into_bytes();
        message.extend(&self.payload);
        let mut signed = Vec::new();
        for (id, signature) in &self.signatures {
            let own = keys.iter().filter(|key| id.is_empty() || key.fingerprint() == *id);
            match own.clone().find(|key| key.verify(&message, signature)) {
                Some(key) if signed.contains(key) => return Err("two signatures are by one key".to_string()),
                Some(key) => signed.push(key.clone()),
                None if !id.is_empty() && own.count() > 0 => {
                    return Err("the signature is not one by its key over these bytes".to_string());
                }
                None => {}
            }
        }
        Ok(signed)
    }
}

fn only(json: &Json, keys: &[&str]) -> Result<(), String> {
    let members = json.object().ok_or("it is no object")?;
    match members.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(format!("its key {} is unknown", crate::bytes::shown(key))),
        None => Ok(()),
    }
}
