//! Key policies, and the decision whether one and the policies of the sender allow the use of a key.

use serde::Deserialize;
use serde_json::{Value, json};

use super::keys;
use crate::authorization::key_conditions;
use crate::iam::{Decision, Keys, ResourcePolicy};
use crate::services::json::call::JsonCall;
use crate::services::json::errors::JsonError;
use crate::state::kms_key::KeyRecord;
use crate::state::partition::partition;

/// The only name that a key policy can have.
const NAME: &str = "default";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyInput {
    key_id: String,
    policy_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutKeyPolicyInput {
    key_id: String,
    policy_name: Option<String>,
    policy: String,
    #[serde(default)]
    bypass_policy_lockout_safety_check: bool,
}

/// `GetKeyPolicy`.
pub(super) fn get(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    let input: PolicyInput = call.read()?;
    check_name(input.policy_name.as_deref())?;
    let (id, key) = keys::find(call, &input.key_id)?;
    authorize(call, "kms:GetKeyPolicy", (&id, &key), Vec::new())?;
    Ok(json!({ "Policy": text(call, &key), "PolicyName": NAME }))
}

/// `PutKeyPolicy`.
pub(super) fn put(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    let _guard = call.lock_region();
    let input: PutKeyPolicyInput = call.read()?;
    check_name(input.policy_name.as_deref())?;
    let (id, key) = keys::find(call, &input.key_id)?;
    keys::check_owned(call, &id, &key)?;
    authorize(call, "kms:PutKeyPolicy", (&id, &key), Vec::new())?;
    check_new(call, &id, &input.policy, input.bypass_policy_lockout_safety_check)?;
    call.region.keys.put(&id, KeyRecord { policy: Some(input.policy), ..key })?;
    Ok(json!({}))
}

fn check_name(name: Option<&str>) -> Result<(), JsonError> {
    match name {
        None | Some(NAME) => Ok(()),
        Some(_) => Err(JsonError::new("NotFoundException", "No such policy exists")),
    }
}

/// Checks a policy that a key is to have: its form, and that its sender may change it again (KMS API Reference,
/// `BypassPolicyLockoutSafetyCheck`).
pub(super) fn check_new(call: &JsonCall<'_>, id: &str, policy: &str, bypass: bool) -> Result<(), JsonError> {
    let malformed = |reason: String| JsonError::new("MalformedPolicyDocumentException", reason);
    let value = serde_json::from_str(policy).map_err(|error| malformed(error.to_string()))?;
    let policy = ResourcePolicy::read(&value).map_err(malformed)?;
    let arn = keys::arn(call, call.account, id);
    let conditions = conditions(call, &arn, Vec::new());
    let decision =
        policy.decide(call.principal, partition(&call.region.name), "kms:PutKeyPolicy", &arn, &conditions);
    if decision == Decision::Allowed || bypass {
        return Ok(());
    }
    Err(malformed("The new key policy will not allow you to update the key policy in the future.".to_owned()))
}

/// Checks that the sender may perform an action on a key, with further condition keys of the request.
pub(super) fn authorize(
    call: &JsonCall<'_>,
    action: &str,
    (id, key): (&str, &KeyRecord),
    more: Vec<(String, String)>,
) -> Result<(), JsonError> {
    let arn = keys::arn(call, &key.owner, id);
    let value = serde_json::from_str(&text(call, key)).unwrap_or_default();
    let policy = ResourcePolicy::read(&value)
        .map_err(|reason| JsonError { status: 500, ..JsonError::new("KMSInternalException", reason) })?;
    let (partition, conditions) = (partition(&call.region.name), conditions(call, &arn, more));
    let decision = policy.decide(call.principal, partition, action, &arn, &conditions);
    if decision == Decision::Allowed {
        return Ok(());
    }
    let why = match decision {
        Decision::Denied => "with an explicit deny in a resource-based policy".to_owned(),
        _ => format!("because no resource-based policy allows the {action} action"),
    };
    let principal = call.principal.arn(partition);
    let message =
        format!("User: {principal} is not authorized to perform: {action} on resource: {arn} {why}");
    Err(JsonError::new("AccessDeniedException", message))
}

fn conditions(call: &JsonCall<'_>, arn: &str, more: Vec<(String, String)>) -> Keys {
    key_conditions((call.state, call.region), call.principal, arn, more)
}

/// The policy of a key; by default its account decides (KMS Developer Guide, "Default key policy").
fn text(call: &JsonCall<'_>, key: &KeyRecord) -> String {
    key.policy.clone().unwrap_or_else(|| {
        let root = format!("arn:{}:iam::{}:root", partition(&call.region.name), key.owner);
        json!({
            "Version": "2012-10-17",
            "Id": "key-default-1",
            "Statement": [{
                "Sid": "Enable IAM User Permissions",
                "Effect": "Allow",
                "Principal": {"AWS": root},
                "Action": "kms:*",
                "Resource": "*",
            }],
        })
        .to_string()
    })
}
