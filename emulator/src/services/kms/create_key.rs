//! `CreateKey`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{keys, policies};
use crate::ids;
use crate::services::json::call::JsonCall;
use crate::services::json::errors::JsonError;
use crate::state::kms_key::KeyRecord;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateKeyInput {
    #[serde(default)]
    description: String,
    key_spec: Option<String>,
    key_usage: Option<String>,
    policy: Option<String>,
    #[serde(default)]
    bypass_policy_lockout_safety_check: bool,
}

/// `CreateKey`.
pub(super) fn create(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    let new: CreateKeyInput = call.read()?;
    let (spec, usage) = match (new.key_spec.as_deref(), new.key_usage.as_deref()) {
        (None | Some("SYMMETRIC_DEFAULT"), None | Some("ENCRYPT_DECRYPT")) => {
            ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
        }
        (Some(spec @ "HMAC_256"), Some(usage @ "GENERATE_VERIFY_MAC"))
        | (Some(spec @ ("RSA_2048" | "ECC_NIST_P256" | "ECC_NIST_P384")), Some(usage @ "SIGN_VERIFY"))
        | (Some(spec @ "RSA_2048"), Some(usage @ "ENCRYPT_DECRYPT")) => (spec, usage),
        (spec, usage) => {
            let message = format!(
                "KeyUsage {} is not compatible with KeySpec {}",
                usage.unwrap_or("ENCRYPT_DECRYPT"),
                spec.unwrap_or("SYMMETRIC_DEFAULT")
            );
            return Err(JsonError::validation(message));
        }
    };
    let key = KeyRecord {
        owner: call.account.to_owned(),
        description: new.description,
        enabled: true,
        spec: spec.to_owned(),
        usage: usage.to_owned(),
        created: call.now,
        policy: new.policy,
    };
    let id = ids::uuid();
    if let Some(policy) = &key.policy {
        policies::check_new(call, &id, policy, new.bypass_policy_lockout_safety_check)?;
    }
    call.region.keys.put(&id, key.clone())?;
    Ok(json!({ "KeyMetadata": keys::key_metadata(call, &id, &key) }))
}
