//! The refusals of services that take JSON: a type and a message.

use http::StatusCode;

use crate::http::response::{Response, reply, with};
use crate::services::failure::Trouble;
use crate::sigv4::Denial;

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub(crate) struct JsonError {
    /// The type that clients branch on.
    pub(crate) name: String,
    /// A sentence for people.
    pub(crate) message: String,
    /// Status of the HTTP response.
    pub(crate) status: u16,
}

impl JsonError {
    /// A refusal with status 400, as nearly all are.
    pub(crate) fn new(name: &str, message: impl Into<String>) -> Self {
        Self { name: name.to_owned(), message: message.into(), status: 400 }
    }

    /// A value that the call does not take.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }
}

impl From<crate::error::Error> for JsonError {
    fn from(error: crate::error::Error) -> Self {
        Self { status: 500, ..Self::new("InternalServerError", error.to_string()) }
    }
}

/// An error as such a service writes it.
pub(crate) fn error(status: StatusCode, name: &str, message: &str, request_id: &str) -> Response {
    let body = serde_json::json!({"__type": name, "message": message});
    with(reply(status, "application/x-amz-json-1.1", body.to_string()), "x-amzn-requestid", request_id)
}

/// Refuses a request whose signature was not good.
pub(crate) fn refuse(denial: &Denial, request_id: &str) -> Response {
    let (name, message) = match denial {
        Denial::Missing => ("MissingAuthenticationTokenException", "Missing Authentication Token".to_owned()),
        Denial::Malformed(what) => ("IncompleteSignatureException", what.clone()),
        Denial::UnknownKey => (
            "UnrecognizedClientException",
            "The security token included in the request is invalid.".to_owned(),
        ),
        Denial::Mismatch | Denial::Body => (
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided.".to_owned(),
        ),
        Denial::Expired { signed, now } => (
            "InvalidSignatureException",
            format!("Signature expired: {signed} is now earlier than {now} (5 min.)"),
        ),
        Denial::Early { signed, now } => (
            "InvalidSignatureException",
            format!("Signature not yet current: {signed} is still later than {now} (5 min.)"),
        ),
    };
    error(StatusCode::BAD_REQUEST, name, &message, request_id)
}

/// Says that there is trouble; `not_found` is the service's name for what is not there.
pub(crate) fn fail(trouble: Trouble, not_found: &str, request_id: &str) -> Response {
    let (status, name, message) = match trouble {
        Trouble::Throttled => (StatusCode::BAD_REQUEST, "ThrottlingException", "Rate exceeded"),
        Trouble::Internal => {
            (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "An internal error occurred.")
        }
        Trouble::Unavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", "Try again later.")
        }
        Trouble::NotFound => (StatusCode::BAD_REQUEST, not_found, ""),
    };
    error(status, name, message, request_id)
}
