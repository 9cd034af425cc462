//! The errors of EBS direct: two forms of bodies, and the header with the error code.
//!
//! The service itself writes `Message` and `Reason`; the framework in front of it, which checks signatures
//! and validates requests, writes only `message`.

use http::StatusCode;

use crate::authorization::Refusal;
use crate::error::Error;
use crate::http::response::{Response, new_response, with_header};
use crate::services::failure::ServiceFailure;
use crate::sigv4::AuthError;

/// The namespace of the service's own error codes.
const SERVICE: &str = "http://internal.amazon.com/coral/com.amazon.zeppelindataservice/";
/// The namespace of the framework's error codes.
const FRAMEWORK: &str = "http://internal.amazon.com/coral/com.amazon.coral.validate/";
/// The namespace of the error codes for signatures.
const SIGNATURES: &str = "http://internal.amazon.com/coral/com.amazon.coral.service/";

/// An error of EBS direct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EbsError {
    pub(crate) status: StatusCode,
    pub(crate) name: &'static str,
    pub(crate) message: String,
    /// The reason code; `None` in the framework's errors.
    pub(crate) reason: Option<&'static str>,
    namespace: &'static str,
}

impl EbsError {
    fn service(
        status: StatusCode,
        name: &'static str,
        reason: Option<&'static str>,
        message: String,
    ) -> Self {
        Self { status, name, message, reason, namespace: SERVICE }
    }

    /// The request is not valid, for one of the service's reason codes.
    pub(crate) fn invalid(reason: &'static str, message: impl Into<String>) -> Self {
        Self::service(StatusCode::BAD_REQUEST, "ValidationException", Some(reason), message.into())
    }

    /// The snapshot does not exist, is not accessible for the caller, or is not visible yet.
    pub(crate) fn snapshot_not_found(id: &str) -> Self {
        let message = format!("The snapshot '{id}' does not exist.");
        Self::service(StatusCode::NOT_FOUND, "ResourceNotFoundException", Some("SNAPSHOT_NOT_FOUND"), message)
    }

    /// The client token was used for another request.
    pub(crate) fn conflict() -> Self {
        let message = "Current request does not match request stored with this token.".to_owned();
        Self::service(StatusCode::CONFLICT, "ConflictException", None, message)
    }

    /// Too many snapshots are pending.
    pub(crate) fn too_many_pending(max: u32) -> Self {
        let message = format!("The maximum number of pending snapshots is {max}.");
        Self::service(StatusCode::BAD_REQUEST, "ConcurrentLimitExceededException", None, message)
    }

    /// Too many requests.
    pub(crate) fn throttled(reason: &'static str) -> Self {
        let message = "Request was throttled: rate exceeded.".to_owned();
        Self::service(StatusCode::BAD_REQUEST, "RequestThrottledException", Some(reason), message)
    }

    /// The content of the block does not match its checksum; reported like a signature error.
    pub(crate) fn checksum(computed: &str, expected: &str) -> Self {
        let message = format!(
            "The value passed in as x-amz-Checksum does not match the computed checksum. \
             Computed checksum: {computed} expected checksum: {expected}"
        );
        Self::signature(StatusCode::FORBIDDEN, "InvalidSignatureException", message)
    }

    /// The request violates constraints of the model.
    pub(crate) fn violations(violations: &[String]) -> Self {
        let (count, plural) = (violations.len(), if violations.len() == 1 { "" } else { "s" });
        let message = format!("{count} validation error{plural} detected: {}", violations.join("; "));
        let status = StatusCode::BAD_REQUEST;
        Self { status, name: "ValidationException", message, reason: None, namespace: FRAMEWORK }
    }

    /// The body is not JSON or has members of other types.
    pub(crate) fn serialization(message: String) -> Self {
        let status = StatusCode::BAD_REQUEST;
        Self { status, name: "SerializationException", message, reason: None, namespace: SIGNATURES }
    }

    /// The service failed for an unknown reason.
    pub(crate) fn internal() -> Self {
        let message = "An internal error has occurred.".to_owned();
        Self::service(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerException", None, message)
    }

    /// The operation does not exist.
    pub(crate) fn unknown_operation() -> Self {
        let message = "The requested operation is not recognized by the service.".to_owned();
        Self::signature(StatusCode::NOT_FOUND, "UnknownOperationException", message)
    }

    fn signature(status: StatusCode, name: &'static str, message: String) -> Self {
        Self { status, name, message, reason: None, namespace: SIGNATURES }
    }

    /// Creates the HTTP response.
    pub(crate) fn response(&self, request_id: &str) -> Response {
        let body = match (self.reason, self.namespace) {
            (Some(reason), _) => serde_json::json!({"Message": self.message, "Reason": reason}),
            (None, SERVICE) => serde_json::json!({"Message": self.message}),
            (None, _) => serde_json::json!({"message": self.message}),
        };
        let response = new_response(self.status, "application/json", body.to_string());
        let response =
            with_header(response, "x-amzn-errortype", &format!("{}:{}", self.name, self.namespace));
        let response = with_header(response, "x-amzn-requestid", request_id);
        if self.status == StatusCode::BAD_REQUEST {
            with_header(response, "connection", "close")
        } else {
            response
        }
    }
}

/// If the state cannot be read or written, the service fails; unlike a real region it reports the cause.
impl From<Error> for EbsError {
    fn from(error: Error) -> Self {
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Self::service(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerException", None, message)
    }
}

/// The response to a request whose signature is missing or invalid.
pub(crate) fn reject(auth_error: &AuthError, request_id: &str) -> Response {
    let (name, message) = match auth_error {
        AuthError::Missing => ("MissingAuthenticationTokenException", "Missing Authentication Token".to_owned()),
        AuthError::Malformed(what) => ("IncompleteSignatureException", what.clone()),
        AuthError::UnknownKey => {
            ("UnrecognizedClientException", "The security token included in the request is invalid.".to_owned())
        }
        AuthError::SignatureMismatch | AuthError::BodyMismatch => (
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details."
                .to_owned(),
        ),
        AuthError::Expired { signed, now } => {
            ("InvalidSignatureException", format!("Signature expired: {signed} is now earlier than {now} (5 min.)"))
        }
        AuthError::NotYetValid { signed, now } => {
            ("InvalidSignatureException", format!("Signature not yet current: {signed} is still later than {now} (5 min.)"))
        }
    };
    EbsError::signature(StatusCode::FORBIDDEN, name, message).response(request_id)
}

/// The response to a request that the policy of its sender does not allow. The reason is that of the model if
/// another service refuses what EBS does for the sender.
pub(crate) fn deny(refusal: &Refusal, request_id: &str) -> Response {
    let reason = refusal.is_of_other_service("ebs").then_some("DEPENDENCY_ACCESS_DENIED");
    let (status, message) = (StatusCode::FORBIDDEN, refusal.message());
    EbsError::service(status, "AccessDeniedException", reason, message).response(request_id)
}

/// The response of the framework that there were too many requests.
pub(crate) fn frontend_throttled(request_id: &str) -> Response {
    let (status, name, message) =
        (StatusCode::BAD_REQUEST, "ThrottlingException", "Rate exceeded".to_owned());
    EbsError::signature(status, name, message).response(request_id)
}

/// The response for a failure that does not depend on the request.
pub(crate) fn fail(failure: ServiceFailure, request_id: &str) -> Response {
    let error = match failure {
        ServiceFailure::Throttled => EbsError::throttled("ACCOUNT_THROTTLED"),
        ServiceFailure::NotFound => EbsError::snapshot_not_found("snap-00000000000000000"),
        ServiceFailure::Internal | ServiceFailure::Unavailable => {
            let status = match failure {
                ServiceFailure::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            let (name, message) = ("InternalServerException", "An internal error has occurred.".to_owned());
            EbsError::service(status, name, None, message)
        }
    };
    error.response(request_id)
}
