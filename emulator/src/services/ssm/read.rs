//! `GetParameter`, `GetParameters`, `GetParametersByPath` and `GetParameterHistory`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::filters::{self, FilterInput, FilterUse, ParameterOwner};
use super::parameters::{self, ParameterName, described, with_token};
use crate::digest::Sha256Digest;
use crate::services::json::call::{self, JsonCall};
use crate::services::json::errors::JsonError;
use crate::state::parameter::{ParameterVersion, StoredParameter, is_public};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decryption {
    with_decryption: Option<bool>,
}

/// `GetParameter`.
pub(crate) fn one_parameter(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        name: String,
    }
    let input: Input = call.read()?;
    let decryption: Decryption = call.read()?;
    Ok(json!({"Parameter": one(call, &input.name, decryption.with_decryption)?}))
}

/// `GetParameters`.
pub(crate) fn named_parameters(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    let names = call.read_names()?;
    let decryption: Decryption = call.read()?;
    let (mut parameters_json, mut invalid) = (Vec::new(), Vec::new());
    for name in names {
        match one(call, &name, decryption.with_decryption) {
            Ok(parameter) => parameters_json.push(parameter),
            Err(_) => invalid.push(name),
        }
    }
    Ok(json!({"Parameters": parameters_json, "InvalidParameters": invalid}))
}

fn one(call: &JsonCall<'_>, name: &str, decrypt: Option<bool>) -> Result<Value, JsonError> {
    let named = ParameterName::read(name);
    let parameter = parameters::find(call.region, call.account, named.name, call.now)?;
    let version = parameter.select(named.selector, call.now)?;
    Ok(parameter_fields(call, &parameter, version, named.selector, decrypt))
}

fn parameter_fields(
    call: &JsonCall<'_>,
    parameter: &StoredParameter,
    version: &ParameterVersion,
    selector: Option<&str>,
    decrypt: Option<bool>,
) -> Value {
    let mut fields = Map::new();
    fields.insert("Name".into(), json!(parameter.name));
    fields.insert("Type".into(), json!(parameter.kind));
    fields.insert("Value".into(), json!(value(parameter, version, decrypt)));
    fields.insert("Version".into(), json!(version.number));
    fields.insert("LastModifiedDate".into(), json!(version.modified.seconds()));
    fields.insert("ARN".into(), json!(parameter.arn(&call.region.name)));
    fields.insert("DataType".into(), json!(parameter.data_type));
    if let Some(selector) = selector {
        fields.insert("Selector".into(), json!(format!(":{selector}")));
    }
    Value::Object(fields)
}

/// The value of a version; for a secret without decryption, text that does not reveal it.
fn value(parameter: &StoredParameter, version: &ParameterVersion, decrypt: Option<bool>) -> String {
    if parameter.kind != "SecureString" || decrypt == Some(true) {
        return version.value.clone();
    }
    format!("sealed-{}", Sha256Digest::of(format!("{}\n{}", parameter.name, version.value).as_bytes()).hex())
}

/// `GetParametersByPath`.
pub(crate) fn parameters_below(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        path: String,
        recursive: Option<bool>,
        parameter_filters: Option<Vec<FilterInput>>,
        with_decryption: Option<bool>,
        max_results: Option<u64>,
        next_token: Option<String>,
    }
    let input: Input = call.read()?;
    if !input.path.starts_with('/') {
        return Err(JsonError::validation(
            "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a \
             forward slash \"/\".",
        ));
    }
    let filters = filters::read(input.parameter_filters.as_deref().unwrap_or_default(), FilterUse::ByPath)?;
    let public = is_public(&format!("{}/", input.path));
    let whose = if public { ParameterOwner::Public } else { ParameterOwner::Account };
    let mut parameters_json = filters::visible_parameters(call, whose);
    parameters_json
        .retain(|parameter| filters::is_below(&parameter.name, &input.path, input.recursive == Some(true)));
    parameters_json.retain(|parameter| filters.iter().all(|filter| filter.matches(parameter, call.now)));
    let page = (input.max_results, input.next_token.as_deref());
    let (page_parameters, next) =
        call::paginate(parameters_json, page, 10, |parameter| parameter.name.clone())?;
    let labelled = |parameter: &StoredParameter| filters::labelled(parameter, &filters, call.now).cloned();
    let list: Vec<Value> = page_parameters
        .iter()
        .filter_map(|parameter| {
            let version = labelled(parameter)?;
            Some(parameter_fields(call, parameter, &version, None, input.with_decryption))
        })
        .collect();
    Ok(with_token(json!({"Parameters": list}), next))
}

/// `GetParameterHistory`.
pub(crate) fn history(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        name: String,
        with_decryption: Option<bool>,
        max_results: Option<u64>,
        next_token: Option<String>,
    }
    let input: Input = call.read()?;
    let parameter =
        parameters::find(call.region, call.account, ParameterName::read(&input.name).name, call.now)?;
    let all: Vec<&ParameterVersion> = parameter.visible_versions(call.now).collect();
    let page = (input.max_results, input.next_token.as_deref());
    let (versions, next) = call::paginate(all, page, 50, |version| format!("{:020}", version.number))?;
    let list: Vec<Value> = versions
        .into_iter()
        .map(|version| {
            let mut fields = described(call, &parameter, version);
            fields.insert("Value".into(), json!(value(&parameter, version, input.with_decryption)));
            fields.insert("Labels".into(), json!(version.labels));
            Value::Object(fields)
        })
        .collect();
    Ok(with_token(json!({"Parameters": list}), next))
}
