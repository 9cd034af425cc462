//! The errors of Auto Scaling and their form on the wire.
//!
//! Codes follow the API reference (version 2011-01-01) and its common errors; messages follow those that users of
//! other tools report, where there are any.

use http::StatusCode;

use crate::authorization::Refusal;
use crate::http::response::Response;
use crate::services::ec2::Ec2Error;
use crate::services::failure::ServiceFailure;
use crate::services::query_errors;
use crate::sigv4::AuthError;

/// An error of Auto Scaling.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct GroupError {
    pub(crate) code: String,
    pub(crate) message: String,
    /// The status of the HTTP response.
    pub(crate) status: u16,
}

impl GroupError {
    /// An error with status 400.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), status: 400 }
    }

    /// A parameter is missing or not valid: one code for all.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationError", message)
    }

    /// The group does not exist.
    pub(crate) fn no_group(name: &str) -> Self {
        Self::validation(format!("AutoScalingGroup name not found - AutoScalingGroup {name} not found"))
    }
}

impl From<Ec2Error> for GroupError {
    /// Auto Scaling reports mistakes of parameters and errors of EC2 as validation errors.
    fn from(error: Ec2Error) -> Self {
        if error.status >= 500 {
            return Self { status: 500, ..Self::new("InternalFailure", error.message) };
        }
        Self::validation(error.message)
    }
}

impl From<crate::error::Error> for GroupError {
    fn from(error: crate::error::Error) -> Self {
        Ec2Error::from(error).into()
    }
}

/// Creates the HTTP response of an error.
pub(crate) fn error_response(status: StatusCode, code: &str, message: &str, request_id: &str) -> Response {
    query_errors::error_response(super::NAMESPACE, (status, code, message), request_id)
}

/// The response to a request whose signature is missing or invalid.
pub(crate) fn reject(auth_error: &AuthError, request_id: &str) -> Response {
    query_errors::reject(super::NAMESPACE, "Missing Authentication Token", auth_error, request_id)
}

/// The response to a request that the policy of its sender does not allow.
pub(crate) fn deny(refusal: &Refusal, request_id: &str) -> Response {
    error_response(StatusCode::FORBIDDEN, "AccessDenied", &refusal.message(), request_id)
}

/// The response for a failure that does not depend on the request.
pub(crate) fn fail(failure: ServiceFailure, request_id: &str) -> Response {
    let (status, code, message) = match failure {
        ServiceFailure::Throttled => (StatusCode::BAD_REQUEST, "Throttling", "Rate exceeded"),
        ServiceFailure::Internal => {
            (StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", "An internal error occurred.")
        }
        ServiceFailure::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            "The request has failed due to a temporary failure of the server.",
        ),
        ServiceFailure::NotFound => {
            (StatusCode::BAD_REQUEST, "ValidationError", "AutoScalingGroup name not found")
        }
    };
    error_response(status, code, message, request_id)
}
