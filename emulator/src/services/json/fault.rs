//! The refusals of services that take JSON: a type and a message.

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub(crate) struct JsonError {
    /// The type that clients branch on.
    pub(crate) name: String,
    /// A sentence for people.
    pub(crate) message: String,
    /// Status of the HTTP response.
    pub(crate) status: u16,
}

impl JsonError {
    /// A refusal with status 400, as nearly all are.
    pub(crate) fn new(name: &str, message: impl Into<String>) -> Self {
        Self { name: name.to_owned(), message: message.into(), status: 400 }
    }

    /// A value that the call does not take.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }
}

impl From<crate::error::Error> for JsonError {
    fn from(error: crate::error::Error) -> Self {
        Self { status: 500, ..Self::new("InternalServerError", error.to_string()) }
    }
}
