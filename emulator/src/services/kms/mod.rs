//! KMS: keys of volumes, of data and of signatures, identified by id, ARN and alias (API version 2014-11-01, JSON 1.1).
//! Symmetric keys encrypt what requests pass, those on elliptic curves sign it; their policies decide who may use them, also by
//! what a machine attests. For all other
//! operations only the policies of their senders count here.

mod aliases;
mod cms;
mod create_key;
mod encryption;
mod keys;
mod policies;
mod recipient;
mod sealed;
mod signing;
mod signing_key;

use serde_json::Value;

use crate::services::json::call::JsonCall;
use crate::services::json::errors::JsonError;

/// The prefix of its operations in `x-amz-target`.
pub(crate) const TARGET: &str = "TrentService.";
/// The error code for a resource that does not exist.
pub(crate) const NOT_FOUND: &str = "NotFoundException";

/// Performs an operation.
pub(crate) fn perform(action: &str, call: &JsonCall<'_>) -> Result<Value, JsonError> {
    match action {
        "CreateAlias" => aliases::create(call),
        "CreateKey" => create_key::create(call),
        "Decrypt" => encryption::decrypt(call),
        "DeleteAlias" => aliases::delete(call),
        "DescribeKey" => keys::describe(call),
        "DisableKey" => keys::set_enabled(call, false),
        "EnableKey" => keys::set_enabled(call, true),
        "Encrypt" => encryption::encrypt(call),
        "GenerateDataKey" => encryption::generate_data_key(call),
        "GetPublicKey" => signing::public_key(call),
        "GetKeyPolicy" => policies::get(call),
        "ListAliases" => aliases::list(call),
        "ListKeys" => keys::list(call),
        "PutKeyPolicy" => policies::put(call),
        "Sign" => signing::sign(call),
        "UpdateAlias" => aliases::update(call),
        _ => Err(JsonError::new("UnknownOperationException", "")),
    }
}
