//! An authenticated request, as services receive it.

use bytes::Bytes;
use http::request::Parts;

use super::body::RequestBody;
use crate::digest::Sha256Digest;
use crate::iam::Principal;
use crate::sigv4::SignatureSeed;

/// A request whose signature has been verified.
#[derive(Debug)]
pub(crate) struct SignedRequest {
    /// The account of the access key.
    pub(crate) account: String,
    /// Who sent it.
    pub(crate) principal: Principal,
    /// The request id that the response repeats.
    pub(crate) request_id: String,
    /// Method, path, query and headers as received.
    pub(crate) parts: Parts,
    /// The body.
    pub(crate) payload: Payload,
    /// The seed for the signatures of a chunked body.
    pub(crate) seed: SignatureSeed,
    /// Whether the operation that this request begins is to fail later, by a scripted fault.
    pub(crate) fail_async: bool,
}

/// The body of a request.
#[derive(Debug)]
pub(crate) enum Payload {
    /// The complete body with its digest: for every service but S3.
    Buffered {
        /// The bytes.
        bytes: Bytes,
        /// Their SHA-256.
        digest: Sha256Digest,
    },
    /// A body that is not read yet: S3 bodies may be long. The service has to compare the signed digest, if
    /// there is one.
    Streaming(RequestBody),
}

impl SignedRequest {
    /// The complete body; empty if it is streaming.
    pub(crate) fn body(&self) -> &[u8] {
        match &self.payload {
            Payload::Buffered { bytes, .. } => bytes,
            Payload::Streaming(_) => &[],
        }
    }

    /// The value of a header, if it exists and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Path and query as received.
    pub(crate) fn target(&self) -> &str {
        self.parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
    }

    /// The decoded parameters of the query.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
    }
}
