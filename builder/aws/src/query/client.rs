//! Calls through AWS's runtime.
//!
//! The components are those of a generated client, in its order: the configuration of `aws-config`, Signature Version
//! 4, the interceptors of `aws-runtime`. The runtime's own retries are off, see [`super::super`].

use amiforge_publish::pages::Pages;
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use aws_config::SdkConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_runtime::invocation_id::InvocationIdInterceptor;
use aws_runtime::recursion_detection::RecursionDetectionInterceptor;
use aws_runtime::request_info::RequestInfoInterceptor;
use aws_runtime::service_clock_skew::ServiceClockSkewInterceptor;
use aws_runtime::user_agent::{ApiMetadata, UserAgentInterceptor};
use aws_smithy_runtime::client::orchestrator::operation::{Operation as SmithyOperation, OperationBuilder};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{AuthSchemeOptionResolverParams, SharedAuthScheme};
use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::{SharedRuntimePlugin, StaticRuntimePlugin};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{FrozenLayer, Layer};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use serde::de::DeserializeOwned;

use super::super::endpoint::{self, EndpointError};
use super::super::response_limit::response_limit;
use super::super::service_error::without_response;
use super::form::encode;
use super::{Operation, Paged, QueryService, xml};

/// A client of one service in one region.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    sdk: SdkConfig,
    endpoint: Result<String, EndpointError>,
    /// Plugin of all calls. Shared, because it stores the clock skew.
    shared_plugin: SharedRuntimePlugin,
}

impl Client {
    /// The client of a service. Without a valid endpoint every call fails.
    pub(crate) fn new(sdk: &SdkConfig, service: &QueryService) -> Self {
        let shared_plugin = StaticRuntimePlugin::new()
            .with_config(config_layer(sdk, service))
            .with_runtime_components(runtime_components(sdk));
        Self {
            sdk: sdk.clone(),
            endpoint: endpoint::for_config(sdk, service.id, service.name),
            shared_plugin: SharedRuntimePlugin::new(shared_plugin),
        }
    }

    /// Makes a call once.
    pub(crate) async fn call<O: Operation>(&self, operation: &O) -> Result<O::Output, ServiceError> {
        let body_text = RequestBody { body: encode(O::SERVICE, O::NAME, operation), target: None };
        let body = self.send(O::SERVICE.id, O::NAME, body_text).await?;
        xml::decode(&body, O::NAME, O::SERVICE.protocol).map_err(|error| {
            ServiceError::local(
                ServiceErrorKind::Unreadable,
                format!("the answer of {} cannot be read: {error}", O::NAME),
            )
        })
    }

    /// Makes a call for each page, and returns all items.
    pub(crate) async fn call_pages<O: Paged>(&self, mut operation: O) -> Result<Vec<O::Item>, ServiceError> {
        let (mut all, mut pages) = (Vec::new(), Pages::default());
        loop {
            let (items, next) = O::into_items(self.call(&operation).await?);
            pages.record(items.len(), next.as_deref()).map_err(|problem| {
                let message = format!("the answer of {} cannot be read: {problem}", O::NAME);
                ServiceError::local(ServiceErrorKind::Unreadable, message)
            })?;
            all.extend(items);
            let Some(next) = next else { return Ok(all) };
            operation.set_token(next);
        }
    }

    /// Makes a call of a service with AWS JSON 1.1 once; `target` is the value of `X-Amz-Target`.
    pub(crate) async fn call_json<A: DeserializeOwned>(
        &self,
        service: &'static str,
        call: &'static str,
        target: &'static str,
        input: &serde_json::Value,
    ) -> Result<A, ServiceError> {
        let body_text = RequestBody { body: input.to_string(), target: Some(target) };
        let body = self.send(service, call, body_text).await?;
        serde_json::from_slice(&body).map_err(|error| {
            ServiceError::local(
                ServiceErrorKind::Unreadable,
                format!("the answer of {call} cannot be read: {error}"),
            )
        })
    }

    /// Sends a request and returns the body of the response. Not generic, so that it is compiled once.
    async fn send(
        &self,
        service: &'static str,
        call: &'static str,
        body_text: RequestBody,
    ) -> Result<Vec<u8>, ServiceError> {
        let operation = self.operation(service, call)?.serializer(request).deserializer(response).build();
        operation.invoke(body_text).await.map_err(|error| match error {
            SdkError::ServiceError(failure) => failure.into_err(),
            error => without_response(&error),
        })
    }

    /// A call without its serializer and deserializer.
    pub(crate) fn operation(
        &self,
        service: &'static str,
        call: &'static str,
    ) -> Result<OperationBuilder, ServiceError> {
        let local_error = |message: String| ServiceError::local(ServiceErrorKind::Refused, message);
        let endpoint = self.endpoint.as_ref().map_err(|error| local_error(error.to_string()))?;
        let client =
            self.sdk.http_client().ok_or_else(|| local_error("there is no HTTP client".to_owned()))?;
        let timeouts = self.sdk.timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled);
        let mut operation = SmithyOperation::builder()
            .service_name(service)
            .operation_name(call)
            .endpoint_url(endpoint)
            .http_client(client)
            .no_retry()
            .timeout_config(timeouts)
            .with_connection_poisoning()
            .runtime_plugin(self.shared_plugin.clone());
        if let Some(version) = self.sdk.behavior_version() {
            operation = operation.behavior_version(version);
        }
        if let Some(sleep) = self.sdk.sleep_impl() {
            operation = operation.sleep_impl(sleep);
        }
        if let Some(time) = self.sdk.time_source() {
            operation = operation.time_source(time);
        }
        if let Some(protection) = self.sdk.stalled_stream_protection() {
            operation = operation.stalled_stream_protection(protection);
        }
        Ok(operation)
    }
}

fn config_layer(sdk: &SdkConfig, service: &QueryService) -> FrozenLayer {
    let mut layer = Layer::new("query");
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    layer.store_put(SigV4OperationSigningConfig {
        signing_options: signing_options(service),
        ..Default::default()
    });
    layer.store_put(SigningName::from_static(service.name));
    layer.store_put(ApiMetadata::new(service.name, env!("CARGO_PKG_VERSION")));
    if let Some(region) = sdk.region() {
        layer.store_put(region.clone());
        layer.store_put(SigningRegion::from(region.clone()));
    }
    if let Some(name) = sdk.app_name() {
        layer.store_put(name.clone());
    }
    layer.freeze()
}

/// S3 signs the path as it is sent, and the digest of the body in a header.
fn signing_options(service: &QueryService) -> SigningOptions {
    let mut options = SigningOptions::default();
    if service.name == "s3" {
        options.double_uri_encode = false;
        options.content_sha256_header = true;
        options.normalize_uri_path = false;
    }
    options
}

fn runtime_components(sdk: &SdkConfig) -> RuntimeComponentsBuilder {
    let mut runtime_components = RuntimeComponentsBuilder::new("query");
    runtime_components
        .set_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID])));
    runtime_components.push_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()));
    if let Some(credentials) = sdk.credentials_provider() {
        runtime_components.set_identity_resolver(SCHEME_ID, credentials);
    }
    if let Some(cache) = sdk.identity_cache() {
        runtime_components.set_identity_cache(Some(cache));
    }
    runtime_components.push_interceptor(ServiceClockSkewInterceptor::new());
    runtime_components.push_interceptor(RequestInfoInterceptor::new());
    runtime_components.push_interceptor(UserAgentInterceptor::new());
    runtime_components.push_interceptor(InvocationIdInterceptor::new());
    runtime_components.push_interceptor(SharedInterceptor::permanent(RecursionDetectionInterceptor::new()));
    runtime_components.push_interceptor(SharedInterceptor::permanent(response_limit()));
    runtime_components
}

/// The parts of a request that differ between calls.
#[derive(Debug)]
struct RequestBody {
    /// A form, or JSON.
    body: String,
    /// Value of `X-Amz-Target`, for JSON.
    target: Option<&'static str>,
}

/// Builds the request.
fn request(body_text: RequestBody) -> Result<HttpRequest, BoxError> {
    let length = body_text.body.len().to_string();
    let mut request = HttpRequest::new(SdkBody::from(body_text.body));
    request.set_method("POST")?;
    request.set_uri("/")?;
    let kind = match body_text.target {
        Some(target) => {
            request.headers_mut().insert("x-amz-target", target);
            "application/x-amz-json-1.1"
        }
        None => "application/x-www-form-urlencoded",
    };
    request.headers_mut().insert("content-type", kind);
    request.headers_mut().insert("content-length", length);
    Ok(request)
}

/// The body of a successful response, or its error.
fn response(response: &HttpResponse) -> Result<Vec<u8>, OrchestratorError<ServiceError>> {
    let body = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        return Ok(body.to_vec());
    }
    let status = response.status().as_u16();
    let is_json = response.headers().get("content-type").is_some_and(|kind| kind.contains("json"));
    let refusal = if is_json { json_refusal(body) } else { xml::refusal(body) };
    let message = refusal.message.unwrap_or_default();
    let header = |name| response.headers().get(name).map(str::to_owned);
    Err(OrchestratorError::operation(ServiceError {
        kind: ServiceError::classify(status, refusal.code.as_deref(), &message, None),
        code: refusal.code,
        message,
        reason: None,
        status: Some(status),
        request_id: refusal
            .request_id
            .or_else(|| header("x-amzn-requestid"))
            .or_else(|| header("x-amz-request-id")),
    }))
}

/// The error in a JSON body: its type without namespace, and its message.
fn json_refusal(body: &[u8]) -> xml::RefusalBody {
    let text = |value: &serde_json::Value, names: [&str; 2]| {
        names.iter().find_map(|name| value.get(name)?.as_str().map(str::to_owned))
    };
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let code = text(&value, ["__type", "code"]);
    xml::RefusalBody {
        code: code.map(|code| code.rsplit('#').next().unwrap_or_default().to_owned()),
        message: text(&value, ["message", "Message"]),
        request_id: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_in_json_is_its_type_without_namespace_and_its_message() {
        let refusal = json_refusal(br#"{"__type": "com.amazonaws.kms#NotFoundException", "Message": "no"}"#);
        assert_eq!(
            (refusal.code.as_deref(), refusal.message.as_deref()),
            (Some("NotFoundException"), Some("no"))
        );
        assert_eq!(json_refusal(b"<html>").code, None);
    }
}
