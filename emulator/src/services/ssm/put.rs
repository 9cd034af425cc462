//! `PutParameter` and the operations that delete parameters.
//!
//! Sources: the API reference of `PutParameter` (botocore's model of SSM, 2014-11-06) and the Systems Manager User
//! Guide, pages "parameter-store-ec2-aliases", "parameter-store-advanced-parameters", "sysman-paramstore-labels" and
//! "parameter-store-data-types". A value of the data type `aws:ec2:image` is checked after the response, which reports
//! success in every case; a version whose value is not an image that the account can launch is neither created nor
//! does it update anything. Not tried on AWS: whether such a version uses up its number (here it does not), and the
//! error codes that the reference does not name.

use serde::Deserialize;
use serde_json::{Value, json};

use super::parameters;
use super::tags::{TagInput, read_tags};
use crate::clock::Timestamp;
use crate::services::json::call::JsonCall;
use crate::services::json::errors::JsonError;
use crate::state::OwnerAlias;
use crate::state::image::ImageState;
use crate::state::parameter::{ParameterVersion, StoredParameter, is_public, parameter_key};

/// The maximum number of stored versions (`ParameterMaxVersionLimitExceeded`).
const MAX_VERSIONS: usize = 100;
/// The maximum size in bytes of a value in each tier, and the number of parameters in the standard tier (member `Tier`).
const MAX_STANDARD: usize = 4096;
const MAX_ADVANCED: usize = 8192;
const MAX_STANDARD_PARAMETERS: usize = 10_000;
/// The maximum number of characters in a name, including what precedes it in the ARN (member `Name`), and of levels in
/// its path.
const MAX_NAME: usize = 1011;
const MAX_LEVELS: usize = 15;

/// The data type whose value is checked.
const IMAGE: &str = "aws:ec2:image";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutInput {
    name: String,
    value: String,
    description: Option<String>,
    r#type: Option<String>,
    key_id: Option<String>,
    overwrite: Option<bool>,
    allowed_pattern: Option<String>,
    tags: Option<Vec<TagInput>>,
    tier: Option<String>,
    policies: Option<String>,
    data_type: Option<String>,
}

/// `PutParameter`.
pub(crate) fn put_parameter(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    let _guard = call.lock_region();
    let mut input: PutInput = call.read()?;
    // Spaces at both ends are removed (member `Name`); those within are refused.
    input.name = input.name.trim_matches(' ').to_owned();
    check_name(call, &input.name)?;
    check_unsupported(&input)?;
    let old = call.region.parameters.find(&parameter_key(call.account, &input.name));
    if old.is_some() && input.overwrite != Some(true) {
        let message = "The parameter already exists. To overwrite this value, set the overwrite option in the \
                       request to true.";
        return Err(JsonError::new("ParameterAlreadyExists", message));
    }
    if input.overwrite == Some(true) && input.tags.is_some() {
        return Err(JsonError::validation(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please \
             remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or \
             RemoveTagsFromResource.",
        ));
    }
    let mut parameter = match &old {
        Some(old) => update_of(old, &input)?,
        None => new_parameter(call, &input)?,
    };
    let tier = tier(call, &input, old.as_deref())?;
    let number = parameter.versions.last().map_or(1, |version| version.number + 1);
    let response = json!({"Version": number, "Tier": tier});
    let is_image = parameter.data_type == IMAGE;
    let lag = if is_image { call.state.config.windows.task } else { std::time::Duration::ZERO };
    if is_image && !image_exists(call, &input.value, call.now.after(lag)) {
        return Ok(response);
    }
    let key = (parameter.kind == "SecureString")
        .then(|| input.key_id.unwrap_or_else(|| "alias/aws/ssm".to_owned()));
    parameter.versions.push(ParameterVersion {
        number,
        value: input.value,
        description: input.description,
        tier,
        key,
        modified: call.now,
        from: call.now.after(lag),
        labels: std::collections::BTreeSet::default(),
    });
    drop_oldest_version(&mut parameter)?;
    call.region.parameters.put(&parameter_key(call.account, &input.name), parameter)?;
    Ok(response)
}

/// Checks a parameter name.
fn check_name(call: &JsonCall<'_>, name: &str) -> Result<(), JsonError> {
    let allowed = |one: char| one.is_ascii_alphanumeric() || "_.-/".contains(one);
    if name.is_empty() || !name.chars().all(allowed) || name.contains("//") || name.ends_with('/') {
        return Err(JsonError::validation(
            "Parameter name must be a fully qualified name, and may contain letters, numbers and the symbols . - _ /",
        ));
    }
    let slash = if name.starts_with('/') { "" } else { "/" };
    let arn = format!("arn:aws:ssm:{}:{}:parameter{slash}{name}", call.region.name, call.account);
    if arn.len() > MAX_NAME {
        return Err(JsonError::validation(format!(
            "Parameter name may have at most {MAX_NAME} characters, including those before it in the ARN"
        )));
    }
    let levels = name.trim_start_matches('/').split('/').count();
    if levels > MAX_LEVELS {
        let message = format!("A parameter hierarchy may have at most {MAX_LEVELS} levels");
        return Err(JsonError::new("HierarchyLevelLimitExceededException", message));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(JsonError::validation("Parameter name must be a fully qualified name."));
    }
    let first = name.trim_start_matches('/').split('/').next().unwrap_or_default().to_ascii_lowercase();
    match first.as_str() {
        "aws" if is_public(name) && call.state.accounts.alias(call.account) == Some(OwnerAlias::Amazon) => {
            Ok(())
        }
        "aws" if name.starts_with('/') => Err(parameters::reserved(name)),
        first if first.starts_with("aws") || first.starts_with("ssm") => Err(JsonError::validation(
            "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive).",
        )),
        _ => Ok(()),
    }
}

fn check_unsupported(input: &PutInput) -> Result<(), JsonError> {
    if input.allowed_pattern.as_ref().is_some_and(|pattern| !pattern.is_empty()) {
        // An error is better than a pattern that is stored but not applied.
        let message = "The local region does not check values against patterns";
        return Err(JsonError::new("InvalidAllowedPatternException", message));
    }
    if input.policies.as_ref().is_some_and(|policies| policies.trim() != "[]" && !policies.is_empty()) {
        let message = "The local region has no parameter policies";
        return Err(JsonError::new("InvalidPolicyTypeException", message));
    }
    if input.description.as_ref().is_some_and(|text| text.chars().count() > 1024) {
        return Err(JsonError::validation("The description may have at most 1024 characters"));
    }
    Ok(())
}

fn new_parameter(call: &JsonCall<'_>, input: &PutInput) -> Result<StoredParameter, JsonError> {
    let kind = input
        .r#type
        .clone()
        .ok_or_else(|| JsonError::validation("A parameter type is required when you create a parameter."))?;
    if !["String", "StringList", "SecureString"].contains(&kind.as_str()) {
        return Err(JsonError::validation(format!(
            "1 validation error detected: Value '{kind}' at 'type' failed to satisfy constraint: Member must satisfy \
             enum value set: [SecureString, StringList, String]"
        )));
    }
    let data_type = input.data_type.clone().unwrap_or_else(|| "text".to_owned());
    if data_type != "text" && (data_type != IMAGE || kind != "String") {
        return Err(JsonError::validation(format!(
            "The data type {data_type} cannot be used with the type {kind}"
        )));
    }
    Ok(StoredParameter {
        name: input.name.clone(),
        owner: call.account.to_owned(),
        kind,
        data_type,
        versions: Vec::new(),
        tags: read_tags(input.tags.as_deref().unwrap_or_default())?,
    })
}

fn update_of(old: &StoredParameter, input: &PutInput) -> Result<StoredParameter, JsonError> {
    if input.r#type.as_ref().is_some_and(|kind| *kind != old.kind) {
        let message = "The parameter type cannot be changed. Delete the parameter and create a new one.";
        return Err(JsonError::new("HierarchyTypeMismatchException", message));
    }
    if input.data_type.as_ref().is_some_and(|data_type| *data_type != old.data_type) {
        return Err(JsonError::validation("The data type of a parameter cannot be changed."));
    }
    Ok(old.clone())
}

/// The tier of the new version. The account's default is the standard tier, and an advanced parameter stays one.
fn tier(call: &JsonCall<'_>, input: &PutInput, old: Option<&StoredParameter>) -> Result<String, JsonError> {
    let before = old.and_then(|old| old.versions.last()).map(|version| version.tier.as_str());
    let large = input.value.len() > MAX_STANDARD;
    let full = old.is_none() && standard_parameters(call) >= MAX_STANDARD_PARAMETERS;
    let tier = match input.tier.as_deref() {
        None => before.unwrap_or("Standard"),
        Some("Intelligent-Tiering") => {
            before.filter(|_| !large).unwrap_or(if large || full { "Advanced" } else { "Standard" })
        }
        Some(tier @ ("Standard" | "Advanced")) => tier,
        Some(other) => return Err(JsonError::validation(format!("There is no tier {other}"))),
    };
    if full && tier == "Standard" {
        let message = "You have exceeded the number of parameters for this AWS account. Delete one or more parameters \
                       and try again.";
        return Err(JsonError::new("ParameterLimitExceeded", message));
    }
    if before == Some("Advanced") && tier == "Standard" {
        return Err(JsonError::validation(
            "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the \
             advanced-parameter tier to the standard-parameter tier.",
        ));
    }
    let max = if tier == "Advanced" { MAX_ADVANCED } else { MAX_STANDARD };
    if input.value.is_empty() {
        return Err(JsonError::validation("Parameter value can't be empty."));
    }
    if input.value.len() > max {
        return Err(JsonError::validation(format!(
            "{tier} tier parameters support a maximum parameter value of {max} characters."
        )));
    }
    Ok(tier.to_owned())
}

/// The number of parameters of the account in the standard tier.
fn standard_parameters(call: &JsonCall<'_>) -> usize {
    let standard = |parameter: &StoredParameter| {
        parameter.owner == call.account
            && parameter.versions.last().is_some_and(|version| version.tier == "Standard")
    };
    call.region.parameters.all().into_iter().filter(|(_, parameter)| standard(parameter)).count()
}

/// Whether a value is the id of an image that the account may launch at a point in time: that of the check.
fn image_exists(call: &JsonCall<'_>, value: &str, checked: Timestamp) -> bool {
    let image = call.region.images.find(value);
    image.is_some_and(|image| {
        let can_use = image.owner == call.account || image.grants.allows(call.account);
        can_use && image.state(checked) == ImageState::Available
    })
}

/// Removes the oldest version if there are too many; an error if it has a label.
fn drop_oldest_version(parameter: &mut StoredParameter) -> Result<(), JsonError> {
    if parameter.versions.len() <= MAX_VERSIONS {
        return Ok(());
    }
    if !parameter.versions[0].labels.is_empty() {
        let message = format!(
            "You attempted to create a new version of {} by calling the PutParameter API with the overwrite flag. \
             Version {}, the oldest version, can't be deleted because it has a label associated with it. Move the \
             label to another version of the parameter, and try again.",
            parameter.name, parameter.versions[0].number
        );
        return Err(JsonError::new("ParameterMaxVersionLimitExceeded", message));
    }
    parameter.versions.remove(0);
    Ok(())
}

/// `DeleteParameter`.
pub(crate) fn delete_parameter(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct PutInput {
        name: String,
    }
    let _guard = call.lock_region();
    let input: PutInput = call.read()?;
    let parameter = parameters::find_own(call, &input.name)?;
    call.region.parameters.remove(&parameter_key(call.account, &parameter.name))?;
    Ok(json!({}))
}

/// `DeleteParameters`.
pub(crate) fn delete_parameters(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    let _guard = call.lock_region();
    let names = call.read_names()?;
    let (mut deleted, mut invalid) = (Vec::new(), Vec::new());
    for name in names {
        match parameters::find_own(call, &name) {
            Ok(parameter) => {
                call.region.parameters.remove(&parameter_key(call.account, &parameter.name))?;
                deleted.push(name);
            }
            Err(_) => invalid.push(name),
        }
    }
    Ok(json!({"DeletedParameters": deleted, "InvalidParameters": invalid}))
}
