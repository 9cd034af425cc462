//! The refusals of S3: a code, a message and a status.

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct S3Error {
    /// The code that clients branch on.
    pub(crate) code: &'static str,
    /// A sentence for people.
    pub(crate) message: String,
    /// Status of the HTTP response.
    pub(crate) status: u16,
    /// The region to ask instead.
    pub(crate) region: Option<String>,
}

impl S3Error {
    /// A refusal.
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), status, region: None }
    }

    /// An argument that cannot be.
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidArgument", message)
    }

    /// No such bucket.
    pub(crate) fn no_bucket() -> Self {
        Self::new(404, "NoSuchBucket", "The specified bucket does not exist")
    }

    /// No such object.
    pub(crate) fn no_key() -> Self {
        Self::new(404, "NoSuchKey", "The specified key does not exist.")
    }

    /// No such upload.
    pub(crate) fn no_upload() -> Self {
        Self::new(
            404,
            "NoSuchUpload",
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or \
             completed.",
        )
    }

    /// A body that is no XML, or not the one that was expected.
    pub(crate) fn malformed_xml() -> Self {
        let message =
            "The XML you provided was not well-formed or did not validate against our published schema";
        Self::new(400, "MalformedXML", message)
    }

    /// The sender stopped before the end.
    pub(crate) fn incomplete() -> Self {
        let message = "You did not provide the number of bytes specified by the Content-Length HTTP header";
        Self::new(400, "IncompleteBody", message)
    }

    /// A file could not be read or written.
    pub(crate) fn io(doing: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |error| Self::new(500, "InternalError", format!("cannot {doing}: {error}"))
    }
}

impl From<crate::error::Error> for S3Error {
    fn from(error: crate::error::Error) -> Self {
        Self::new(500, "InternalError", error.to_string())
    }
}
