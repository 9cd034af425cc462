//! `AddTagsToResource`, `RemoveTagsFromResource` and `ListTagsForResource` on parameters.

use serde::Deserialize;
use serde_json::{Value, json};

use super::parameters;
use crate::services::json::call::JsonCall;
use crate::services::json::errors::JsonError;
use crate::state::parameter::{StoredParameter, parameter_key};
use crate::state::tags::Tags;

/// The maximum number of tags of a parameter.
const MAX_TAGS: usize = 50;

/// A tag as sent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TagInput {
    key: String,
    value: String,
}

/// Checks tags.
pub(crate) fn read_tags(inputs: &[TagInput]) -> Result<Tags, JsonError> {
    let mut tags = Tags::new();
    for TagInput { key, value } in inputs {
        let reserved = key.to_ascii_lowercase().starts_with("aws:");
        if reserved || !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256 {
            return Err(JsonError::validation(format!("The tag {key} is not valid")));
        }
        tags.insert(key.clone(), value.clone());
    }
    if tags.len() > MAX_TAGS { Err(too_many()) } else { Ok(tags) }
}

fn too_many() -> JsonError {
    JsonError::new("TooManyTagsError", format!("A parameter may have at most {MAX_TAGS} tags"))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    resource_type: String,
    resource_id: String,
}

fn parameter(call: &JsonCall<'_>) -> Result<StoredParameter, JsonError> {
    let parameter = any_parameter(call)?;
    if parameter.owner == call.account { Ok(parameter) } else { Err(parameters::reserved(&parameter.name)) }
}

fn any_parameter(call: &JsonCall<'_>) -> Result<StoredParameter, JsonError> {
    let resource: Resource = call.read()?;
    if resource.resource_type != "Parameter" {
        let message = format!("The local region has no {}", resource.resource_type);
        return Err(JsonError::new("InvalidResourceType", message));
    }
    let missing = |_| JsonError::new("InvalidResourceId", "The resource ID isn't valid.");
    let parameter =
        parameters::find(call.region, call.account, &resource.resource_id, call.now).map_err(missing)?;
    Ok(StoredParameter::clone(&parameter))
}

/// `AddTagsToResource`.
pub(crate) fn add(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        tags: Vec<TagInput>,
    }
    let _guard = call.lock_region();
    let mut parameter = parameter(call)?;
    let input: Input = call.read()?;
    parameter.tags.extend(read_tags(&input.tags)?);
    if parameter.tags.len() > MAX_TAGS {
        return Err(too_many());
    }
    call.region.parameters.put(&parameter_key(call.account, &parameter.name), parameter)?;
    Ok(json!({}))
}

/// `RemoveTagsFromResource`.
pub(crate) fn remove(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        tag_keys: Vec<String>,
    }
    let _guard = call.lock_region();
    let mut parameter = parameter(call)?;
    let input: Input = call.read()?;
    parameter.tags.retain(|key, _| !input.tag_keys.contains(key));
    call.region.parameters.put(&parameter_key(call.account, &parameter.name), parameter)?;
    Ok(json!({}))
}

/// `ListTagsForResource`.
pub(crate) fn list(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    let parameter = parameter(call)?;
    let list: Vec<Value> =
        parameter.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    Ok(json!({"TagList": list}))
}
