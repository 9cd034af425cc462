//! A request whose sender is known.

use bytes::Bytes;
use http::request::Parts;

use super::body::RequestBody;
use crate::digest::Sha256Digest;
use crate::sigv4::SignatureSeed;

/// A request whose sender is known: the signature was checked.
#[derive(Debug)]
pub(crate) struct SignedRequest {
    /// The account that sent it.
    pub(crate) account: String,
    /// Names this request in the answer.
    pub(crate) request_id: String,
    /// Method, path, query and headers as they came.
    pub(crate) parts: Parts,
    /// The body.
    pub(crate) payload: Payload,
    /// What the signature was made with.
    pub(crate) seed: SignatureSeed,
    /// Whether what it begins is to fail, on purpose.
    pub(crate) fail_async: bool,
}

/// The body of a request.
#[derive(Debug)]
pub(crate) enum Payload {
    /// All of it, with its digest; every service but S3 gets it like this.
    Buffered {
        /// The bytes.
        bytes: Bytes,
        /// Their SHA-256.
        digest: Sha256Digest,
    },
    /// Not read yet: S3's may be long. The signed digest, if there is one, is still to be checked.
    Streaming(RequestBody),
}

impl SignedRequest {
    /// The whole body; empty if it was not read.
    pub(crate) fn body(&self) -> &[u8] {
        match &self.payload {
            Payload::Buffered { bytes, .. } => bytes,
            Payload::Streaming(_) => &[],
        }
    }

    /// A header as text, if it is there and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Path and query as they came.
    pub(crate) fn target(&self) -> &str {
        self.parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
    }

    /// The parameters of the query, decoded.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
    }
}
