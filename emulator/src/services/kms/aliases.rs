//! Operations on aliases of keys.

use serde::Deserialize;
use serde_json::{Value, json};

use super::NOT_FOUND;
use super::keys::{self, KeyPage, alias_table_key};
use crate::services::json::call::JsonCall;
use crate::services::json::errors::JsonError;
use crate::state::kms_key::Alias;

/// The maximum length of an alias name.
const MAX_ALIAS_NAME: usize = 256;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AliasInput {
    alias_name: String,
    target_key_id: String,
}

/// `CreateAlias`.
pub(super) fn create(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    let _guard = call.lock_region();
    let input: AliasInput = call.read()?;
    check(&input.alias_name)?;
    let name = alias_table_key(call.account, &input.alias_name);
    if call.region.aliases.find(&name).is_some() {
        let arn = keys::resource_arn(call, call.account, &input.alias_name);
        return Err(JsonError::new(
            "AlreadyExistsException",
            format!("An alias with the name {arn} already exists"),
        ));
    }
    put(call, &name, input)
}

/// `UpdateAlias`.
pub(super) fn update(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    let _guard = call.lock_region();
    let input: AliasInput = call.read()?;
    let name = alias_table_key(call.account, &input.alias_name);
    check_exists(call, &input.alias_name)?;
    put(call, &name, input)
}

/// `DeleteAlias`.
pub(super) fn delete(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct AliasInput {
        alias_name: String,
    }
    let _guard = call.lock_region();
    let input: AliasInput = call.read()?;
    check_exists(call, &input.alias_name)?;
    call.region.aliases.remove(&alias_table_key(call.account, &input.alias_name))?;
    Ok(json!({}))
}

/// `ListAliases`, for all keys or one.
pub(super) fn list(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct AliasInput {
        key_id: Option<String>,
        #[serde(flatten)]
        page: KeyPage,
    }
    let input: AliasInput = call.read()?;
    let of = input.key_id.map(|key| keys::find(call, &key)).transpose()?.map(|(id, _)| id);
    let ebs = keys::find(call, keys::EBS_ALIAS).map(|(id, _)| (keys::EBS_ALIAS.to_owned(), id, None))?;
    let all = call.region.aliases.all();
    let mut owned: Vec<_> = all
        .iter()
        .filter(|(_, alias)| alias.owner == call.account)
        .map(|(_, alias)| (alias.name.clone(), alias.key.clone(), Some(alias.changed.seconds())))
        .chain([ebs])
        .filter(|(_, key, _)| of.as_ref().is_none_or(|of| of == key))
        .collect();
    owned.sort_by(|one, other| one.0.cmp(&other.0));
    let (page, next) = input.page.of(owned, |(name, ..)| name.clone())?;
    let metadata = page.iter().map(|(name, key, changed)| {
        let mut metadata = json!({
            "AliasName": name,
            "AliasArn": keys::resource_arn(call, call.account, name),
            "TargetKeyId": key,
        });
        if let Some(changed) = changed {
            (metadata["CreationDate"], metadata["LastUpdatedDate"]) = (json!(changed), json!(changed));
        }
        metadata
    });
    Ok(keys::list_response("Aliases", &metadata.collect::<Vec<_>>(), next))
}

fn put(call: &JsonCall<'_>, name: &str, input: AliasInput) -> Result<Value, JsonError> {
    let (key, key_record) = keys::find(call, &input.target_key_id)?;
    keys::check_owned(call, &key, &key_record)?;
    let alias = Alias { name: input.alias_name, owner: call.account.to_owned(), key, changed: call.now };
    call.region.aliases.put(name, alias)?;
    Ok(json!({}))
}

fn check_exists(call: &JsonCall<'_>, alias: &str) -> Result<(), JsonError> {
    if call.region.aliases.find(&alias_table_key(call.account, alias)).is_some() {
        return Ok(());
    }
    let arn = keys::resource_arn(call, call.account, alias);
    Err(JsonError::new(NOT_FOUND, format!("Alias {arn} is not found.")))
}

/// Checks an alias name: `alias/` and letters, digits, `/`, `_` and `-` (`CreateAlias`, parameter
/// `AliasName`). `alias/aws/` is reserved for AWS.
fn check(name: &str) -> Result<(), JsonError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte);
    match name.strip_prefix("alias/") {
        Some(rest) if rest.starts_with("aws/") => {
            Err(JsonError::new("NotAuthorizedException", "alias/aws/ is reserved"))
        }
        Some(rest) if !rest.is_empty() && name.len() <= MAX_ALIAS_NAME && rest.bytes().all(plain) => Ok(()),
        _ => Err(JsonError::new("InvalidAliasNameException", format!("Alias {name} is not valid"))),
    }
}
