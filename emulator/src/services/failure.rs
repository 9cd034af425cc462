//! Failures that any service can report without reading the request.

/// A failure that does not depend on the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceFailure {
    /// Too many requests.
    Throttled,
    /// An internal error, status 500.
    Internal,
    /// The service is temporarily unavailable, status 503.
    Unavailable,
    /// The requested resource does not exist.
    NotFound,
}
