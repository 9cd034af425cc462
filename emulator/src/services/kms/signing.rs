//! `Sign` and `GetPublicKey` with keys on elliptic curves. Written from the KMS API Reference.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::signing_key::{KmsSigningKey, SigningCurve};
use super::{keys, policies};
use crate::services::json::call::JsonCall;
use crate::services::json::errors::JsonError;
use crate::state::kms_key::KeyRecord;

/// The most bytes of a message (parameter `Message`).
const MAX_MESSAGE: usize = 4096;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SignInput {
    key_id: String,
    message: String,
    message_type: Option<String>,
    signing_algorithm: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PublicKeyInput {
    key_id: String,
}

/// `Sign`.
pub(super) fn sign(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    let input: SignInput = call.read()?;
    let (id, key, curve) = usable(call, &input.key_id)?;
    policies::authorize(call, "kms:Sign", (&id, &key), Vec::new())?;
    let message = STANDARD.decode(&input.message);
    let message =
        message.map_err(|error| JsonError::new("SerializationException", format!("Message: {error}")))?;
    if message.is_empty() || message.len() > MAX_MESSAGE {
        return Err(JsonError::validation(format!(
            "1 validation error detected: Value at 'message' failed to satisfy constraint: Member must have length \
             between 1 and {MAX_MESSAGE}"
        )));
    }
    let arn = keys::arn(call, &key.owner, &id);
    if input.signing_algorithm != curve.algorithm() {
        let message =
            format!("Algorithm {} and key spec {} are incompatible", input.signing_algorithm, key.spec);
        return Err(JsonError::new("InvalidKeyUsageException", format!("{arn}: {message}")));
    }
    let digest = match input.message_type.as_deref() {
        None | Some("RAW") => curve.digest(&message),
        Some("DIGEST") if message.len() == curve.digest_len() => message,
        Some("DIGEST") => {
            let len = message.len();
            let message = format!("Digest is invalid length for algorithm {}: {len}", curve.algorithm());
            return Err(JsonError::validation(message));
        }
        Some(other) => return Err(JsonError::validation(format!("MessageType {other} is not supported"))),
    };
    let signature = KmsSigningKey::derive(&call.state.secret, &id, curve).sign(&digest);
    let signature = signature.ok_or_else(|| JsonError::validation("Digest is invalid"))?;
    Ok(json!({
        "KeyId": arn,
        "Signature": STANDARD.encode(signature),
        "SigningAlgorithm": curve.algorithm(),
    }))
}

/// `GetPublicKey`.
pub(super) fn public_key(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    let input: PublicKeyInput = call.read()?;
    let (id, key, curve) = usable(call, &input.key_id)?;
    policies::authorize(call, "kms:GetPublicKey", (&id, &key), Vec::new())?;
    let public = KmsSigningKey::derive(&call.state.secret, &id, curve).public();
    Ok(json!({
        "CustomerMasterKeySpec": key.spec,
        "KeyId": keys::arn(call, &key.owner, &id),
        "KeySpec": key.spec,
        "KeyUsage": key.usage,
        "PublicKey": STANDARD.encode(public),
        "SigningAlgorithms": [curve.algorithm()],
    }))
}

/// A key of the account that is enabled and signs here: RSA keys are described only.
fn usable(call: &JsonCall<'_>, name: &str) -> Result<(String, KeyRecord, SigningCurve), JsonError> {
    let (id, key) = keys::find(call, name)?;
    keys::check_owned(call, &id, &key)?;
    let arn = keys::arn(call, &key.owner, &id);
    if !key.enabled {
        return Err(JsonError::new("DisabledException", format!("{arn} is disabled.")));
    }
    match SigningCurve::of_spec(&key.spec) {
        Some(curve) if key.usage == "SIGN_VERIFY" => Ok((id, key, curve)),
        _ if key.usage == "SIGN_VERIFY" => Err(JsonError::new(
            "UnsupportedOperationException",
            format!("{arn}: the local region signs with keys on elliptic curves alone"),
        )),
        _ => {
            let message = format!("{arn} key usage is {} which is not valid for this operation.", key.usage);
            Err(JsonError::new("InvalidKeyUsageException", message))
        }
    }
}
