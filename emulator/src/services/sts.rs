//! STS: `GetCallerIdentity` (API version 2011-06-15, query protocol), which returns the account of an access
//! key.

use http::StatusCode;

use super::failure::ServiceFailure;
use super::form;
use super::query_errors;
use super::xml::escape;
use crate::authorization::Refusal;
use crate::http::request::SignedRequest;
use crate::http::response::{Response, new_response};
use crate::sigv4::AuthError;
use crate::state::Region;
use crate::state::partition::partition;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The name of the requested operation; empty or approximate if it cannot be determined.
pub(crate) fn action(request: &SignedRequest) -> String {
    form::action(request)
}

/// Responds to a request.
pub(crate) fn respond(region: &Region, request: &SignedRequest) -> Response {
    let action = action(request);
    let id = &request.request_id;
    if action != "GetCallerIdentity" {
        let message = format!("Could not find operation {action} for version 2011-06-15");
        return error_response(StatusCode::BAD_REQUEST, "InvalidAction", &message, id);
    }
    let account = &request.account;
    let (arn, user) =
        (escape(&request.principal.arn(partition(&region.name))), escape(request.principal.user_id()));
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>{arn}</Arn><UserId>{user}</UserId><Account>{account}</Account>\
         </GetCallerIdentityResult><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata>\
         </GetCallerIdentityResponse>"
    );
    new_response(StatusCode::OK, "text/xml", body)
}

fn error_response(status: StatusCode, code: &str, message: &str, request_id: &str) -> Response {
    query_errors::error_response(NAMESPACE, (status, code, message), request_id)
}

/// The response to a request whose signature is missing or invalid.
pub(crate) fn reject(auth_error: &AuthError, request_id: &str) -> Response {
    query_errors::reject(NAMESPACE, "Request is missing Authentication Token", auth_error, request_id)
}

/// The response to a request that the policy of its sender does not allow.
pub(crate) fn deny(refusal: &Refusal, request_id: &str) -> Response {
    error_response(StatusCode::FORBIDDEN, "AccessDenied", &refusal.message(), request_id)
}

/// The response for a failure that does not depend on the request.
pub(crate) fn fail(failure: ServiceFailure, request_id: &str) -> Response {
    match failure {
        ServiceFailure::Throttled => {
            error_response(StatusCode::BAD_REQUEST, "Throttling", "Rate exceeded", request_id)
        }
        _ => error_response(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalFailure",
            "An internal error occurred.",
            request_id,
        ),
    }
}
