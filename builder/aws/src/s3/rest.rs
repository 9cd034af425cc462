//! Requests and responses of S3: addresses, headers and bodies, through the runtime that all services share.

use std::fmt::Write as _;
use std::time::Duration;

use amiforge_publish::api::imports::ObjectName;
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::timeout::TimeoutConfig;
use bytes::Bytes;

use super::super::query::Client;
use super::super::service_error::without_response;
use super::calls::RestCall;

/// Timeout of a request without its body, and of a document: S3 joins the parts of a large object for minutes.
const TIMEOUT: Duration = Duration::from_secs(10);
const COMPLETE_TIMEOUT: Duration = Duration::from_mins(5);
/// Least rate at which a body is sent, in bytes per second: a slower line is taken for one that hangs.
const LEAST_RATE: u64 = 128 << 10;

/// A request.
#[derive(Debug)]
pub(super) struct RestRequest {
    call: &'static RestCall,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

/// A response.
#[derive(Debug)]
pub(super) struct RestResponse {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl RestRequest {
    /// A request for an object.
    pub(super) fn of(call: &'static RestCall, object: &ObjectName) -> Self {
        Self::at(call, format!("/{}/{}", encoded(&object.bucket, ""), encoded(&object.key, "/")))
    }

    /// A request for a bucket.
    pub(super) fn of_bucket(call: &'static RestCall, bucket: &str) -> Self {
        Self::at(call, format!("/{}", encoded(bucket, "")))
    }

    fn at(call: &'static RestCall, path: String) -> Self {
        Self { call, path, query: Vec::new(), headers: Vec::new(), body: Bytes::new() }
    }

    /// Adds a query parameter.
    pub(super) fn query(mut self, name: &'static str, value: &str) -> Self {
        debug_assert!(self.call.query.contains(&name), "{name} is not in the table of calls");
        self.query.push((name, value.to_owned()));
        self
    }

    /// Adds a header.
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        debug_assert!(self.call.headers.contains(&name), "{name} is not in the table of calls");
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Sets the body.
    pub(super) fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }

    /// Path and query.
    fn uri(&self) -> String {
        let mut uri = self.path.clone();
        let mut separator = '?';
        if let Some((_, selector)) = self.call.uri.split_once('?') {
            uri.push(separator);
            uri.push_str(selector);
            separator = '&';
        }
        for (name, value) in &self.query {
            // Writing to a String cannot fail.
            let _ = write!(uri, "{separator}{name}={}", encoded(value, ""));
            separator = '&';
        }
        uri
    }

    fn timeout(&self) -> Duration {
        match self.call.name {
            "CompleteMultipartUpload" => COMPLETE_TIMEOUT,
            _ => TIMEOUT + Duration::from_secs(self.body.len() as u64 / LEAST_RATE),
        }
    }
}

impl RestResponse {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// Sends a request once. A response of any status is a success.
pub(super) async fn send(client: &Client, request: RestRequest) -> Result<RestResponse, ServiceError> {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(request.timeout()).build();
    let operation = client
        .operation("S3", request.call.name)?
        .timeout_config(timeouts)
        .serializer(serialize)
        .deserializer(deserialize)
        .build();
    operation.invoke(request).await.map_err(|error| match error {
        SdkError::ServiceError(failure) => failure.into_err(),
        error => without_response(&error),
    })
}

fn serialize(request: RestRequest) -> Result<HttpRequest, BoxError> {
    let (uri, length) = (request.uri(), request.body.len());
    let mut http = HttpRequest::new(SdkBody::from(request.body));
    http.set_method(request.call.method)?;
    http.set_uri(uri.as_str())?;
    for (name, value) in request.headers {
        http.headers_mut().insert(name, value);
    }
    if matches!(request.call.method, "PUT" | "POST") {
        http.headers_mut().insert("content-length", length.to_string());
    }
    Ok(http)
}

#[expect(clippy::unnecessary_wraps, reason = "the operation takes a function that may fail")]
fn deserialize(response: &HttpResponse) -> Result<RestResponse, OrchestratorError<ServiceError>> {
    Ok(RestResponse {
        status: response.status().as_u16(),
        headers: response.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body: response.body().bytes().unwrap_or_default().to_vec(),
    })
}

/// The class of an error without a code.
pub(super) fn kind(status: u16) -> ServiceErrorKind {
    match status {
        301 | 307 | 400 => ServiceErrorKind::Refused,
        // S3 throttles with 503 and the code `SlowDown`, which HEAD does not show.
        503 => ServiceErrorKind::Throttled,
        status => ServiceError::classify(status, None, "", None),
    }
}

/// Percent-encodes everything but unreserved characters and those of `also`, as the signature of S3 demands.
fn encoded(text: &str, also: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.as_bytes().contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::super::calls;
    use super::*;

    #[test]
    fn keys_are_encoded_as_they_are_signed() {
        assert_eq!(encoded("a b/ü+?.bin", "/"), "a%20b/%C3%BC%2B%3F.bin");
        let object = ObjectName { bucket: "b".to_owned(), key: "a/ü".to_owned() };
        let request = RestRequest::of(&calls::UPLOAD_PART, &object)
            .query("partNumber", "7")
            .query("uploadId", "a/b+c=");
        assert_eq!(request.uri(), "/b/a/%C3%BC?partNumber=7&uploadId=a%2Fb%2Bc%3D");
        assert_eq!(RestRequest::of(&calls::CREATE_UPLOAD, &object).uri(), "/b/a/%C3%BC?uploads");
        let listed = RestRequest::of_bucket(&calls::LIST_UPLOADS, "b").query("prefix", "x");
        assert_eq!(listed.uri(), "/b?uploads&prefix=x");
    }

    #[test]
    fn statuses_are_classified() {
        for (status, expected) in [
            (301, ServiceErrorKind::Refused),
            (403, ServiceErrorKind::Denied),
            (404, ServiceErrorKind::NotFound),
            (500, ServiceErrorKind::Service),
            (503, ServiceErrorKind::Throttled),
        ] {
            assert_eq!(kind(status), expected, "{status}");
        }
    }

    #[test]
    fn a_part_has_time_for_a_slow_line() {
        let object = ObjectName { bucket: "b".to_owned(), key: "k".to_owned() };
        let part = RestRequest::of(&calls::UPLOAD_PART, &object).body(vec![0; 8 << 20].into());
        assert_eq!(part.timeout(), Duration::from_secs(74));
        assert_eq!(RestRequest::of(&calls::HEAD_OBJECT, &object).timeout(), TIMEOUT);
    }
}
