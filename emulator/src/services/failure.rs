//! Failures that any service may report without having looked at the request.

/// What any service may say without having looked at the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceFailure {
    /// Too many requests.
    Throttled,
    /// The service failed, status 500.
    Internal,
    /// The service cannot be reached just now, status 503.
    Unavailable,
    /// There is no such thing as the request is about.
    NotFound,
}
