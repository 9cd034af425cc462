//! SSM: the operations on parameters (API version 2014-11-06, JSON 1.1).

mod filters;
mod labels;
pub(crate) mod parameters;
mod put;
mod read;
mod tags;

use serde_json::Value;

use crate::services::json::call::JsonCall;
use crate::services::json::errors::JsonError;

/// The error code for a resource that does not exist.
pub(crate) const NOT_FOUND: &str = "ParameterNotFound";

/// The parameter does not exist; SSM sends no message.
fn not_found() -> JsonError {
    JsonError::new(NOT_FOUND, "")
}

/// Performs an operation.
pub(crate) fn perform(action: &str, call: &JsonCall<'_>) -> Result<Value, JsonError> {
    match action {
        "AddTagsToResource" => tags::add(call),
        "DeleteParameter" => put::delete_parameter(call),
        "DeleteParameters" => put::delete_parameters(call),
        "DescribeParameters" => filters::describe_parameters(call),
        "GetParameter" => read::one_parameter(call),
        "GetParameterHistory" => read::history(call),
        "GetParameters" => read::named_parameters(call),
        "GetParametersByPath" => read::parameters_below(call),
        "LabelParameterVersion" => labels::label(call),
        "ListTagsForResource" => tags::list(call),
        "PutParameter" => put::put_parameter(call),
        "RemoveTagsFromResource" => tags::remove(call),
        "UnlabelParameterVersion" => labels::unlabel(call),
        _ => Err(JsonError::new("UnknownOperationException", "")),
    }
}
