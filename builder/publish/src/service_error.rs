//! Errors of service calls, classified by the error codes of the service and not by HTTP status: the service throttles
//! with status 400, and answers a block with a wrong checksum with status 403 and the code of a wrong signature.

use std::fmt;

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// Its class.
    pub kind: ServiceErrorKind,
    /// Error code of the service, such as `ValidationException`.
    pub code: Option<String>,
    /// Message of the service, or of this program if there was no response.
    pub message: String,
    /// Reason of the service within the code, such as `INVALID_BLOCK`.
    pub reason: Option<String>,
    /// HTTP status, if there was a response.
    pub status: Option<u16>,
    /// Request id, which AWS support needs.
    pub request_id: Option<String>,
}

/// Classes of errors, by how they can be handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServiceErrorKind {
    /// Too many requests: retry at a lower rate.
    Throttled,
    /// Internal error of the service (5xx): retry.
    Service,
    /// No complete response: retry.
    Transport,
    /// No connection is possible, and a retry would not help: an unknown host, a peer without TLS, a proxy that
    /// refuses.
    Unreachable,
    /// The certificate of the service, or of a proxy before it, is not signed by a trusted authority.
    Untrusted,
    /// No response in time: retry.
    TimedOut,
    /// The service could not read the request's body: retry.
    BodyUnread,
    /// The resource does not exist, or is not known yet.
    NotFound,
    /// The bytes of a block do not match their stated digest or length.
    Checksum,
    /// The service does not accept the credentials: a wrong or expired key, or a signature made with a wrong clock.
    Signature,
    /// The credentials lack the permission.
    Denied,
    /// There are no credentials.
    NoCredentials,
    /// The client token was used for another request.
    Conflict,
    /// Too many pending snapshots or concurrent copies: waiting may help.
    Pending,
    /// A quota of the account is exhausted.
    Quota,
    /// The snapshot accepts no more blocks.
    Sealed,
    /// The resource to delete is in use.
    InUse,
    /// The name is taken.
    Duplicate,
    /// The request would have succeeded.
    DryRun,
    /// The response is not one that the service may give.
    Unreadable,
    /// The service refuses the request permanently.
    Refused,
    /// The work was interrupted.
    Interrupted,
}

impl ServiceError {
    /// An error without a response of the service.
    pub fn local(kind: ServiceErrorKind, message: impl Into<String>) -> Self {
        Self { kind, code: None, message: message.into(), reason: None, status: None, request_id: None }
    }

    /// Classifies a response by its status, code, message and reason.
    pub fn classify(
        status: u16,
        code: Option<&str>,
        message: &str,
        reason: Option<&str>,
    ) -> ServiceErrorKind {
        code.and_then(|code| by_name(code, message, reason)).unwrap_or(match status {
            429 => ServiceErrorKind::Throttled,
            500.. => ServiceErrorKind::Service,
            404 => ServiceErrorKind::NotFound,
            403 => ServiceErrorKind::Denied,
            200..300 => ServiceErrorKind::Unreadable,
            _ => ServiceErrorKind::Refused,
        })
    }
}

/// Whether an error code means that the service does not accept the credentials.
pub fn is_unknown_caller(code: &str) -> bool {
    matches!(
        code,
        "AuthFailure"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidAccessKeyId"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "RequestExpired"
            | "RequestTimeTooSkewed"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException"
    )
}

/// Classifies an error code.
fn by_name(code: &str, message: &str, reason: Option<&str>) -> Option<ServiceErrorKind> {
    Some(match code {
        // Services use several codes for throttling, all with this text; no other code contains it.
        _ if code.contains("Throttl") => ServiceErrorKind::Throttled,
        "RequestLimitExceeded" | "TooManyRequestsException" | "SlowDown" | "EC2ThrottledException" => {
            ServiceErrorKind::Throttled
        }
        // SSM: another update of the same parameter is in progress.
        "TooManyUpdates" => ServiceErrorKind::Throttled,
        "InvalidSignatureException" if message.contains("x-amz-Checksum") => ServiceErrorKind::Checksum,
        // A local region with a full disk: a retry meets the same error.
        _ if message.contains("No space left on device") => ServiceErrorKind::Refused,
        // EC2 uses one code for unknown credentials and for resources of other accounts.
        "AuthFailure" if message.contains("Not authorized") => ServiceErrorKind::Denied,
        _ if is_unknown_caller(code) => ServiceErrorKind::Signature,
        "AccessDeniedException" | "UnauthorizedOperation" | "OptInRequired" | "AccessDenied" => {
            ServiceErrorKind::Denied
        }
        "ResourceNotFoundException"
        | "NotFoundException"
        | "ParameterNotFound"
        | "ParameterVersionNotFound" => ServiceErrorKind::NotFound,
        "ParameterAlreadyExists" => ServiceErrorKind::Duplicate,
        _ if code.ends_with(".NotFound") || code == "InvalidAMIID.Unavailable" => ServiceErrorKind::NotFound,
        // EC2: a task that imports.
        "InvalidConversionTaskId" => ServiceErrorKind::NotFound,
        // S3: the bytes of a part do not match their stated digest.
        "BadDigest" | "XAmzContentSHA256Mismatch" => ServiceErrorKind::Checksum,
        // S3: the body of a request arrived too slowly, or not whole.
        "RequestTimeout" | "IncompleteBody" => ServiceErrorKind::Transport,
        "ConflictException" => ServiceErrorKind::Conflict,
        "ServiceQuotaExceededException" => ServiceErrorKind::Quota,
        "ResourceLimitExceeded" if message.contains("in progress") => ServiceErrorKind::Pending,
        _ if code.ends_with("LimitExceeded") || code.ends_with("QuotaExceeded") => ServiceErrorKind::Quota,
        "ConcurrentLimitExceededException" => ServiceErrorKind::Pending,
        _ if code.ends_with(".InUse") => ServiceErrorKind::InUse,
        _ if code.ends_with(".Duplicate") => ServiceErrorKind::Duplicate,
        "DryRunOperation" => ServiceErrorKind::DryRun,
        "InternalServerException"
        | "InternalServerError"
        | "InternalError"
        | "InternalFailure"
        | "Unavailable"
        | "ServiceUnavailable" => ServiceErrorKind::Service,
        "ValidationException" => match reason {
            Some("WRITE_REQUEST_TIMEOUT") => ServiceErrorKind::BodyUnread,
            _ if message.contains("Failed to read block data") => ServiceErrorKind::BodyUnread,
            _ if message.contains("is already completed") => ServiceErrorKind::Sealed,
            _ => ServiceErrorKind::Refused,
        },
        _ => return None,
    })
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, &self.reason) {
            (Some(code), Some(reason)) => write!(f, "{code} ({reason}): ")?,
            (Some(code), None) => write!(f, "{code}: ")?,
            (None, _) => {}
        }
        let message = self.message.trim();
        match (message.is_empty(), self.status) {
            (false, _) => write!(f, "{message}")?,
            (true, Some(status)) => write!(f, "the service answered with HTTP {status} and no message")?,
            (true, None) => write!(f, "no message")?,
        }
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ServiceError {}

#[cfg(test)]
mod tests {
    use super::ServiceErrorKind::{Denied, NotFound, Refused, Service, Throttled};
    use super::*;

    #[test]
    fn throttling_is_classified_by_its_code_and_not_by_its_status() {
        for code in ["RequestThrottledException", "ThrottlingException", "Throttling", "RequestLimitExceeded"]
        {
            assert_eq!(
                ServiceError::classify(400, Some(code), "", None),
                ServiceErrorKind::Throttled,
                "{code}"
            );
        }
        assert_eq!(
            ServiceError::classify(400, Some("ValidationException"), "", None),
            ServiceErrorKind::Refused
        );
    }

    #[test]
    fn a_wrong_checksum_is_not_a_wrong_signature() {
        let text = "The value passed in as x-amz-Checksum does not match the computed checksum.";
        let kind = |message| ServiceError::classify(403, Some("InvalidSignatureException"), message, None);
        assert_eq!(kind(text), ServiceErrorKind::Checksum);
        assert_eq!(kind("The request signature we calculated does not match"), ServiceErrorKind::Signature);
    }

    #[test]
    fn an_unread_body_is_retried_and_a_wrong_block_is_not() {
        let kind =
            |message, reason| ServiceError::classify(400, Some("ValidationException"), message, Some(reason));
        assert_eq!(
            kind("Failed to read block data", "INVALID_PARAMETER_VALUE"),
            ServiceErrorKind::BodyUnread
        );
        assert_eq!(kind("", "WRITE_REQUEST_TIMEOUT"), ServiceErrorKind::BodyUnread);
        assert_eq!(kind("Block index 2048 is beyond", "INVALID_BLOCK"), ServiceErrorKind::Refused);
        assert_eq!(kind("Snapshot is already completed", "INVALID_SNAPSHOT_ID"), ServiceErrorKind::Sealed);
    }

    #[test]
    fn unknown_credentials_and_missing_permissions_differ() {
        let kind = |code, message| ServiceError::classify(401, Some(code), message, None);
        let unknown = "AWS was not able to validate the provided access credentials";
        assert_eq!(kind("AuthFailure", unknown), ServiceErrorKind::Signature);
        assert_eq!(kind("AuthFailure", "Not authorized for images: [ami-1]"), ServiceErrorKind::Denied);
        for code in ["InvalidClientTokenId", "RequestExpired", "UnrecognizedClientException"] {
            assert_eq!(kind(code, ""), ServiceErrorKind::Signature, "{code}");
        }
        for code in ["UnauthorizedOperation", "OptInRequired", "AccessDeniedException"] {
            assert_eq!(kind(code, ""), ServiceErrorKind::Denied, "{code}");
        }
    }

    #[test]
    fn a_full_disk_is_not_retried() {
        let text = "An internal error has occurred: cannot write `x`: No space left on device (os error 28)";
        assert_eq!(ServiceError::classify(500, Some("InternalError"), text, None), Refused);
        assert_eq!(ServiceError::classify(500, Some("InternalError"), "", None), Service);
    }

    #[test]
    fn the_quota_of_concurrent_copies_is_transient() {
        let kind = |message| ServiceError::classify(400, Some("ResourceLimitExceeded"), message, None);
        let text = "Too many snapshot copies in progress. The limit is 20 for this destination region.";
        assert_eq!(kind(text), ServiceErrorKind::Pending);
        assert_eq!(kind("You have reached the limit of images"), ServiceErrorKind::Quota);
    }

    #[test]
    fn a_response_without_a_code_is_classified_by_its_status() {
        let kinds =
            [429, 500, 503, 404, 403, 418].map(|status| ServiceError::classify(status, None, "", None));
        assert_eq!(kinds, [Throttled, Service, Service, NotFound, Denied, Refused]);
    }

    #[test]
    fn an_error_displays_the_message_of_the_service() {
        let error = ServiceError {
            kind: ServiceErrorKind::Refused,
            code: Some("ValidationException".to_owned()),
            message: "Block index 9 is beyond the volume size extent".to_owned(),
            reason: Some("INVALID_BLOCK".to_owned()),
            status: Some(400),
            request_id: Some("r-1".to_owned()),
        };
        assert_eq!(
            error.to_string(),
            "ValidationException (INVALID_BLOCK): Block index 9 is beyond the volume size extent (request r-1)"
        );
        assert_eq!(
            ServiceError::local(ServiceErrorKind::TimedOut, "no answer in 60 s").to_string(),
            "no answer in 60 s"
        );
    }
}
