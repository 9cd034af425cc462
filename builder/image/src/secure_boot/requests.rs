//! Signing requests: what a bundle asks a key to sign, as files that can be carried to where the key is.
//!
//! `signing/requests.json` lists them, and `signing/ID.tbs` are the bytes to be signed, so that any tool that signs a file
//! will do. A new kind of request is a variant of [`RequestKind`].

use amiforge_formats::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::bundle;

/// Version of the text.
const SCHEMA: u64 = 1;

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestKind {
    /// A program that firmware starts: the bytes are the signed attributes of its Authenticode signature.
    Authenticode,
}

impl RequestKind {
    /// The algorithm by which requests of this kind are signed.
    pub fn algorithm(self) -> &'static str {
        match self {
            Self::Authenticode => "rsa-pkcs1-sha256",
        }
    }
}

/// A request for a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningRequest {
    /// Its id, by which its signature is given back.
    pub id: String,
    /// What it is for.
    pub kind: RequestKind,
    /// The bytes to be signed.
    pub bytes: Vec<u8>,
    /// SHA-256 Authenticode digest of the program.
    pub authenticode: Digest,
    /// Path of the program on the EFI system partition.
    pub path: String,
}

/// Why a text is no list of requests.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestsError {
    /// Not JSON of the right shape.
    #[error("reading the JSON of the requests")]
    Json(#[source] serde_json::Error),
    /// Another version.
    #[error("the requests have schema {found}, and this program reads schema {SCHEMA}")]
    Schema {
        /// The version of the text.
        found: u64,
    },
    /// A value that cannot be.
    #[error("`{key}` of the request `{id}` is not {expected}")]
    Value {
        /// The request.
        id: String,
        /// Which value.
        key: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

// The fields are in the order of their names, which makes the keys of the text sorted.

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestsText {
    requests: Vec<RequestText>,
    schema: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestText {
    algorithm: String,
    authenticode: String,
    id: String,
    kind: RequestKind,
    path: String,
    /// SHA-256 of the bytes to be signed.
    sha256: String,
    /// The file with these bytes, in the bundle.
    tbs: String,
}

/// The text that lists requests.
pub fn write_requests(requests: &[SigningRequest]) -> String {
    let requests = requests.iter().map(|request| RequestText {
        algorithm: request.kind.algorithm().to_owned(),
        authenticode: request.authenticode.to_string(),
        id: request.id.clone(),
        kind: request.kind,
        path: request.path.clone(),
        sha256: Digest::of(&request.bytes).to_string(),
        tbs: bundle::tbs_name(&request.id).unwrap_or_default().to_owned(),
    });
    let text = RequestsText { requests: requests.collect(), schema: SCHEMA };
    // Plain structures of strings cannot fail to become JSON.
    let mut text = serde_json::to_string_pretty(&text).unwrap_or_default();
    text.push('\n');
    text
}

/// Reads the text. `bytes_of` gives the content of a file of the bundle.
///
/// # Errors
/// [`RequestsError`], also where the bytes of a request are not those that it names.
pub fn parse_requests(
    text: &[u8],
    bytes_of: &dyn Fn(&str) -> Option<Vec<u8>>,
) -> Result<Vec<SigningRequest>, RequestsError> {
    let text: RequestsText = serde_json::from_slice(text).map_err(RequestsError::Json)?;
    if text.schema != SCHEMA {
        return Err(RequestsError::Schema { found: text.schema });
    }
    text.requests.into_iter().map(|request| request.read(bytes_of)).collect()
}

impl RequestText {
    fn read(self, bytes_of: &dyn Fn(&str) -> Option<Vec<u8>>) -> Result<SigningRequest, RequestsError> {
        let id = amiforge_formats::tree::Printable(self.id.as_bytes()).to_string();
        let wrong = |key, expected| RequestsError::Value { id: id.clone(), key, expected };
        if self.algorithm != self.kind.algorithm() {
            return Err(wrong("algorithm", "the one of its kind"));
        }
        let file = bundle::tbs_name(&self.id).filter(|name| *name == self.tbs);
        let file = file.ok_or_else(|| wrong("tbs", "the file of a known id"))?;
        let bytes = bytes_of(file).ok_or_else(|| wrong("tbs", "a file of the bundle"))?;
        if Digest::of(&bytes).to_string() != self.sha256 {
            return Err(wrong("sha256", "that of its file"));
        }
        let authenticode = self.authenticode.parse().map_err(|_| wrong("authenticode", "a SHA-256"))?;
        Ok(SigningRequest { id: self.id, kind: self.kind, bytes, authenticode, path: self.path })
    }
}
