//! Errors in the form of services with the query protocol: Auto Scaling and STS. That of EC2 differs.

use http::StatusCode;

use super::xml::escape;
use crate::http::response::{Response, new_response};
use crate::sigv4::AuthError;

/// Creates the HTTP response of an error.
pub(super) fn error_response(
    namespace: &str,
    (status, code, message): (StatusCode, &str, &str),
    request_id: &str,
) -> Response {
    let kind = if status.is_server_error() { "Receiver" } else { "Sender" };
    let body = format!(
        "<ErrorResponse xmlns=\"{}\"><Error><Type>{kind}</Type><Code>{code}</Code><Message>{}</Message></Error>\
         <RequestId>{request_id}</RequestId></ErrorResponse>",
        namespace,
        escape(message)
    );
    new_response(status, "text/xml", body)
}

/// The response to a request whose signature is missing or invalid. `missing`: the message for a missing one.
pub(super) fn reject(namespace: &str, missing: &str, auth_error: &AuthError, request_id: &str) -> Response {
    let (status, code, message) = match auth_error {
        AuthError::Missing => (StatusCode::FORBIDDEN, "MissingAuthenticationToken", missing.to_owned()),
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
    error_response(namespace, (status, code, &message), request_id)
}
