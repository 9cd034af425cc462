//! Parameters: how requests refer to them, their versions, and how responses show them. Knows no operation.

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::services::json::call::JsonCall;
use crate::services::json::errors::JsonError;
use crate::state::Region;
use crate::state::parameter::{ParameterVersion, StoredParameter, is_public, parameter_key};
use crate::state::partition::partition;

/// A reference to a parameter: its name, and a version or label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParameterName<'n> {
    /// The part before the colon.
    pub(crate) name: &'n str,
    /// The part after the colon.
    pub(crate) selector: Option<&'n str>,
}

impl StoredParameter {
    /// The version for a selector: a number or a label; without a selector the latest.
    pub(crate) fn select(
        &self,
        selector: Option<&str>,
        now: Timestamp,
    ) -> Result<&ParameterVersion, JsonError> {
        let mut visible = self.visible_versions(now);
        let Some(selector) = selector else {
            return visible.next_back().ok_or_else(super::not_found);
        };
        let selected = |version: &&ParameterVersion| match selector.parse::<u64>() {
            Ok(number) => version.number == number,
            Err(_) => version.labels.contains(selector),
        };
        visible.find(selected).ok_or_else(|| {
            let message = format!(
                "Systems Manager could not find version {selector} of {}. Verify the version and try again.",
                self.name
            );
            JsonError::new("ParameterVersionNotFound", message)
        })
    }
}

impl<'n> ParameterName<'n> {
    /// Parses a name, which may be an ARN, with a selector.
    pub(crate) fn read(text: &'n str) -> Self {
        let rest = match text.strip_prefix("arn:") {
            Some(arn) => {
                arn.splitn(5, ':').nth(4).and_then(|rest| rest.strip_prefix("parameter")).unwrap_or(text)
            }
            None => text,
        };
        match rest.split_once(':') {
            Some((name, selector)) => Self { name, selector: Some(selector) },
            None => Self { name: rest, selector: None },
        }
    }
}

/// Finds a parameter of an account with a visible version. An ARN does not distinguish `/name` and `name`.
pub(crate) fn find(
    region: &Region,
    account: &str,
    name: &str,
    now: Timestamp,
) -> Result<std::sync::Arc<StoredParameter>, JsonError> {
    let table = &region.parameters;
    let parameter = table.find(&parameter_key(account, name));
    let parameter = parameter.or_else(|| {
        let plain = name.strip_prefix('/').filter(|rest| !rest.contains('/'))?;
        table.find(&parameter_key(account, plain))
    });
    parameter
        .filter(|parameter| parameter.visible_versions(now).next().is_some())
        .ok_or_else(super::not_found)
}

/// Finds a parameter that the account may change: none but Amazon changes a public one. The code is that of a put; of the other
/// operations it was not tried on AWS.
pub(crate) fn find_own(
    call: &JsonCall<'_>,
    name: &str,
) -> Result<std::sync::Arc<StoredParameter>, JsonError> {
    let parameter = find(call.region, call.account, name, call.now)?;
    if parameter.owner == call.account { Ok(parameter) } else { Err(reserved(name)) }
}

/// The refusal of a name that is Amazon's.
pub(crate) fn reserved(name: &str) -> JsonError {
    let message = format!("No access to reserved parameter name: {name}.");
    JsonError::new("AccessDeniedException", message)
}

/// The value for the reference `resolve:ssm:NAME`.
pub(crate) fn value_of(region: &Region, account: &str, text: &str, now: Timestamp) -> Option<String> {
    let named = ParameterName::read(text);
    let parameter = find(region, account, named.name, now).ok()?;
    parameter.select(named.selector, now).ok().map(|version| version.value.clone())
}

/// The public parameters that name an image (EC2 API Reference, `Image`, `PublicSsmParameterName`), or ever did.
pub(crate) fn public_names(region: &Region, image: &str, now: Timestamp, when: NamedWhen) -> Vec<String> {
    let names = |parameter: &StoredParameter| match when {
        NamedWhen::Now => parameter.visible_versions(now).next_back().is_some_and(|last| last.value == image),
        NamedWhen::Ever => parameter.visible_versions(now).any(|version| version.value == image),
    };
    let public = region.parameters.all().into_iter().filter(|(_, parameter)| is_public(&parameter.name));
    public.filter(|(_, parameter)| names(parameter)).map(|(_, parameter)| parameter.name.clone()).collect()
}

/// Which versions of a parameter count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamedWhen {
    /// The latest.
    Now,
    /// Any.
    Ever,
}

/// The properties of a version in describing operations: everything but its value.
pub(crate) fn described(
    call: &JsonCall<'_>,
    parameter: &StoredParameter,
    version: &ParameterVersion,
) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("Name".into(), json!(parameter.name));
    fields.insert("Type".into(), json!(parameter.kind));
    fields.insert("LastModifiedDate".into(), json!(version.modified.seconds()));
    let root = format!("arn:{}:iam::{}:root", partition(&call.region.name), call.account);
    fields.insert("LastModifiedUser".into(), json!(root));
    fields.insert("Version".into(), json!(version.number));
    fields.insert("Tier".into(), json!(version.tier));
    fields.insert("Policies".into(), json!([]));
    fields.insert("DataType".into(), json!(parameter.data_type));
    if let Some(description) = &version.description {
        fields.insert("Description".into(), json!(description));
    }
    if let Some(key) = &version.key {
        fields.insert("KeyId".into(), json!(key));
    }
    fields
}

/// Adds the token of the next page to a response.
pub(crate) fn with_token(mut response: Value, next: Option<String>) -> Value {
    if let (Value::Object(fields), Some(next)) = (&mut response, next) {
        fields.insert("NextToken".into(), Value::String(next));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_selectors_and_may_be_arns() {
        for (text, name, selector) in [
            ("/a/b", "/a/b", None),
            ("/a/b:3", "/a/b", Some("3")),
            ("plain:prod", "plain", Some("prod")),
            ("arn:aws:ssm:local:123456789012:parameter/a/b:3", "/a/b", Some("3")),
        ] {
            assert_eq!(ParameterName::read(text), ParameterName { name, selector }, "{text}");
        }
    }
}
