//! The errors of JSON services: a type and a message.

use http::StatusCode;

use crate::authorization::Refusal;
use crate::http::response::{Response, new_response, with_header};
use crate::services::failure::ServiceFailure;
use crate::sigv4::AuthError;

/// An error of a JSON service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub(crate) struct JsonError {
    /// The error type that clients evaluate.
    pub(crate) name: String,
    /// The message for the user.
    pub(crate) message: String,
    /// The status of the HTTP response.
    pub(crate) status: u16,
}

impl JsonError {
    /// An error with status 400, as most are.
    pub(crate) fn new(name: &str, message: impl Into<String>) -> Self {
        Self { name: name.to_owned(), message: message.into(), status: 400 }
    }

    /// The value of a member is not valid.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }
}

impl From<crate::error::Error> for JsonError {
    fn from(error: crate::error::Error) -> Self {
        Self { status: 500, ..Self::new("InternalServerError", error.to_string()) }
    }
}

/// Creates the HTTP response of an error.
pub(crate) fn error_response(status: StatusCode, name: &str, message: &str, request_id: &str) -> Response {
    let body = serde_json::json!({"__type": name, "message": message});
    with_header(
        new_response(status, "application/x-amz-json-1.1", body.to_string()),
        "x-amzn-requestid",
        request_id,
    )
}

/// The response to a request whose signature is missing or invalid.
pub(crate) fn reject(auth_error: &AuthError, request_id: &str) -> Response {
    let (name, message) = match auth_error {
        AuthError::Missing => {
            ("MissingAuthenticationTokenException", "Missing Authentication Token".to_owned())
        }
        AuthError::Malformed(what) => ("IncompleteSignatureException", what.clone()),
        AuthError::UnknownKey => (
            "UnrecognizedClientException",
            "The security token included in the request is invalid.".to_owned(),
        ),
        AuthError::SignatureMismatch | AuthError::BodyMismatch => (
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided.".to_owned(),
        ),
        AuthError::Expired { signed, now } => (
            "InvalidSignatureException",
            format!("Signature expired: {signed} is now earlier than {now} (5 min.)"),
        ),
        AuthError::NotYetValid { signed, now } => (
            "InvalidSignatureException",
            format!("Signature not yet current: {signed} is still later than {now} (5 min.)"),
        ),
    };
    error_response(StatusCode::BAD_REQUEST, name, &message, request_id)
}

/// The response to a request that the policy of its sender does not allow.
pub(crate) fn deny(refusal: &Refusal, request_id: &str) -> Response {
    error_response(StatusCode::BAD_REQUEST, "AccessDeniedException", &refusal.message(), request_id)
}

/// The response for a failure that does not depend on the request. `not_found` is the service's error type
/// for a missing resource.
pub(crate) fn fail(failure: ServiceFailure, not_found: &str, request_id: &str) -> Response {
    let (status, name, message) = match failure {
        ServiceFailure::Throttled => (StatusCode::BAD_REQUEST, "ThrottlingException", "Rate exceeded"),
        ServiceFailure::Internal => {
            (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "An internal error occurred.")
        }
        ServiceFailure::Unavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", "Try again later.")
        }
        ServiceFailure::NotFound => (StatusCode::BAD_REQUEST, not_found, ""),
    };
    error_response(status, name, message, request_id)
}
