//! What can be wrong with a call, told apart by the names that the service gives its errors, not by HTTP status: it
//! throttles with 400, and answers a block with the wrong checksum with 403 and the name of a wrong signature.

use std::fmt;

/// A call that did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// What kind of trouble it is.
    pub kind: ServiceErrorKind,
    /// The service's name for it, such as `ValidationException`.
    pub code: Option<String>,
    /// The service's words, or ours where no answer came.
    pub message: String,
    /// The service's reason within the code, such as `INVALID_BLOCK`.
    pub reason: Option<String>,
    /// HTTP status, where an answer came.
    pub status: Option<u16>,
    /// What the service's support asks for.
    pub request_id: Option<String>,
}

/// Kinds of trouble, by what can be done about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServiceErrorKind {
    /// Too many requests: slower, then again.
    Throttled,
    /// The service is in trouble (5xx): again.
    Service,
    /// No whole answer came: again.
    Transport,
    /// No connection can be made, and trying again would not change that: an unknown host, a peer that speaks no TLS, a
    /// proxy that refuses.
    Unreachable,
    /// The certificate of the service, or of what stands before it, is of no authority that is trusted.
    Untrusted,
    /// No answer came in time: again.
    TimedOut,
    /// The service could not read the request's body: again.
    BodyUnread,
    /// What is named does not exist, or is not known yet.
    NotFound,
    /// The bytes of a block are not those that were stated for them, by their digest or their number.
    Checksum,
    /// The service does not accept who calls: a wrong or expired key, or a signature made by a clock that is off.
    Signature,
    /// These credentials may not.
    Denied,
    /// No credentials were found.
    NoCredentials,
    /// The token was used for another request.
    Conflict,
    /// Too many snapshots are pending, or too many copies under way: it may help to wait.
    Pending,
    /// A quota of the account is used up.
    Quota,
    /// The snapshot takes no more blocks.
    Sealed,
    /// Something uses what should be deleted.
    InUse,
    /// The name is taken.
    Duplicate,
    /// The request would have been carried out.
    DryRun,
    /// The answer is not one that the service should give.
    Unreadable,
    /// The service refuses the request; it will not change its mind.
    Refused,
    /// The work was stopped.
    Interrupted,
}

impl ServiceError {
    /// A fault that no answer of the service names.
    pub fn local(kind: ServiceErrorKind, message: impl Into<String>) -> Self {
        Self { kind, code: None, message: message.into(), reason: None, status: None, request_id: None }
    }

    /// The kind of an answer of the service.
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

/// Whether an error's name says that the service does not accept who calls.
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

/// The kind that a name stands for.
fn by_name(code: &str, message: &str, reason: Option<&str>) -> Option<ServiceErrorKind> {
    Some(match code {
        // Newer accounts of the service add to the name of a throttle, never to anything else's.
        _ if code.contains("Throttl") => ServiceErrorKind::Throttled,
        "RequestLimitExceeded" | "TooManyRequestsException" | "SlowDown" | "EC2ThrottledException" => {
            ServiceErrorKind::Throttled
        }
        "InvalidSignatureException" if message.contains("x-amz-Checksum") => ServiceErrorKind::Checksum,
        // A region on this machine whose disk is full: what is sent again finds it as full.
        _ if message.contains("No space left on device") => ServiceErrorKind::Refused,
        // EC2 has one name for a caller that it does not know and for something that the caller does not own.
        "AuthFailure" if message.contains("Not authorized") => ServiceErrorKind::Denied,
        _ if is_unknown_caller(code) => ServiceErrorKind::Signature,
        "AccessDeniedException" | "UnauthorizedOperation" | "OptInRequired" | "AccessDenied" => {
            ServiceErrorKind::Denied
        }
        "ResourceNotFoundException" | "NotFoundException" => ServiceErrorKind::NotFound,
        _ if code.ends_with(".NotFound") || code == "InvalidAMIID.Unavailable" => ServiceErrorKind::NotFound,
        "ConflictException" => ServiceErrorKind::Conflict,
        "ServiceQuotaExceededException" => ServiceErrorKind::Quota,
        "ResourceLimitExceeded" if message.contains("in progress") => ServiceErrorKind::Pending,
        _ if code.ends_with("LimitExceeded") || code.ends_with("QuotaExceeded") => ServiceErrorKind::Quota,
        "ConcurrentLimitExceededException" => ServiceErrorKind::Pending,
        _ if code.ends_with(".InUse") => ServiceErrorKind::InUse,
        _ if code.ends_with(".Duplicate") => ServiceErrorKind::Duplicate,
        "DryRunOperation" => ServiceErrorKind::DryRun,
        "InternalServerException"
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
            (true, Some(status)) => write!(f, "the service answered with HTTP {status} and no words")?,
            (true, None) => write!(f, "no words")?,
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
    fn throttling_is_told_by_its_name_though_its_status_is_that_of_a_mistake() {
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
    fn a_wrong_checksum_is_no_wrong_signature() {
        let words = "The value passed in as x-amz-Checksum does not match the computed checksum.";
        let kind = |message| ServiceError::classify(403, Some("InvalidSignatureException"), message, None);
        assert_eq!(kind(words), ServiceErrorKind::Checksum);
        assert_eq!(kind("The request signature we calculated does not match"), ServiceErrorKind::Signature);
    }

    #[test]
    fn a_body_that_was_not_read_may_be_sent_again_and_a_wrong_block_may_not() {
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
    fn a_caller_that_is_not_known_and_one_that_may_not_are_told_apart() {
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
    fn a_disk_that_is_full_is_not_asked_again() {
        let words = "An internal error has occurred: cannot write `x`: No space left on device (os error 28)";
        assert_eq!(ServiceError::classify(500, Some("InternalError"), words, None), Refused);
        assert_eq!(ServiceError::classify(500, Some("InternalError"), "", None), Service);
    }

    #[test]
    fn a_full_quota_of_copies_is_one_that_empties() {
        let kind = |message| ServiceError::classify(400, Some("ResourceLimitExceeded"), message, None);
        let words = "Too many snapshot copies in progress. The limit is 20 for this destination region.";
        assert_eq!(kind(words), ServiceErrorKind::Pending);
        assert_eq!(kind("You have reached the limit of images"), ServiceErrorKind::Quota);
    }

    #[test]
    fn an_answer_without_a_name_is_judged_by_its_status() {
        let kinds =
            [429, 500, 503, 404, 403, 418].map(|status| ServiceError::classify(status, None, "", None));
        assert_eq!(kinds, [Throttled, Service, Service, NotFound, Denied, Refused]);
    }

    #[test]
    fn a_fault_reads_as_the_service_put_it() {
        let fault = ServiceError {
            kind: ServiceErrorKind::Refused,
            code: Some("ValidationException".to_owned()),
            message: "Block index 9 is beyond the volume size extent".to_owned(),
            reason: Some("INVALID_BLOCK".to_owned()),
            status: Some(400),
            request_id: Some("r-1".to_owned()),
        };
        assert_eq!(
            fault.to_string(),
            "ValidationException (INVALID_BLOCK): Block index 9 is beyond the volume size extent (request r-1)"
        );
        assert_eq!(
            ServiceError::local(ServiceErrorKind::TimedOut, "no answer in 60 s").to_string(),
            "no answer in 60 s"
        );
    }
}
