//! How EC2 says no: XML, with a code that names the error.

use http::StatusCode;

use crate::door::reply::{Response, reply};
use crate::services::Trouble;
use crate::sigv4::Denial;

/// An error as EC2 writes it.
pub(crate) fn error(status: StatusCode, code: &str, message: &str, request_id: &str) -> Response {
    let message = escape(message);
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code>\
         <Message>{message}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>"
    );
    reply(status, "text/xml;charset=UTF-8", body)
}

/// Text as it stands in XML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Refuses a request whose signature was not good.
pub(crate) fn refuse(denial: &Denial, request_id: &str) -> Response {
    let (status, code, message) = match denial {
        Denial::Missing => {
            (StatusCode::FORBIDDEN, "MissingAuthenticationToken", "Request is missing Authentication Token")
        }
        Denial::Malformed(what) => (StatusCode::BAD_REQUEST, "IncompleteSignature", what.as_str()),
        Denial::UnknownKey | Denial::Mismatch | Denial::Body => (
            StatusCode::UNAUTHORIZED,
            "AuthFailure",
            "AWS was not able to validate the provided access credentials",
        ),
        Denial::Expired { .. } | Denial::Early { .. } => {
            (StatusCode::BAD_REQUEST, "RequestExpired", "Request has expired.")
        }
    };
    error(status, code, message, request_id)
}

/// Says that there is trouble.
pub(crate) fn fail(trouble: Trouble, request_id: &str) -> Response {
    let (status, code, message) = match trouble {
        Trouble::Throttled => {
            (StatusCode::SERVICE_UNAVAILABLE, "RequestLimitExceeded", "Request limit exceeded.")
        }
        Trouble::Internal => {
            (StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "An internal error has occurred")
        }
        Trouble::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Unavailable",
            "The server is overloaded and can't handle the request.",
        ),
        Trouble::NotFound => (
            StatusCode::BAD_REQUEST,
            "InvalidSnapshot.NotFound",
            "The snapshot 'snap-00000000000000000' does not exist.",
        ),
    };
    error(status, code, message, request_id)
}
