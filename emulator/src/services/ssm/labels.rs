//! `LabelParameterVersion` and `UnlabelParameterVersion`.
//!
//! Rules: the API reference of `LabelParameterVersion` (botocore's model of SSM, 2014-11-06). A label that breaks the
//! rule for its characters is not an error but listed in the response; its length is a constraint of the model, and a
//! request that breaks it is refused (not tried on AWS).

use serde::Deserialize;
use serde_json::{Value, json};

use super::parameters;
use crate::services::json::call::JsonCall;
use crate::services::json::errors::JsonError;
use crate::state::parameter::{ParameterVersion, StoredParameter, parameter_key};

/// The maximum number of labels of a version.
const MAX_LABELS: usize = 10;
/// The maximum number of characters in a label.
const MAX_LABEL: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LabelInput {
    name: String,
    parameter_version: Option<u64>,
    labels: Vec<String>,
}

/// `LabelParameterVersion`. Moves a label that another version has.
pub(crate) fn label(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    let _guard = call.lock_region();
    let input: LabelInput = call.read()?;
    let (mut parameter, number) = parameter(call, &input)?;
    let (valid, invalid): (Vec<_>, Vec<_>) = input.labels.into_iter().partition(|label| is_label(label));
    for version in &mut parameter.versions {
        version.labels.retain(|label| !valid.contains(label));
    }
    let version = version(&mut parameter, number)?;
    version.labels.extend(valid);
    if version.labels.len() > MAX_LABELS {
        let message = "A parameter version can have a maximum of ten labels.";
        return Err(JsonError::new("ParameterVersionLabelLimitExceeded", message));
    }
    call.region.parameters.put(&parameter_key(call.account, &parameter.name), parameter)?;
    Ok(json!({"InvalidLabels": invalid, "ParameterVersion": number}))
}

/// `UnlabelParameterVersion`.
pub(crate) fn unlabel(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    let _guard = call.lock_region();
    let input: LabelInput = call.read()?;
    let (mut parameter, number) = parameter(call, &input)?;
    let version = version(&mut parameter, number)?;
    let (removed, invalid): (Vec<_>, Vec<_>) =
        input.labels.into_iter().partition(|label| version.labels.remove(label));
    call.region.parameters.put(&parameter_key(call.account, &parameter.name), parameter)?;
    Ok(json!({"RemovedLabels": removed, "InvalidLabels": invalid}))
}

fn parameter(call: &JsonCall<'_>, input: &LabelInput) -> Result<(StoredParameter, u64), JsonError> {
    if !(1..=MAX_LABELS).contains(&input.labels.len()) {
        return Err(JsonError::validation("One to ten labels are needed"));
    }
    if let Some(label) = input.labels.iter().find(|label| !(1..=MAX_LABEL).contains(&label.chars().count())) {
        return Err(JsonError::validation(format!(
            "1 validation error detected: Value '{label}' at 'labels' failed to satisfy constraint: Member must \
             satisfy constraint: [Member must have length between 1 and {MAX_LABEL}]"
        )));
    }
    let parameter = parameters::find_own(call, &input.name)?;
    let selector = input.parameter_version.map(|number| number.to_string());
    let number = parameter.select(selector.as_deref(), call.now)?.number;
    Ok((StoredParameter::clone(&parameter), number))
}

fn version(parameter: &mut StoredParameter, number: u64) -> Result<&mut ParameterVersion, JsonError> {
    let version = parameter.versions.iter_mut().find(|version| version.number == number);
    version.ok_or_else(|| JsonError::new("ParameterVersionNotFound", format!("There is no version {number}")))
}

/// Whether a label is valid: letters, digits and `._-`, not beginning with a digit, `aws` or `ssm`.
fn is_label(label: &str) -> bool {
    let lower = label.to_ascii_lowercase();
    let allowed = |one: char| one.is_ascii_alphanumeric() || "._-".contains(one);
    label.chars().all(allowed)
        && !label.starts_with(|one: char| one.is_ascii_digit())
        && !lower.starts_with("aws")
        && !lower.starts_with("ssm")
}
