//! `PutSnapshotBlock` with a signature of our own.
//!
//! The call is made once for every half MiB, and the generated client spends more on one than signing, sending and
//! hearing the answer cost together (about 120 µs of a processor). So this file does by hand what that client does for
//! this one operation: endpoint by the client's own rules, credentials from the same provider, Signature Version 4 by
//! `aws-sigv4`, transport by the same connector. Everything that is rare stays with the client.
//!
//! EBS direct API reference, `PutSnapshotBlock`: `PUT /snapshots/{snapshotId}/blocks/{blockIndex}`; the payload is not
//! part of the signature, because the service checks its digest.

use std::time::{Duration, SystemTime};

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
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::error::ErrorMetadata;
use tokio::sync::Mutex;

use super::ATTEMPT;
use super::endpoint::given;
use super::fault::{answered, causes, connection};
use crate::publish::api::Put;
use crate::publish::fault::{Fault, FaultKind};

/// Credentials are asked for anew when they end within this time.
const AHEAD: Duration = Duration::from_mins(5);

/// What the payload is called in the signature.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Who we are, for the service's logs.
const AGENT: &str = concat!("amiforge/", env!("CARGO_PKG_VERSION"));

/// Sends blocks.
#[derive(Debug)]
pub(super) struct Blocks {
    sdk: SdkConfig,
    connector: SharedHttpConnector,
    /// Scheme and authority, such as `https://ebs.eu-west-1.amazonaws.com`, when known.
    endpoint: Mutex<Option<String>>,
    /// Credentials that were good a moment ago.
    held: Mutex<Option<Credentials>>,
}

impl Blocks {
    pub(super) fn new(sdk: &SdkConfig, connector: SharedHttpConnector) -> Self {
        Self { sdk: sdk.clone(), connector, endpoint: Mutex::default(), held: Mutex::default() }
    }

    /// Writes one block; its digest is sent in base64.
    pub(super) async fn put(&self, snapshot: &str, put: Put, digest: &str) -> Result<(), Fault> {
        let request = self.request(snapshot, put, digest).await?;
        let answer = match tokio::time::timeout(ATTEMPT, self.exchange(request)).await {
            Ok(answer) => answer?,
            Err(_) => return Err(Fault::own(FaultKind::TimedOut, "no answer in time")),
        };
        if answer.status().is_success() {
            return Ok(());
        }
        let fault = answered(&ErrorMetadata::builder().build(), &answer);
        if matches!(fault.kind, FaultKind::Signature | FaultKind::Denied) {
            // They may have been exchanged since; the next attempt asks for them again.
            *self.held.lock().await = None;
        }
        Err(fault)
    }

    /// The answer with its body, which is read to its end so that the connection serves the next request.
    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, Fault> {
        let mut answer = self.connector.call(request).await.map_err(|error| connection(&error))?;
        let broken = |error| Fault::own(FaultKind::Transport, format!("the answer broke off: {error}"));
        let body = ByteStream::new(answer.take_body()).collect().await.map_err(broken)?;
        *answer.body_mut() = SdkBody::from(body.into_bytes());
        Ok(answer)
    }

    async fn request(&self, snapshot: &str, put: Put, digest: &str) -> Result<HttpRequest, Fault> {
        let unusable = |error: &dyn std::fmt::Display| Fault::own(FaultKind::Refused, error.to_string());
        let length = put.bytes.len().to_string();
        let uri = format!("{}/snapshots/{snapshot}/blocks/{}", self.endpoint().await?, put.index);
        let headers = [
            ("x-amz-checksum", digest),
            ("x-amz-checksum-algorithm", "SHA256"),
            ("x-amz-data-length", &length),
        ];
        let signature = self.signature(&uri, &headers).await?;
        let mut request = HttpRequest::new(SdkBody::from(put.bytes));
        request.set_method("PUT").map_err(|error| unusable(&error))?;
        request.set_uri(uri).map_err(|error| unusable(&error))?;
        let (signed, _) = signature.into_parts();
        let plain = [("content-type", "application/octet-stream"), ("content-length", &length)];
        for (name, value) in headers.into_iter().chain(plain).chain([("user-agent", AGENT)]) {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        for header in signed {
            request.headers_mut().insert(header.name(), header.value().to_owned());
        }
        Ok(request)
    }

    async fn signature(&self, uri: &str, headers: &[(&str, &str)]) -> Result<SigningInstructions, Fault> {
        let unusable = |words: String| Fault::own(FaultKind::Refused, words);
        let identity = Identity::from(self.credentials().await?);
        let region = self.sdk.region().map(ToString::to_string).unwrap_or_default();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&region)
            .name("ebs")
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        let body = SignableBody::Precomputed(UNSIGNED.to_owned());
        let request = SignableRequest::new("PUT", uri, headers.iter().copied(), body);
        let request = request.map_err(|error| unusable(causes(&error)))?;
        let signed = sign(request, &params.into()).map_err(|error| unusable(causes(&error)))?;
        Ok(signed.into_parts().0)
    }

    /// Credentials that hold for a while yet.
    async fn credentials(&self) -> Result<Credentials, Fault> {
        let missing = |words: String| Fault::own(FaultKind::NoCredentials, words);
        let mut held = self.held.lock().await;
        let soon = SystemTime::now() + AHEAD;
        if let Some(credentials) = held.as_ref().filter(|held| held.expiry().is_none_or(|end| end > soon)) {
            return Ok(credentials.clone());
        }
        let provider = self.sdk.credentials_provider();
        let provider = provider.ok_or_else(|| missing("no credentials are configured".to_owned()))?;
        let found = provider.provide_credentials().await.map_err(|error| missing(causes(&error)))?;
        *held = Some(found.clone());
        Ok(found)
    }

    /// Where the service is, by the rules that the client itself follows.
    async fn endpoint(&self) -> Result<String, Fault> {
        let mut known = self.endpoint.lock().await;
        if let Some(url) = known.as_ref() {
            return Ok(url.clone());
        }
        let nowhere = |words: String| Fault::own(FaultKind::Refused, words);
        let params = Params::builder()
            .set_region(self.sdk.region().map(ToString::to_string))
            .set_use_fips(self.sdk.use_fips())
            .set_use_dual_stack(self.sdk.use_dual_stack())
            .set_endpoint(given(&self.sdk, "EBS"))
            .build()
            .map_err(|error| nowhere(causes(&error)))?;
        let found = DefaultResolver::new().resolve_endpoint(&params).await;
        let found = found.map_err(|error| nowhere(causes(error.as_ref())))?;
        let url = found.url().trim_end_matches('/').to_owned();
        *known = Some(url.clone());
        Ok(url)
    }
}
