//! Keys: how requests refer to them, and the operations on them.

use serde::Deserialize;
use serde_json::{Value, json};

use super::NOT_FOUND;
use super::signing_key::SigningCurve;
use crate::clock::Timestamp;
use crate::services::json::call::{self, JsonCall};
use crate::services::json::errors::JsonError;
use crate::state::account_settings as settings;
use crate::state::kms_key::KeyRecord;
use crate::state::partition::partition;

/// The alias of the key that AWS provides for EBS in every account and region.
pub(super) const EBS_ALIAS: &str = "alias/aws/ebs";
/// The default and the maximum number of entries in a page.
const PAGE: (u64, u64) = (100, 1000);

/// The input that identifies a key.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyInput {
    key_id: String,
}

/// The pagination input of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct KeyPage {
    limit: Option<u64>,
    marker: Option<String>,
}

/// `DescribeKey`.
pub(super) fn describe(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    let input: KeyInput = call.read()?;
    let (id, key) = find(call, &input.key_id)?;
    Ok(json!({ "KeyMetadata": key_metadata(call, &id, &key) }))
}

/// `EnableKey` and `DisableKey`, which accept no alias.
pub(super) fn set_enabled(call: &JsonCall<'_>, on: bool) -> Result<Value, JsonError> {
    let _guard = call.lock_region();
    let KeyInput { key_id } = call.read()?;
    if key_id.contains("alias/") {
        return Err(JsonError::new("InvalidArnException", format!("{key_id} is not a key")));
    }
    let (id, key) = find(call, &key_id)?;
    check_owned(call, &id, &key)?;
    call.region.keys.put(&id, KeyRecord { enabled: on, ..key })?;
    Ok(json!({}))
}

/// `ListKeys`.
pub(super) fn list(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    let page: KeyPage = call.read()?;
    let all = call.region.keys.all();
    let owned: Vec<_> =
        all.into_iter().filter(|(_, key)| key.owner == call.account).map(|(id, _)| id).collect();
    let (ids, next) = page.of(owned, String::clone)?;
    let keys: Vec<_> =
        ids.iter().map(|id| json!({ "KeyId": id, "KeyArn": arn(call, call.account, id) })).collect();
    Ok(list_response("Keys", &keys, next))
}

impl KeyPage {
    /// The requested page of a list and the marker of the next one.
    pub(super) fn of<T>(
        &self,
        all: Vec<T>,
        name: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), JsonError> {
        let size = self.limit.unwrap_or(PAGE.0);
        call::paginate(all, (Some(size), self.marker.as_deref()), PAGE.1, name)
    }
}

/// A response with a page of a list.
pub(super) fn list_response(name: &str, entries: &[Value], next: Option<String>) -> Value {
    let mut response = json!({ name: entries, "Truncated": next.is_some() });
    if let Some(next) = next {
        response["NextMarker"] = next.into();
    }
    response
}

/// Finds a key by its id, its ARN, an alias or the ARN of an alias. A key of another account needs an ARN.
pub(super) fn find(call: &JsonCall<'_>, name: &str) -> Result<(String, KeyRecord), JsonError> {
    let missing = |what: &str| JsonError::new(NOT_FOUND, format!("{what} is not found."));
    let region = &call.region.name;
    let (account, resource) = match name.strip_prefix("arn:") {
        None if name.starts_with("alias/") => (call.account, name.to_owned()),
        None => (call.account, format!("key/{name}")),
        Some(rest) => {
            let invalid = || JsonError::new("InvalidArnException", format!("Invalid arn {name}"));
            let parts: Vec<_> = rest.splitn(5, ':').collect();
            let [_, "kms", of, account, resource] = parts[..] else { return Err(invalid()) };
            if of != region {
                return Err(invalid());
            }
            (account, resource.to_owned())
        }
    };
    let id = match resource.strip_prefix("key/") {
        Some(id) => id.to_owned(),
        None if resource == EBS_ALIAS => ebs_key_id(call, account),
        None => {
            let alias = call.region.aliases.find(&alias_table_key(account, &resource));
            let alias =
                alias.ok_or_else(|| missing(&format!("Alias {}", resource_arn(call, account, &resource))))?;
            alias.key.clone()
        }
    };
    if id == ebs_key_id(call, account) {
        return Ok((id, ebs_key(account)));
    }
    let key = call.region.keys.find(&id).filter(|key| key.owner == account);
    let key = key.ok_or_else(|| missing(&format!("Key '{}'", arn(call, account, &id))))?;
    Ok((id, KeyRecord::clone(&key)))
}

/// Checks that a key belongs to the account and is not provided by AWS.
pub(super) fn check_owned(call: &JsonCall<'_>, id: &str, key: &KeyRecord) -> Result<(), JsonError> {
    if key.owner == call.account && id != ebs_key_id(call, call.account) {
        return Ok(());
    }
    Err(JsonError::new(
        "AccessDeniedException",
        format!("{} may not be changed by you", arn(call, &key.owner, id)),
    ))
}

/// The table key of an alias.
pub(super) fn alias_table_key(account: &str, alias: &str) -> String {
    format!("{account}/{alias}")
}

fn ebs_key_id(call: &JsonCall<'_>, account: &str) -> String {
    let arn = settings::default_ebs_key_arn(&call.region.name, account);
    arn.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The key that AWS provides for EBS.
fn ebs_key(account: &str) -> KeyRecord {
    KeyRecord {
        owner: account.to_owned(),
        description: "Default key that protects my EBS volumes when no other key is defined".to_owned(),
        enabled: true,
        spec: "SYMMETRIC_DEFAULT".to_owned(),
        usage: "ENCRYPT_DECRYPT".to_owned(),
        created: Timestamp::default(),
        policy: None,
    }
}

/// The ARN of a key.
pub(super) fn arn(call: &JsonCall<'_>, account: &str, id: &str) -> String {
    resource_arn(call, account, &format!("key/{id}"))
}

/// The ARN of a key or alias.
pub(super) fn resource_arn(call: &JsonCall<'_>, account: &str, resource: &str) -> String {
    let region = &call.region.name;
    format!("arn:{}:kms:{region}:{account}:{resource}", partition(region))
}

/// The description of a key in responses.
pub(super) fn key_metadata(call: &JsonCall<'_>, id: &str, key: &KeyRecord) -> Value {
    let algorithms = if key.usage == "ENCRYPT_DECRYPT" { vec![key.spec.as_str()] } else { Vec::new() };
    let key_manager = if id == ebs_key_id(call, &key.owner) { "AWS" } else { "CUSTOMER" };
    let mut metadata = json!({
        "AWSAccountId": key.owner,
        "Arn": arn(call, &key.owner, id),
        "CreationDate": key.created.seconds(),
        "CustomerMasterKeySpec": key.spec,
        "Description": key.description,
        "Enabled": key.enabled,
        "EncryptionAlgorithms": algorithms,
        "KeyId": id,
        "KeyManager": key_manager,
        "KeySpec": key.spec,
        "KeyState": if key.enabled { "Enabled" } else { "Disabled" },
        "KeyUsage": key.usage,
        "MultiRegion": false,
        "Origin": "AWS_KMS",
    });
    if let Some(curve) = SigningCurve::of_spec(&key.spec) {
        metadata["SigningAlgorithms"] = json!([curve.algorithm()]);
    }
    metadata
}
