//! The protocol AWS JSON 1.1: JSON bodies, with the operation in the header `x-amz-target`.

pub(crate) mod call;
pub(crate) mod errors;

use http::StatusCode;
use serde_json::Value;

use self::call::JsonCall;
use self::errors::JsonError;
use crate::http::request::SignedRequest;
use crate::http::response::{Response, new_response, with_header};
use crate::state::{Region, State};

pub(crate) use self::errors::{deny, error_response, fail, reject};

/// The name of the requested operation; empty or approximate if it cannot be determined.
pub(crate) fn action(request: &SignedRequest) -> String {
    let target = request.header("x-amz-target").unwrap_or_default();
    target.rsplit('.').next().unwrap_or_default().to_owned()
}

/// Responds to a request with the result of `perform`.
pub(crate) fn respond(
    state: &State,
    region: &Region,
    request: &SignedRequest,
    perform: fn(&str, &JsonCall<'_>) -> Result<Value, JsonError>,
) -> Response {
    let call = JsonCall {
        account: &request.account,
        principal: &request.principal,
        region,
        state,
        now: state.now(),
        body: request.body(),
    };
    match perform(&action(request), &call) {
        Ok(value) => {
            let response = new_response(StatusCode::OK, "application/x-amz-json-1.1", value.to_string());
            with_header(response, "x-amzn-requestid", &request.request_id)
        }
        Err(error) => {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            error_response(status, &error.name, &error.message, &request.request_id)
        }
    }
}
