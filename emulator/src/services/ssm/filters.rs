//! The filters of `DescribeParameters` and `GetParametersByPath`, and the operation `DescribeParameters`.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::parameters::{described, with_token};
use crate::clock::Timestamp;
use crate::services::json::call::{self, JsonCall};
use crate::services::json::errors::JsonError;
use crate::state::parameter::{ParameterVersion, StoredParameter, is_public};

/// A filter as sent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FilterInput {
    key: String,
    option: Option<String>,
    values: Option<Vec<String>>,
}

/// A filter in the deprecated form, which is still accepted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OldFilterInput {
    key: String,
    values: Vec<String>,
}

/// The operation that a filter belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FilterUse {
    /// `DescribeParameters`.
    Describe,
    /// `GetParametersByPath`.
    ByPath,
}

/// A checked filter.
#[derive(Debug)]
pub(crate) struct ParameterFilter {
    key: String,
    comparison: FilterMatch,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FilterMatch {
    Equals,
    BeginsWith,
    Contains,
    OneLevel,
    Recursive,
}

/// Checks filters.
pub(crate) fn read(inputs: &[FilterInput], filter_use: FilterUse) -> Result<Vec<ParameterFilter>, JsonError> {
    inputs.iter().map(|input| one(input, filter_use)).collect()
}

fn one(input: &FilterInput, filter_use: FilterUse) -> Result<ParameterFilter, JsonError> {
    let key = input.key.as_str();
    let known = match filter_use {
        FilterUse::ByPath => matches!(key, "Type" | "KeyId" | "Label"),
        FilterUse::Describe => {
            matches!(key, "Name" | "Path" | "Type" | "KeyId" | "Tier" | "DataType") || key.starts_with("tag:")
        }
    };
    if !known {
        let message = format!("The specified key isn't valid: {key}");
        return Err(JsonError::new("InvalidFilterKey", message));
    }
    let comparison = match (key, input.option.as_deref()) {
        ("Path", None | Some("OneLevel")) => FilterMatch::OneLevel,
        ("Path", Some("Recursive")) => FilterMatch::Recursive,
        ("Name", Some("Contains")) => FilterMatch::Contains,
        ("Path", Some(_)) => return Err(wrong_option(input)),
        (_, None | Some("Equals")) => FilterMatch::Equals,
        (_, Some("BeginsWith")) => FilterMatch::BeginsWith,
        _ => return Err(wrong_option(input)),
    };
    let values = input.values.clone().unwrap_or_default();
    if values.is_empty() && !key.starts_with("tag:") {
        return Err(JsonError::new("InvalidFilterValue", format!("The filter {key} has no values")));
    }
    Ok(ParameterFilter { key: key.to_owned(), comparison, values })
}

fn wrong_option(input: &FilterInput) -> JsonError {
    let option = input.option.as_deref().unwrap_or_default();
    JsonError::new("InvalidFilterOption", format!("The filter {} cannot be used with {option}", input.key))
}

impl ParameterFilter {
    /// Whether a parameter matches.
    pub(crate) fn matches(&self, parameter: &StoredParameter, now: Timestamp) -> bool {
        let latest = parameter.visible_versions(now).next_back();
        match self.key.as_str() {
            "Path" => {
                let below = |path: &String| {
                    is_below(&parameter.name, path, self.comparison == FilterMatch::Recursive)
                };
                self.values.iter().any(below)
            }
            "Name" => self.any(&parameter.name) || self.any(parameter.name.trim_start_matches('/')),
            "Type" => self.any(&parameter.kind),
            "DataType" => self.any(&parameter.data_type),
            "Tier" => latest.is_some_and(|version| self.any(&version.tier)),
            "KeyId" => latest.and_then(|version| version.key.as_ref()).is_some_and(|key| self.any(key)),
            "Label" => parameter
                .visible_versions(now)
                .any(|version| version.labels.iter().any(|label| self.any(label))),
            key => {
                let value = key.strip_prefix("tag:").and_then(|key| parameter.tags.get(key));
                value.is_some_and(|value| self.values.is_empty() || self.any(value))
            }
        }
    }

    fn any(&self, value_of_field: &str) -> bool {
        self.values.iter().any(|value| match self.comparison {
            FilterMatch::BeginsWith => value_of_field.starts_with(value.as_str()),
            FilterMatch::Contains => value_of_field.contains(value.as_str()),
            FilterMatch::Equals | FilterMatch::OneLevel | FilterMatch::Recursive => value_of_field == value,
        })
    }
}

/// The version that is returned: the latest, or the one with the requested label.
pub(crate) fn labelled<'p>(
    parameter: &'p StoredParameter,
    filters: &[ParameterFilter],
    now: Timestamp,
) -> Option<&'p ParameterVersion> {
    match filters.iter().find(|filter| filter.key == "Label") {
        None => parameter.visible_versions(now).next_back(),
        Some(filter) => parameter
            .visible_versions(now)
            .rev()
            .find(|version| version.labels.iter().any(|label| filter.any(label))),
    }
}

/// Whether a name is below a path: directly, or at any depth.
pub(crate) fn is_below(name: &str, path: &str, anywhere: bool) -> bool {
    let folder = format!("{}/", path.trim_end_matches('/'));
    // A name without a slash is below the root.
    let full = if name.starts_with('/') { name.to_owned() } else { format!("/{name}") };
    full.strip_prefix(&folder).is_some_and(|rest| !rest.is_empty() && (anywhere || !rest.contains('/')))
}

/// All visible parameters of the account, or the public ones, sorted by name.
pub(crate) fn visible_parameters(call: &JsonCall<'_>, whose: ParameterOwner) -> Vec<Arc<StoredParameter>> {
    let all = call.region.parameters.all().into_iter().map(|(_, parameter)| parameter);
    let visible = |parameter: &Arc<StoredParameter>| {
        let meant = match whose {
            ParameterOwner::Account => parameter.owner == call.account && !is_public(&parameter.name),
            ParameterOwner::Public => is_public(&parameter.name),
        };
        meant && parameter.visible_versions(call.now).next().is_some()
    };
    let mut parameters: Vec<_> = all.filter(visible).collect();
    parameters.sort_by(|a, b| a.name.cmp(&b.name));
    parameters
}

/// Whose parameters are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParameterOwner {
    /// Those of the account.
    Account,
    /// Those of Amazon, which every account reads.
    Public,
}

/// `DescribeParameters`. Public parameters are not among its own: Systems Manager User Guide, "Discovering public parameters".
pub(crate) fn describe_parameters(call: &JsonCall<'_>) -> Result<Value, JsonError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        filters: Option<Vec<OldFilterInput>>,
        parameter_filters: Option<Vec<FilterInput>>,
        max_results: Option<u64>,
        next_token: Option<String>,
    }
    let input: Input = call.read()?;
    if input.filters.is_some() && input.parameter_filters.is_some() {
        return Err(JsonError::validation(
            "You can use either Filters or ParameterFilters in a single request.",
        ));
    }
    let mut inputs = input.parameter_filters.unwrap_or_default();
    for old in input.filters.unwrap_or_default() {
        let option = Some("BeginsWith".to_owned());
        inputs.push(FilterInput { key: old.key, option, values: Some(old.values) });
    }
    let filters = read(&inputs, FilterUse::Describe)?;
    let mut parameters = visible_parameters(call, ParameterOwner::Account);
    parameters.retain(|parameter| filters.iter().all(|filter| filter.matches(parameter, call.now)));
    let page = (input.max_results, input.next_token.as_deref());
    let (page_parameters, next) = call::paginate(parameters, page, 50, |parameter| parameter.name.clone())?;
    let list: Vec<Value> =
        page_parameters.iter().filter_map(|parameter| one_described(call, parameter)).collect();
    Ok(with_token(json!({"Parameters": list}), next))
}

fn one_described(call: &JsonCall<'_>, parameter: &StoredParameter) -> Option<Value> {
    let version = parameter.visible_versions(call.now).next_back()?;
    let mut fields = described(call, parameter, version);
    fields.insert("ARN".into(), json!(parameter.arn(&call.region.name)));
    Some(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_contains_the_names_below_it() {
        for (name, path, anywhere, below) in [
            ("/a/b", "/a", false, true),
            ("/a/b/c", "/a", false, false),
            ("/a/b/c", "/a/", true, true),
            ("/ab", "/a", true, false),
            ("/a", "/a", true, false),
            ("plain", "/", false, true),
        ] {
            assert_eq!(is_below(name, path, anywhere), below, "{name} {path}");
        }
    }
}
