//! The recycle bin's own service: `CreateRule`, `GetRule`, `ListRules` and `DeleteRule` for images and snapshots (API
//! version 2021-06-15, rest-json). Rules for volumes, locks, tags of rules and exclusions are refused.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::json::errors::{JsonError, error_response};
use crate::http::request::SignedRequest;
use crate::http::response::{Response, new_response, with_header};
use crate::ids;
use crate::services::failure::ServiceFailure;
use crate::state::Region;
use crate::state::recycle_bin::{RetainedResources, RetentionRule, RetentionRules};
use crate::sync;

/// The error for a rule that does not exist.
pub(crate) const NOT_FOUND: &str = "ResourceNotFoundException";

/// The maximum of a retention period for images and snapshots in days.
const MAX_DAYS: u64 = 365;
/// The maximum number of resource tags of a rule.
const MAX_TAGS: usize = 50;

/// An operation with the rule in its path.
enum RuleOperation {
    Create,
    List,
    Get(String),
    Delete(String),
}

impl RuleOperation {
    fn from_request(request: &SignedRequest) -> Option<Self> {
        let path = request.parts.uri.path().trim_start_matches('/');
        let parts: Vec<&str> = path.split('/').collect();
        match (&request.parts.method, &parts[..]) {
            (&Method::POST, ["rules"]) => Some(Self::Create),
            (&Method::POST, ["list-rules"]) => Some(Self::List),
            (&Method::GET, ["rules", id]) => Some(Self::Get((*id).to_owned())),
            (&Method::DELETE, ["rules", id]) => Some(Self::Delete((*id).to_owned())),
            _ => None,
        }
    }
}

/// The members of `CreateRule` that the local region knows.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateInput {
    retention_period: Period,
    resource_type: String,
    description: Option<String>,
    #[serde(default)]
    resource_tags: Vec<ResourceTag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Period {
    retention_period_value: u64,
    retention_period_unit: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ResourceTag {
    resource_tag_key: String,
    resource_tag_value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListInput {
    resource_type: String,
}

/// The name of the requested operation; empty if it cannot be determined.
pub(crate) fn action(request: &SignedRequest) -> String {
    match RuleOperation::from_request(request) {
        Some(RuleOperation::Create) => "CreateRule",
        Some(RuleOperation::List) => "ListRules",
        Some(RuleOperation::Get(_)) => "GetRule",
        Some(RuleOperation::Delete(_)) => "DeleteRule",
        None => "",
    }
    .to_owned()
}

/// Responds to a request.
pub(crate) fn respond(region: &Region, request: &SignedRequest) -> Response {
    let id = &request.request_id;
    match perform(region, request) {
        Ok((status, value)) => {
            let body = value.map(|value| value.to_string()).unwrap_or_default();
            with_header(new_response(status, "application/json", body), "x-amzn-requestid", id)
        }
        Err(error) => {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            error_response(status, &error.name, &error.message, id)
        }
    }
}

/// The response for a failure that does not depend on the request.
pub(crate) fn fail(failure: ServiceFailure, request_id: &str) -> Response {
    super::json::fail(failure, NOT_FOUND, request_id)
}

fn perform(region: &Region, request: &SignedRequest) -> Result<(StatusCode, Option<Value>), JsonError> {
    let unknown = || JsonError::new("UnknownOperationException", "The operation does not exist");
    let operation = RuleOperation::from_request(request).ok_or_else(unknown)?;
    let account = &request.account;
    let _guard = sync::lock(&region.write_lock);
    let mut rules =
        region.retention.find(account).map(|rules| RetentionRules::clone(&rules)).unwrap_or_default();
    match operation {
        RuleOperation::Create => {
            let rule = read_rule(request.body())?;
            let shown = show(&rule);
            rules.0.push(rule);
            region.retention.put(account, rules)?;
            Ok((StatusCode::CREATED, Some(shown)))
        }
        RuleOperation::List => {
            let input: ListInput = read(request.body())?;
            let kind = resources(&input.resource_type)?;
            let listed: Vec<Value> =
                rules.0.iter().filter(|rule| rule.resources == kind).map(summary).collect();
            Ok((StatusCode::OK, Some(json!({ "Rules": listed }))))
        }
        RuleOperation::Get(id) => {
            let rule = rules.0.iter().find(|rule| rule.id == id).ok_or_else(|| no_rule(&id))?;
            Ok((StatusCode::OK, Some(show(rule))))
        }
        RuleOperation::Delete(id) => {
            let at = rules.0.iter().position(|rule| rule.id == id).ok_or_else(|| no_rule(&id))?;
            rules.0.remove(at);
            region.retention.put(account, rules)?;
            Ok((StatusCode::NO_CONTENT, None))
        }
    }
}

fn read<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, JsonError> {
    serde_json::from_slice(body).map_err(|error| JsonError::validation(error.to_string()))
}

fn resources(kind: &str) -> Result<RetainedResources, JsonError> {
    match kind {
        "EC2_IMAGE" => Ok(RetainedResources::Images),
        "EBS_SNAPSHOT" => Ok(RetainedResources::Snapshots),
        other => Err(JsonError::validation(format!("The resource type {other} is not supported"))),
    }
}

fn read_rule(body: &[u8]) -> Result<RetentionRule, JsonError> {
    let input: CreateInput = read(body)?;
    let Period { retention_period_value: days, retention_period_unit: unit } = input.retention_period;
    if unit != "DAYS" || !(1..=MAX_DAYS).contains(&days) {
        return Err(JsonError::validation(format!(
            "The retention period {days} {unit} is not 1 to {MAX_DAYS} DAYS"
        )));
    }
    if input.resource_tags.len() > MAX_TAGS {
        return Err(JsonError::validation(format!("A rule may have at most {MAX_TAGS} resource tags")));
    }
    let tag = |tag: ResourceTag| (tag.resource_tag_key, tag.resource_tag_value);
    Ok(RetentionRule {
        id: rule_id(),
        resources: resources(&input.resource_type)?,
        days,
        description: input.description,
        tags: input.resource_tags.into_iter().map(tag).collect(),
    })
}

/// Eleven letters and digits.
fn rule_id() -> String {
    ids::uuid().chars().filter(char::is_ascii_alphanumeric).take(11).collect()
}

fn no_rule(id: &str) -> JsonError {
    JsonError { status: 404, ..JsonError::new(NOT_FOUND, format!("The rule {id} does not exist")) }
}

fn summary(rule: &RetentionRule) -> Value {
    json!({
        "Identifier": rule.id,
        "Description": rule.description.clone().unwrap_or_default(),
        "RetentionPeriod": { "RetentionPeriodValue": rule.days, "RetentionPeriodUnit": "DAYS" },
    })
}

fn show(rule: &RetentionRule) -> Value {
    let mut shown = summary(rule);
    let kind = match rule.resources {
        RetainedResources::Images => "EC2_IMAGE",
        RetainedResources::Snapshots => "EBS_SNAPSHOT",
    };
    let tag = |(key, value): &(String, Option<String>)| match value {
        Some(value) => json!({ "ResourceTagKey": key, "ResourceTagValue": value }),
        None => json!({ "ResourceTagKey": key }),
    };
    shown["ResourceType"] = json!(kind);
    shown["ResourceTags"] = rule.tags.iter().map(tag).collect();
    shown["Status"] = json!("available");
    shown
}
