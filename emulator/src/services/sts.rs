//! STS: `GetCallerIdentity` (API version 2011-06-15, query protocol), which returns the account of an access
//! key.

use http::StatusCode;

use super::failure::ServiceFailure;
use super::form;
use super::xml::escape;
use crate::authorization::Refusal;
use crate::http::request::SignedRequest;
use crate::http::response::{Response, new_response};
use crate::sigv4::AuthError;
use crate::state::Region;
use crate::state::partition::partition;

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
    let kind = if status.is_server_error() { "Receiver" } else { "Sender" };
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>{kind}</Type>\
         <Code>{code}</Code><Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
        escape(message)
    );
    new_response(status, "text/xml", body)
}

/// The response to a request whose signature is missing or invalid.
pub(crate) fn reject(auth_error: &AuthError, request_id: &str) -> Response {
    let (status, code, message) = match auth_error {
        AuthError::Missing => (
            StatusCode::FORBIDDEN,
            "MissingAuthenticationToken",
            "Request is missing Authentication Token".to_owned(),
        ),
        AuthError::Malformed(what) => (StatusCode::BAD_REQUEST, "IncompleteSignature", what.clone()),
        AuthError::UnknownKey => (
            StatusCode::FORBIDDEN,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.".to_owned(),
        ),
        AuthError::SignatureMismatch | AuthError::BodyMismatch => (
            StatusCode::FORBIDDEN,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided.".to_owned(),
        ),
        AuthError::Expired { signed, now } | AuthError::NotYetValid { signed, now } => (
            StatusCode::FORBIDDEN,
            "SignatureDoesNotMatch",
            format!("Signature expired: {signed} is now earlier than {now} (5 min.)"),
        ),
    };
    error_response(status, code, &message, request_id)
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
