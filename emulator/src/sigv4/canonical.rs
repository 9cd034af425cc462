//! The canonical form of a request, which is signed instead of its bytes on the wire.

use std::fmt::Write as _;

use http::request::Parts;

use super::claim::SignatureClaim;
use super::query_string::{decode, pairs};

/// The canonical request: method, path, query, headers, header names and payload hash.
pub(super) fn request(claim: &SignatureClaim, parts: &Parts, payload: &str) -> String {
    let mut text = format!(
        "{}\n{}\n{}\n",
        parts.method,
        path(parts.uri.path(), &claim.service),
        query(parts.uri.query().unwrap_or_default()),
    );
    for name in &claim.signed_headers {
        let values: Vec<_> = parts
            .headers
            .get_all(name)
            .iter()
            .map(|value| single_spaced(&String::from_utf8_lossy(value.as_bytes())))
            .collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}:{}", values.join(","));
    }
    let _ = write!(text, "\n{}\n{payload}", claim.signed_headers.join(";"));
    text
}

/// S3 signs the path as sent; every other service encodes it once more.
fn path(raw: &str, service: &str) -> String {
    if service == "s3" {
        encode(&decode(raw), Slash::Verbatim)
    } else {
        encode(raw.as_bytes(), Slash::Verbatim)
    }
}

/// The canonical query: sorted, without the signature of a presigned URL.
fn query(raw: &str) -> String {
    let mut encoded: Vec<_> = pairs(raw)
        .into_iter()
        .filter(|(key, _)| !key.eq_ignore_ascii_case("X-Amz-Signature"))
        .map(|(key, value)| (encode(&decode(key), Slash::Encoded), encode(&decode(value), Slash::Encoded)))
        .collect();
    encoded.sort();
    let joined: Vec<_> = encoded.iter().map(|(key, value)| format!("{key}={value}")).collect();
    joined.join("&")
}

/// Whether slashes are encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slash {
    Verbatim,
    Encoded,
}

/// Encodes everything but the unreserved characters of RFC 3986 as `%XX`.
fn encode(bytes: &[u8], slash: Slash) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if plain || (byte == b'/' && slash == Slash::Verbatim) {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Trims a header value and replaces runs of spaces by single ones.
fn single_spaced(value: &str) -> String {
    let parts: Vec<_> = value.split(' ').filter(|part| !part.is_empty()).collect();
    parts.join(" ").trim().to_owned()
}
