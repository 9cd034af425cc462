//! KMS, as far as keys of volumes go (API version 2014-11-01, JSON 1.1): keys that can be found by id, ARN and alias. No
//! key here encrypts anything.

mod aliases;
mod keys;

use serde_json::Value;

use crate::services::json::call::JsonCall;
use crate::services::json::errors::JsonError;

/// What the targets of its operations begin with.
pub(crate) const TARGET: &str = "TrentService.";
/// The name of what is not there.
pub(crate) const NOT_FOUND: &str = "NotFoundException";

/// Carries a call out.
pub(crate) fn perform(action: &str, call: &JsonCall<'_>) -> Result<Value, JsonError> {
    match action {
        "CreateAlias" => aliases::create(call),
        "CreateKey" => keys::create(call),
        "DeleteAlias" => aliases::delete(call),
        "DescribeKey" => keys::describe(call),
        "DisableKey" => keys::set_enabled(call, false),
        "EnableKey" => keys::set_enabled(call, true),
        "ListAliases" => aliases::list(call),
        "ListKeys" => keys::list(call),
        "UpdateAlias" => aliases::update(call),
        _ => Err(JsonError::new("UnknownOperationException", "")),
    }
}
