//! The errors of S3: a code, a message and a status.

use http::StatusCode;

use crate::authorization::Refusal;
use crate::http::response::{Response, new_response, with_header};
use crate::services::failure::ServiceFailure;
use crate::services::xml::escape;
use crate::sigv4::AuthError;

/// The attempted operation if the folder of bodies cannot be created.
pub(crate) const NEW_BODY: &str = "make the folder of bodies";

/// An error of S3.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct S3Error {
    /// The error code that clients evaluate.
    pub(crate) code: &'static str,
    /// The message for the user.
    pub(crate) message: String,
    /// The status of the HTTP response.
    pub(crate) status: u16,
    /// The region of the bucket if it is in another one.
    pub(crate) region: Option<String>,
}

impl S3Error {
    /// Creates an error.
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), status, region: None }
    }

    /// An argument is not valid.
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidArgument", message)
    }

    /// The bucket does not exist.
    pub(crate) fn no_bucket() -> Self {
        Self::new(404, "NoSuchBucket", "The specified bucket does not exist")
    }

    /// The object does not exist.
    pub(crate) fn no_key() -> Self {
        Self::new(404, "NoSuchKey", "The specified key does not exist.")
    }

    /// The upload does not exist.
    pub(crate) fn no_upload() -> Self {
        Self::new(
            404,
            "NoSuchUpload",
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or \
             completed.",
        )
    }

    /// The body is not XML or not the expected document.
    pub(crate) fn malformed_xml() -> Self {
        let message =
            "The XML you provided was not well-formed or did not validate against our published schema";
        Self::new(400, "MalformedXML", message)
    }

    /// The body is shorter than declared.
    pub(crate) fn incomplete() -> Self {
        let message = "You did not provide the number of bytes specified by the Content-Length HTTP header";
        Self::new(400, "IncompleteBody", message)
    }

    /// A file cannot be read or written.
    pub(crate) fn io(doing: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |error| Self::new(500, "InternalError", format!("cannot {doing}: {error}"))
    }
}

impl From<crate::error::Error> for S3Error {
    fn from(error: crate::error::Error) -> Self {
        Self::new(500, "InternalError", error.to_string())
    }
}

/// Creates the HTTP response of an error.
pub(crate) fn error_response(status: StatusCode, code: &str, message: &str, request_id: &str) -> Response {
    let message = escape(message);
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>{request_id}</RequestId></Error>"
    );
    with_header(new_response(status, "application/xml", body), "x-amz-request-id", request_id)
}

/// The response to a request that the policy of its sender does not allow.
pub(crate) fn deny(refusal: &Refusal, request_id: &str) -> Response {
    error_response(StatusCode::FORBIDDEN, "AccessDenied", &refusal.message(), request_id)
}

/// The response to a request whose signature is missing or invalid.
pub(crate) fn reject(auth_error: &AuthError, request_id: &str) -> Response {
    let (status, code, message) = match auth_error {
        AuthError::Missing => (StatusCode::FORBIDDEN, "AccessDenied", "Access Denied"),
        AuthError::Malformed(what) => {
            (StatusCode::BAD_REQUEST, "AuthorizationHeaderMalformed", what.as_str())
        }
        AuthError::UnknownKey => (
            StatusCode::FORBIDDEN,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        AuthError::SignatureMismatch => (
            StatusCode::FORBIDDEN,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        ),
        AuthError::BodyMismatch => (
            StatusCode::BAD_REQUEST,
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ),
        AuthError::Expired { .. } | AuthError::NotYetValid { .. } => (
            StatusCode::FORBIDDEN,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        ),
    };
    error_response(status, code, message, request_id)
}

/// The response for a failure that does not depend on the request.
pub(crate) fn fail(failure: ServiceFailure, request_id: &str) -> Response {
    let (status, code, message) = match failure {
        ServiceFailure::Throttled => {
            (StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.")
        }
        ServiceFailure::Internal => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            "We encountered an internal error. Please try again.",
        ),
        ServiceFailure::Unavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "Please reduce your request rate.")
        }
        ServiceFailure::NotFound => (StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist."),
    };
    error_response(status, code, message, request_id)
}
