//! The errors of EC2: code, message, status, and their form on the wire.
//!
//! Codes follow AWS's list of EC2 error codes; messages follow captured ones where they exist.

use http::StatusCode;

use crate::authorization::Refusal;
use crate::http::response::{Response, new_response};
use crate::services::failure::ServiceFailure;
use crate::services::xml::escape;
use crate::sigv4::AuthError;

/// An error of EC2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct Ec2Error {
    /// The error code that clients evaluate.
    pub(crate) code: String,
    /// The message for the user.
    pub(crate) message: String,
    /// The status of the HTTP response.
    pub(crate) status: u16,
}

impl Ec2Error {
    /// An error with status 400, as most are.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), status: 400 }
    }

    /// The request would have succeeded without `DryRun`.
    pub(crate) fn dry_run() -> Self {
        let message = "Request would have succeeded, but DryRun flag is set.";
        Self { status: 412, ..Self::new("DryRunOperation", message) }
    }

    /// The state cannot be read or written.
    pub(crate) fn internal(why: impl std::fmt::Display) -> Self {
        Self { status: 500, ..Self::new("InternalError", format!("An internal error has occurred: {why}")) }
    }

    /// A required parameter is missing.
    pub(crate) fn missing(name: &str) -> Self {
        Self::new("MissingParameter", format!("The request must contain the parameter {name}"))
    }

    /// The operation has no such parameter.
    pub(crate) fn unknown(name: &str) -> Self {
        Self::new("UnknownParameter", format!("The parameter {name} is not recognized"))
    }

    /// The value of a parameter is not valid.
    pub(crate) fn value(name: &str, value: &str, why: &str) -> Self {
        let message = format!("Value ({value}) for parameter {name} is invalid. {why}");
        Self::new("InvalidParameterValue", message)
    }

    /// The combination of parameters is not valid.
    pub(crate) fn combination(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterCombination", message)
    }
}

/// Creates the HTTP response of an error.
pub(crate) fn error_response(status: StatusCode, code: &str, message: &str, request_id: &str) -> Response {
    let message = escape(message);
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code>\
         <Message>{message}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>"
    );
    new_response(status, "text/xml;charset=UTF-8", body)
}

/// The response to a request whose signature is missing or invalid.
pub(crate) fn reject(auth_error: &AuthError, request_id: &str) -> Response {
    let (status, code, message) = match auth_error {
        AuthError::Missing => {
            (StatusCode::FORBIDDEN, "MissingAuthenticationToken", "Request is missing Authentication Token")
        }
        AuthError::Malformed(what) => (StatusCode::BAD_REQUEST, "IncompleteSignature", what.as_str()),
        AuthError::UnknownKey | AuthError::SignatureMismatch | AuthError::BodyMismatch => (
            StatusCode::UNAUTHORIZED,
            "AuthFailure",
            "AWS was not able to validate the provided access credentials",
        ),
        AuthError::Expired { .. } | AuthError::NotYetValid { .. } => {
            (StatusCode::BAD_REQUEST, "RequestExpired", "Request has expired.")
        }
    };
    error_response(status, code, message, request_id)
}

/// The response to a request that the policy of its sender does not allow, also to a dry run. AWS adds an
/// encoded message, which only it can decode.
pub(crate) fn deny(refusal: &Refusal, request_id: &str) -> Response {
    let message = format!("You are not authorized to perform this operation. {}", refusal.message());
    error_response(StatusCode::FORBIDDEN, "UnauthorizedOperation", &message, request_id)
}

/// The response for a failure that does not depend on the request.
pub(crate) fn fail(failure: ServiceFailure, request_id: &str) -> Response {
    let (status, code, message) = match failure {
        ServiceFailure::Throttled => {
            (StatusCode::SERVICE_UNAVAILABLE, "RequestLimitExceeded", "Request limit exceeded.")
        }
        ServiceFailure::Internal => {
            (StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "An internal error has occurred")
        }
        ServiceFailure::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Unavailable",
            "The server is overloaded and can't handle the request.",
        ),
        ServiceFailure::NotFound => (
            StatusCode::BAD_REQUEST,
            "InvalidSnapshot.NotFound",
            "The snapshot 'snap-00000000000000000' does not exist.",
        ),
    };
    error_response(status, code, message, request_id)
}
