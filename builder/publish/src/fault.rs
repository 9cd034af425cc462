//! What can be wrong with a call, told apart by the names that the service gives its errors, not by HTTP status: it
//! throttles with 400, and answers a block with the wrong checksum with 403 and the name of a wrong signature.

use std::fmt;

/// A call that did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of trouble it is.
    pub kind: FaultKind,
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
pub enum FaultKind {
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

impl Fault {
    /// A fault that no answer of the service names.
    pub fn own(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, code: None, message: message.into(), reason: None, status: None, request_id: None }
    }

    /// The kind of an answer of the service.
    pub fn classify(status: u16, code: Option<&str>, message: &str, reason: Option<&str>) -> FaultKind {
        code.and_then(|code| by_name(code, message, reason)).unwrap_or(match status {
            429 => FaultKind::Throttled,
            500.. => FaultKind::Service,
            404 => FaultKind::NotFound,
            403 => FaultKind::Denied,
            200..300 => FaultKind::Unreadable,
            _ => FaultKind::Refused,
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
fn by_name(code: &str, message: &str, reason: Option<&str>) -> Option<FaultKind> {
    Some(match code {
        // Newer accounts of the service add to the name of a throttle, never to anything else's.
        _ if code.contains("Throttl") => FaultKind::Throttled,
        "RequestLimitExceeded" | "TooManyRequestsException" | "SlowDown" | "EC2ThrottledException" => {
            FaultKind::Throttled
        }
        "InvalidSignatureException" if message.contains("x-amz-Checksum") => FaultKind::Checksum,
        // A region on this machine whose disk is full: what is sent again finds it as full.
        _ if message.contains("No space left on device") => FaultKind::Refused,
        // EC2 has one name for a caller that it does not know and for something that the caller does not own.
        "AuthFailure" if message.contains("Not authorized") => FaultKind::Denied,
        _ if is_unknown_caller(code) => FaultKind::Signature,
        "AccessDeniedException" | "UnauthorizedOperation" | "OptInRequired" | "AccessDenied" => {
            FaultKind::Denied
        }
        "ResourceNotFoundException" | "NotFoundException" => FaultKind::NotFound,
        _ if code.ends_with(".NotFound") || code == "InvalidAMIID.Unavailable" => FaultKind::NotFound,
        "ConflictException" => FaultKind::Conflict,
        "ServiceQuotaExceededException" => FaultKind::Quota,
        "ResourceLimitExceeded" if message.contains("in progress") => FaultKind::Pending,
        _ if code.ends_with("LimitExceeded") || code.ends_with("QuotaExceeded") => FaultKind::Quota,
        "ConcurrentLimitExceededException" => FaultKind::Pending,
        _ if code.ends_with(".InUse") => FaultKind::InUse,
        _ if code.ends_with(".Duplicate") => FaultKind::Duplicate,
        "DryRunOperation" => FaultKind::DryRun,
        "InternalServerException"
        | "InternalError"
        | "InternalFailure"
        | "Unavailable"
        | "ServiceUnavailable" => FaultKind::Service,
        "ValidationException" => match reason {
            Some("WRITE_REQUEST_TIMEOUT") => FaultKind::BodyUnread,
            _ if message.contains("Failed to read block data") => FaultKind::BodyUnread,
            _ if message.contains("is already completed") => FaultKind::Sealed,
            _ => FaultKind::Refused,
        },
        _ => return None,
    })
}

impl fmt::Display for Fault {
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

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::FaultKind::{Denied, NotFound, Refused, Service, Throttled};
    use super::*;

    #[test]
    fn throttling_is_told_by_its_name_though_its_status_is_that_of_a_mistake() {
        for code in ["RequestThrottledException", "ThrottlingException", "Throttling", "RequestLimitExceeded"]
        {
            assert_eq!(Fault::classify(400, Some(code), "", None), FaultKind::Throttled, "{code}");
        }
        assert_eq!(Fault::classify(400, Some("ValidationException"), "", None), FaultKind::Refused);
    }

    #[test]
    fn a_wrong_checksum_is_no_wrong_signature() {
        let words = "The value passed in as x-amz-Checksum does not match the computed checksum.";
        let kind = |message| Fault::classify(403, Some("InvalidSignatureException"), message, None);
        assert_eq!(kind(words), FaultKind::Checksum);
        assert_eq!(kind("The request signature we calculated does not match"), FaultKind::Signature);
    }

    #[test]
    fn a_body_that_was_not_read_may_be_sent_again_and_a_wrong_block_may_not() {
        let kind = |message, reason| Fault::classify(400, Some("ValidationException"), message, Some(reason));
        assert_eq!(kind("Failed to read block data", "INVALID_PARAMETER_VALUE"), FaultKind::BodyUnread);
        assert_eq!(kind("", "WRITE_REQUEST_TIMEOUT"), FaultKind::BodyUnread);
        assert_eq!(kind("Block index 2048 is beyond", "INVALID_BLOCK"), FaultKind::Refused);
        assert_eq!(kind("Snapshot is already completed", "INVALID_SNAPSHOT_ID"), FaultKind::Sealed);
    }

    #[test]
    fn a_caller_that_is_not_known_and_one_that_may_not_are_told_apart() {
        let kind = |code, message| Fault::classify(401, Some(code), message, None);
        let unknown = "AWS was not able to validate the provided access credentials";
        assert_eq!(kind("AuthFailure", unknown), FaultKind::Signature);
        assert_eq!(kind("AuthFailure", "Not authorized for images: [ami-1]"), FaultKind::Denied);
        for code in ["InvalidClientTokenId", "RequestExpired", "UnrecognizedClientException"] {
            assert_eq!(kind(code, ""), FaultKind::Signature, "{code}");
        }
        for code in ["UnauthorizedOperation", "OptInRequired", "AccessDeniedException"] {
            assert_eq!(kind(code, ""), FaultKind::Denied, "{code}");
        }
    }

    #[test]
    fn a_disk_that_is_full_is_not_asked_again() {
        let words = "An internal error has occurred: cannot write `x`: No space left on device (os error 28)";
        assert_eq!(Fault::classify(500, Some("InternalError"), words, None), Refused);
        assert_eq!(Fault::classify(500, Some("InternalError"), "", None), Service);
    }

    #[test]
    fn a_full_quota_of_copies_is_one_that_empties() {
        let kind = |message| Fault::classify(400, Some("ResourceLimitExceeded"), message, None);
        let words = "Too many snapshot copies in progress. The limit is 20 for this destination region.";
        assert_eq!(kind(words), FaultKind::Pending);
        assert_eq!(kind("You have reached the limit of images"), FaultKind::Quota);
    }

    #[test]
    fn an_answer_without_a_name_is_judged_by_its_status() {
        let kinds = [429, 500, 503, 404, 403, 418].map(|status| Fault::classify(status, None, "", None));
        assert_eq!(kinds, [Throttled, Service, Service, NotFound, Denied, Refused]);
    }

    #[test]
    fn a_fault_reads_as_the_service_put_it() {
        let fault = Fault {
            kind: FaultKind::Refused,
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
        assert_eq!(Fault::own(FaultKind::TimedOut, "no answer in 60 s").to_string(), "no answer in 60 s");
    }
}
