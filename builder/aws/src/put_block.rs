//! `PutSnapshotBlock` with a signature of our own.
//!
//! The call is made once for every half MiB, and the generated client spends more on one than signing, sending and
//! hearing the answer cost together (about 120 µs of a processor). So this file does by hand what that client does for
//! this one operation: endpoint by the client's own rules, credentials from the same provider, Signature Version 4 by
//! `aws-sigv4`, transport by the same connector. Everything that is rare stays with the client.
//!
//! EBS direct API reference, `PutSnapshotBlock`: `PUT /snapshots/{snapshotId}/blocks/{blockIndex}`; the payload is not
//! part of the signature, because the service checks its digest.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use amiforge_publish::api::PutBlock;
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sdk_ebs::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningInstructions, SigningSettings, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::date_time::Format;
use aws_smithy_types::error::ErrorMetadata;
use tokio::sync::Mutex;

use super::endpoint::configured_endpoint;
use super::service_error::{body_error, connector_error, error_chain, from_response};

/// How far this machine's clock may be off without a correction, in seconds: a service allows five minutes.
const MAX_CLOCK_SKEW: i64 = 60;

/// What the payload is called in the signature.
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// Who we are, for the service's logs.
const USER_AGENT: &str = concat!("amiforge/", env!("CARGO_PKG_VERSION"));

/// Sends blocks.
#[derive(Debug)]
pub(super) struct BlockSender {
    sdk: SdkConfig,
    connector: SharedHttpConnector,
    /// Scheme and authority, such as `https://ebs.eu-west-1.amazonaws.com`, when known.
    endpoint: Mutex<Option<String>>,
    /// What is added to this machine's clock to have the service's, in seconds.
    offset: AtomicI64,
}

impl BlockSender {
    pub(super) fn new(sdk: &SdkConfig, connector: SharedHttpConnector) -> Self {
        Self { sdk: sdk.clone(), connector, endpoint: Mutex::default(), offset: AtomicI64::new(0) }
    }

    /// Writes one block; its digest is sent in base64.
    pub(super) async fn put(&self, snapshot: &str, put: PutBlock, digest: &str) -> Result<(), ServiceError> {
        let request = self.request(snapshot, put, digest).await?;
        let response = self.send(request).await?;
        if response.status().is_success() {
            return check_response(&response, digest);
        }
        let error = from_response(&ErrorMetadata::builder().build(), &response);
        if error.kind == ServiceErrorKind::Signature {
            self.correct_clock(&response);
        }
        Err(error)
    }

    /// Learns from the date of a refusal how far this machine's clock is off; the generated clients do the same.
    fn correct_clock(&self, response: &HttpResponse) {
        let date =
            response.headers().get("date").and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64);
        if let Some(date) = date {
            let skew = date.secs() - now;
            self.offset.store(if skew.abs() > MAX_CLOCK_SKEW { skew } else { 0 }, Ordering::Relaxed);
        }
    }

    /// The time by the service's clock, as far as it is known.
    fn now(&self) -> SystemTime {
        let (now, offset) = (SystemTime::now(), self.offset.load(Ordering::Relaxed));
        let by = Duration::from_secs(offset.unsigned_abs());
        let shifted = if offset < 0 { now.checked_sub(by) } else { now.checked_add(by) };
        shifted.unwrap_or(now)
    }

    /// The answer with its body, which is read to its end so that the connection serves the next request.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ServiceError> {
        let mut response = self.connector.call(request).await.map_err(|error| connector_error(&error))?;
        let body = ByteStream::new(response.take_body()).collect().await;
        let body = body.map_err(|error| body_error("the answer broke off", &error))?;
        *response.body_mut() = SdkBody::from(body.into_bytes());
        Ok(response)
    }

    async fn request(
        &self,
        snapshot: &str,
        put: PutBlock,
        digest: &str,
    ) -> Result<HttpRequest, ServiceError> {
        let refused =
            |error: &dyn std::fmt::Display| ServiceError::local(ServiceErrorKind::Refused, error.to_string());
        let length = put.bytes.len().to_string();
        let uri = format!("{}/snapshots/{snapshot}/blocks/{}", self.endpoint().await?, put.index);
        let headers = [
            ("x-amz-checksum", digest),
            ("x-amz-checksum-algorithm", "SHA256"),
            ("x-amz-data-length", &length),
        ];
        let signature = self.signature(&uri, &headers).await?;
        let mut request = HttpRequest::new(SdkBody::from(put.bytes));
        request.set_method("PUT").map_err(|error| refused(&error))?;
        request.set_uri(uri).map_err(|error| refused(&error))?;
        let (signed, _) = signature.into_parts();
        let plain = [("content-type", "application/octet-stream"), ("content-length", &length)];
        for (name, value) in headers.into_iter().chain(plain).chain([("user-agent", USER_AGENT)]) {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        for header in signed {
            request.headers_mut().insert(header.name(), header.value().to_owned());
        }
        Ok(request)
    }

    async fn signature(
        &self,
        uri: &str,
        headers: &[(&str, &str)],
    ) -> Result<SigningInstructions, ServiceError> {
        let refused = |message: String| ServiceError::local(ServiceErrorKind::Refused, message);
        let identity = Identity::from(self.credentials().await?);
        let region = self.sdk.region().map(ToString::to_string).unwrap_or_default();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&region)
            .name("ebs")
            .time(self.now())
            .settings(settings)
            .build()
            .map_err(|error| refused(error.to_string()))?;
        let body = SignableBody::Precomputed(UNSIGNED_PAYLOAD.to_owned());
        let request = SignableRequest::new("PUT", uri, headers.iter().copied(), body);
        let request = request.map_err(|error| refused(error_chain(&error)))?;
        let signed = sign(request, &params.into()).map_err(|error| refused(error_chain(&error)))?;
        Ok(signed.into_parts().0)
    }

    async fn credentials(&self) -> Result<Credentials, ServiceError> {
        let missing = |message: String| ServiceError::local(ServiceErrorKind::NoCredentials, message);
        let provider = self.sdk.credentials_provider();
        let provider = provider.ok_or_else(|| missing("no credentials are configured".to_owned()))?;
        provider.provide_credentials().await.map_err(|error| missing(error_chain(&error)))
    }

    /// Where the service is, by the rules that the client itself follows.
    async fn endpoint(&self) -> Result<String, ServiceError> {
        let mut known = self.endpoint.lock().await;
        if let Some(url) = known.as_ref() {
            return Ok(url.clone());
        }
        let unresolved = |message: String| ServiceError::local(ServiceErrorKind::Refused, message);
        let params = Params::builder()
            .set_region(self.sdk.region().map(ToString::to_string))
            .set_use_fips(self.sdk.use_fips())
            .set_use_dual_stack(self.sdk.use_dual_stack())
            .set_endpoint(configured_endpoint(&self.sdk, "EBS"))
            .build()
            .map_err(|error| unresolved(error_chain(&error)))?;
        let resolved = DefaultResolver::new().resolve_endpoint(&params).await;
        let resolved = resolved.map_err(|error| unresolved(error_chain(error.as_ref())))?;
        let url = resolved.url().trim_end_matches('/').to_owned();
        *known = Some(url.clone());
        Ok(url)
    }
}

/// Whether the service has taken a block: its answer states the checksum of what it has. A page of whatever stands
/// before the service is a success as well, and of nothing that was sent.
fn check_response(response: &HttpResponse, digest: &str) -> Result<(), ServiceError> {
    let (kind, message) = match response.headers().get("x-amz-checksum") {
        Some(stated) if stated == digest => return Ok(()),
        Some(stated) => (
            ServiceErrorKind::Checksum,
            format!("the service has a block of SHA-256 {stated}, and {digest} was sent"),
        ),
        None => {
            (ServiceErrorKind::Unreadable, "the answer does not state the checksum of the block".to_owned())
        }
    };
    Err(ServiceError { status: Some(response.status().as_u16()), ..ServiceError::local(kind, message) })
}
