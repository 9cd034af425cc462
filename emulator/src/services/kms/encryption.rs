//! `Encrypt`, `Decrypt` and `GenerateDataKey` with symmetric keys. With a `Recipient` the plaintext is encrypted to the key
//! that a machine attests, and the policy of the KMS key sees the machine's PCRs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::recipient::{Recipient, RecipientInput};
use super::sealed::{self, EncryptionContext};
use super::{keys, policies};
use crate::ids;
use crate::services::json::call::JsonCall;
use crate::services::json::errors::JsonError;
use crate::state::kms_key::KeyRecord;

/// The most bytes that are encrypted (KMS API Reference, `Encrypt`).
const MAX_PLAINTEXT: usize = 4096;
/// The only algorithm of symmetric keys.
const ALGORITHM: &str = "SYMMETRIC_DEFAULT";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EncryptInput {
    key_id: String,
    plaintext: String,
    #[serde(default)]
    encryption_context: EncryptionContext,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DecryptInput {
    ciphertext_blob: String,
    key_id: Option<String>,
    #[serde(default)]
    encryption_context: EncryptionContext,
    recipient: Option<RecipientInput>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DataKeyInput {
    key_id: String,
    key_spec: Option<String>,
    number_of_bytes: Option<usize>,
    #[serde(default)]
    encryption_context: EncryptionContext,
    recipient: Option<RecipientInput>,
}

/// `Encrypt`.
pub(super) fn encrypt(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    let input: EncryptInput = call.read()?;
    let (id, key) = usable(call, &input.key_id)?;
    policies::authorize(call, "kms:Encrypt", (&id, &key), Vec::new())?;
    let plaintext = decode("Plaintext", &input.plaintext)?;
    if plaintext.is_empty() || plaintext.len() > MAX_PLAINTEXT {
        return Err(JsonError::validation(format!(
            "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length \
             between 1 and {MAX_PLAINTEXT}"
        )));
    }
    let blob = sealed::seal(&call.state.secret, &id, &input.encryption_context, &plaintext);
    Ok(json!({
        "CiphertextBlob": STANDARD.encode(blob),
        "KeyId": keys::arn(call, &key.owner, &id),
        "EncryptionAlgorithm": ALGORITHM,
    }))
}

/// `Decrypt`.
pub(super) fn decrypt(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    let input: DecryptInput = call.read()?;
    let blob = decode("CiphertextBlob", &input.ciphertext_blob)?;
    // A ciphertext says which key it is of; an id in the request has to be the same.
    let invalid = || JsonError::new("InvalidCiphertextException", "");
    let (id, key) = usable(call, sealed::key_id(&blob).ok_or_else(invalid)?)?;
    if let Some(named) = &input.key_id
        && keys::find(call, named)?.0 != id
    {
        let message = "The key ID in the request does not identify a CMK that can perform this operation.";
        return Err(JsonError::new("IncorrectKeyException", message));
    }
    let recipient = input.recipient.map(|recipient| Recipient::read(call, &recipient)).transpose()?;
    let conditions = recipient.as_ref().map(Recipient::conditions).unwrap_or_default();
    policies::authorize(call, "kms:Decrypt", (&id, &key), conditions)?;
    let plaintext = sealed::open(&call.state.secret, &input.encryption_context, &blob).ok_or_else(invalid)?;
    let mut response = json!({
        "KeyId": keys::arn(call, &key.owner, &id),
        "EncryptionAlgorithm": ALGORITHM,
    });
    answer(&mut response, recipient.as_ref(), &plaintext)?;
    Ok(response)
}

/// `GenerateDataKey`.
pub(super) fn generate_data_key(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    let input: DataKeyInput = call.read()?;
    let len = match (input.key_spec.as_deref(), input.number_of_bytes) {
        (Some("AES_128"), None) => 16,
        (Some("AES_256"), None) => 32,
        (None, Some(len @ 1..=1024)) => len,
        _ => {
            return Err(JsonError::validation(
                "Please specify either number of bytes or key spec, and a number from 1 to 1024.",
            ));
        }
    };
    let (id, key) = usable(call, &input.key_id)?;
    let recipient = input.recipient.map(|recipient| Recipient::read(call, &recipient)).transpose()?;
    let conditions = recipient.as_ref().map(Recipient::conditions).unwrap_or_default();
    policies::authorize(call, "kms:GenerateDataKey", (&id, &key), conditions)?;
    let plaintext = ids::random::<1024>()[..len].to_vec();
    let blob = sealed::seal(&call.state.secret, &id, &input.encryption_context, &plaintext);
    let mut response = json!({
        "CiphertextBlob": STANDARD.encode(blob),
        "KeyId": keys::arn(call, &key.owner, &id),
    });
    answer(&mut response, recipient.as_ref(), &plaintext)?;
    Ok(response)
}

/// Puts the plaintext into a response: encrypted to the recipient if there is one, and then not in the clear.
fn answer(response: &mut Value, recipient: Option<&Recipient>, plaintext: &[u8]) -> Result<(), JsonError> {
    match recipient {
        Some(recipient) => {
            response["CiphertextForRecipient"] = STANDARD.encode(recipient.encrypt(plaintext)?).into();
        }
        None => response["Plaintext"] = STANDARD.encode(plaintext).into(),
    }
    Ok(())
}

/// A symmetric key of the account that is enabled.
fn usable(call: &JsonCall<'_>, name: &str) -> Result<(String, KeyRecord), JsonError> {
    let (id, key) = keys::find(call, name)?;
    keys::check_owned(call, &id, &key)?;
    if !key.enabled {
        return Err(JsonError::new(
            "DisabledException",
            format!("{} is disabled.", keys::arn(call, &key.owner, &id)),
        ));
    }
    if key.spec != ALGORITHM {
        let message = format!(
            "{} key usage is {} which is not valid here.",
            keys::arn(call, &key.owner, &id),
            key.usage
        );
        return Err(JsonError::new("InvalidKeyUsageException", message));
    }
    Ok((id, key))
}

fn decode(name: &str, text: &str) -> Result<Vec<u8>, JsonError> {
    STANDARD
        .decode(text)
        .map_err(|error| JsonError::new("SerializationException", format!("{name}: {error}")))
}
