//! How S3 says no: XML, with a code that names the error.

use http::StatusCode;

use crate::door::reply::{Response, reply, with};
use crate::services::Trouble;
use crate::services::ec2::escape;
use crate::sigv4::Denial;

/// An error as S3 writes it.
pub(crate) fn error(status: StatusCode, code: &str, message: &str, request_id: &str) -> Response {
    let message = escape(message);
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>{request_id}</RequestId></Error>"
    );
    with(reply(status, "application/xml", body), "x-amz-request-id", request_id)
}

/// Refuses a request whose signature was not good.
pub(crate) fn refuse(denial: &Denial, request_id: &str) -> Response {
    let (status, code, message) = match denial {
        Denial::Missing => (StatusCode::FORBIDDEN, "AccessDenied", "Access Denied"),
        Denial::Malformed(what) => (StatusCode::BAD_REQUEST, "AuthorizationHeaderMalformed", what.as_str()),
        Denial::UnknownKey => (
            StatusCode::FORBIDDEN,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        Denial::Mismatch => (
            StatusCode::FORBIDDEN,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        ),
        Denial::Body => (
            StatusCode::BAD_REQUEST,
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ),
        Denial::Expired { .. } | Denial::Early { .. } => (
            StatusCode::FORBIDDEN,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        ),
    };
    error(status, code, message, request_id)
}

/// Says that there is trouble.
pub(crate) fn fail(trouble: Trouble, request_id: &str) -> Response {
    let (status, code, message) = match trouble {
        Trouble::Throttled => {
            (StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.")
        }
        Trouble::Internal => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            "We encountered an internal error. Please try again.",
        ),
        Trouble::Unavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "Please reduce your request rate.")
        }
        Trouble::NotFound => (StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist."),
    };
    error(status, code, message, request_id)
}
