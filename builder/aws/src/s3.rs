//! The calls of S3 in use: `HeadBucket` and `HeadObject`, to find the region of a bucket and a stored image. S3
//! 2006-03-01, path-style addresses, which every region and every bucket name accept.

use std::fmt::Write as _;

use amiforge_lifecycle::api::storage::ObjectCalls;
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use aws_config::SdkConfig;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;

use super::query::{Client, Protocol, QueryService};

/// Signing name and endpoint id. The query protocol is not used: calls are REST.
const S3: QueryService =
    QueryService { id: "S3", name: "s3", version: "2006-03-01", protocol: Protocol::Query };

/// Client of S3 in a region.
#[derive(Debug, Clone)]
pub struct S3Client {
    client: Client,
    region: String,
}

/// The headers of a response, as far as they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Head {
    status: u16,
    region: Option<String>,
    length: Option<u64>,
    request_id: Option<String>,
}

impl S3Client {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        let region = sdk.region().map(ToString::to_string).unwrap_or_default();
        Self { client: Client::new(sdk, &S3), region }
    }

    async fn head(&self, call: &'static str, path: String) -> Result<Head, ServiceError> {
        let operation = self.client.operation("S3", call)?.serializer(request).deserializer(response).build();
        operation.invoke(path).await.map_err(|error| match error {
            aws_smithy_runtime_api::client::result::SdkError::ServiceError(failure) => failure.into_err(),
            error => super::service_error::without_response(&error),
        })
    }
}

impl ObjectCalls for S3Client {
    async fn bucket_region(&self, bucket: &str) -> Result<String, ServiceError> {
        let head = self.head("HeadBucket", format!("/{}", encoded(bucket))).await?;
        match (head.status, head.region) {
            // A redirection names the region of the bucket.
            (200 | 301, Some(region)) => Ok(region),
            (200, None) => Ok(self.region.clone()),
            (status, region) => {
                let head = Head { status, region, length: head.length, request_id: head.request_id };
                Err(refusal(&head, &format!("the bucket `{bucket}`")))
            }
        }
    }

    async fn object_size(&self, bucket: &str, key: &str) -> Result<Option<u64>, ServiceError> {
        let head = self.head("HeadObject", format!("/{}/{}", encoded(bucket), encoded(key))).await?;
        match head.status {
            200 => Ok(Some(head.length.unwrap_or(0))),
            404 => Ok(None),
            _ => Err(refusal(&head, &format!("the object `{key}` of the bucket `{bucket}`"))),
        }
    }
}

/// A response to HEAD has no body, so neither a code nor a message.
fn refusal(head: &Head, what: &str) -> ServiceError {
    let message = match head.status {
        403 => format!("{what} may not be read by this caller, or is of another account"),
        404 => format!("{what} does not exist"),
        status => format!("S3 answers with status {status} for {what}"),
    };
    ServiceError {
        status: Some(head.status),
        request_id: head.request_id.clone(),
        ..ServiceError::local(kind(head.status), message)
    }
}

fn kind(status: u16) -> ServiceErrorKind {
    match status {
        301 | 307 | 400 => ServiceErrorKind::Refused,
        // S3 throttles with 503 and the code `SlowDown`, which HEAD does not show.
        503 => ServiceErrorKind::Throttled,
        status => ServiceError::classify(status, None, "", None),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of a serializer")]
fn request(path: String) -> Result<HttpRequest, BoxError> {
    let mut request = HttpRequest::new(SdkBody::empty());
    request.set_method("HEAD")?;
    request.set_uri(path.as_str())?;
    Ok(request)
}

fn response(response: &HttpResponse) -> Result<Head, OrchestratorError<ServiceError>> {
    let header = |name| response.headers().get(name).map(str::to_owned);
    let head = Head {
        status: response.status().as_u16(),
        region: header("x-amz-bucket-region"),
        length: header("content-length").and_then(|length| length.parse().ok()),
        request_id: header("x-amz-request-id"),
    };
    match head.status {
        // What these mean depends on the call.
        200 | 301 | 403 | 404 => Ok(head),
        _ => Err(OrchestratorError::operation(refusal(&head, "the request"))),
    }
}

/// Percent-encodes everything but unreserved characters and slashes, as the signature of S3 demands.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
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
    use super::*;

    #[test]
    fn keys_are_encoded_as_they_are_signed() {
        assert_eq!(encoded("a b/ü+?.bin"), "a%20b/%C3%BC%2B%3F.bin");
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
}
