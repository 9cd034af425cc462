//! Implements the traits of `amiforge-publish` with the AWS clients. No other crate depends on an AWS crate.
//!
//! Owns the configuration of credentials, region and endpoint (environment, profiles, SSO, web identity, containers,
//! instances: all by `aws-config`), the HTTP client, and its timeouts. The clients' own retries are off:
//! [`amiforge_publish::retry`] is the only layer that retries.

mod adaptive_timeout;
mod auto_scaling;
mod ca_bundle;
mod credentials;
mod ebs;
mod ec2;
pub mod endpoint;
mod image_use;
mod imports;
mod json;
mod kms;
mod put_block;
pub mod query;
mod response_limit;
mod s3;
mod service_error;
mod ssm;
mod sts;

use std::path::PathBuf;
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ebs::config::{Credentials, RuntimeComponents, SharedAsyncSleep, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use credentials::CachedCredentials;

pub use auto_scaling::{AutoScalingClient, CALLS as AUTO_SCALING_CALLS};
pub use ebs::EbsClient;
pub use ec2::{CALLS as EC2_CALLS, Ec2Client, SnapshotsClient};
pub use image_use::ImageUseClient;
pub use imports::ImportClient;
pub use kms::{CALLS as KMS_CALLS, KmsClient};
pub use s3::{CALLS as S3_CALLS, RestCall, S3Client};
pub use ssm::{CALLS as SSM_CALLS, SsmClient};
pub use sts::{CALLS as STS_CALLS, Caller, StsClient};

/// Maximum number of idle connections per host.
const MAX_IDLE_CONNECTIONS: usize = 256;

/// Maximum idle time of a connection: shorter than that of the services, so that no request uses a closed connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Timeout for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout for a request: several fit into the budget of a step, so that one that hangs costs little.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Region, endpoint and credentials of the clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectOptions {
    /// The region; by default from the environment or the profile.
    pub region: Option<String>,
    /// The profile of the shared configuration files.
    pub profile: Option<String>,
    /// An endpoint for every service, instead of AWS's own.
    pub endpoint: Option<String>,
    /// An access key, instead of the default credentials provider chain.
    pub keys: Option<AccessKeys>,
    /// Initial timeout for a request; 10 s by default.
    pub attempt_timeout: Option<Duration>,
}

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKeys {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

/// Why no clients can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No region is configured.
    #[error("no region is given: neither `--region`, nor AWS_REGION, nor the profile names one")]
    NoRegion,
    /// The file of certificate authorities cannot be used.
    #[error("the certificate authorities of `{}` (AWS_CA_BUNDLE, or `ca_bundle` of the profile): {reason}", path.display())]
    CaBundle {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

/// The configuration that all clients share.
#[derive(Debug, Clone)]
pub struct AwsConfig {
    sdk: SdkConfig,
    region: String,
    /// The connections for blocks.
    block_connector: SharedHttpConnector,
    attempt_timeout: Duration,
}

impl AwsConfig {
    /// Loads the configuration. Credentials are fetched by the first call.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn load(options: &ConnectOptions) -> Result<Self, ConnectError> {
        let attempt_timeout = options.attempt_timeout.unwrap_or(ATTEMPT_TIMEOUT);
        let credentials = CachedCredentials::default();
        // With an access key, neither files nor the environment are read.
        let trust = match options.keys {
            Some(_) => None,
            None => ca_bundle::context(options.profile.as_deref()).await?,
        };
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(attempt_timeout)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            // It would copy every block to measure its rate; requests have a timeout of their own.
            .stalled_stream_protection(aws_sdk_ebs::config::StalledStreamProtectionConfig::disabled())
            // All clients share one cache of credentials, which discards rejected ones.
            .identity_cache(IdentityCache::no_cache())
            .http_client(credentials::invalidating(http_client(options, trust.clone()), credentials.clone()));
        if let Ok(name) = AppName::new(concat!("amiforge-", env!("CARGO_PKG_VERSION"))) {
            loader = loader.app_name(name);
        }
        if let Some(region) = &options.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &options.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(endpoint) = &options.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(keys) = &options.keys {
            let credentials = Credentials::new(&keys.id, &keys.secret, None, None, "given");
            loader = loader.credentials_provider(credentials);
        }
        let sdk = loader.load().await;
        let region = sdk.region().ok_or(ConnectError::NoRegion)?.to_string();
        let sdk = match sdk.credentials_provider() {
            Some(source) => {
                credentials.set_source(source);
                sdk.to_builder()
                    .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
                    .build()
            }
            None => sdk,
        };
        let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
        let block_connector = connector(proxy_use(options), trust, Some(settings), sdk.sleep_impl());
        Ok(Self {
            sdk,
            region,
            block_connector: credentials::invalidating_connector(
                SharedHttpConnector::new(block_connector),
                credentials,
            ),
            attempt_timeout,
        })
    }

    /// The same configuration for another region, with the same connections and credentials.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Self {
        let sdk = self.sdk.to_builder().region(Region::new(region.to_owned())).build();
        Self {
            sdk,
            region: region.to_owned(),
            block_connector: self.block_connector.clone(),
            attempt_timeout: self.attempt_timeout,
        }
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The endpoint that replaces AWS's own, if one is configured.
    pub fn endpoint(&self) -> Option<&str> {
        self.sdk.endpoint_url()
    }

    /// Client of the EBS direct APIs.
    pub fn ebs(&self) -> EbsClient {
        EbsClient::new(&self.sdk, self.block_connector.clone(), self.attempt_timeout)
    }

    /// Client of EC2 for snapshots.
    pub fn snapshots(&self) -> SnapshotsClient {
        SnapshotsClient::new(&self.sdk)
    }

    /// Client of KMS.
    pub fn kms(&self) -> KmsClient {
        KmsClient::new(&self.sdk)
    }

    /// Client of SSM.
    pub fn ssm(&self) -> SsmClient {
        SsmClient::new(&self.sdk)
    }

    /// Client of STS.
    pub fn sts(&self) -> StsClient {
        StsClient::new(&self.sdk)
    }

    /// Client of S3.
    pub fn s3(&self) -> S3Client {
        S3Client::new(&self.sdk)
    }

    /// Client of Auto Scaling.
    pub fn auto_scaling(&self) -> AutoScalingClient {
        AutoScalingClient::new(&self.sdk)
    }

    /// Client of EC2.
    pub fn ec2(&self) -> Ec2Client {
        Ec2Client::new(&self.sdk)
    }
}

/// Whether requests use a proxy.
#[derive(Debug, Clone, Copy)]
enum ProxyUse {
    /// No proxy: the endpoint is on this machine.
    Loopback,
    /// The proxy of the environment, if it names one.
    Network,
}

fn proxy_use(options: &ConnectOptions) -> ProxyUse {
    if options.endpoint.as_deref().is_some_and(is_loopback) { ProxyUse::Loopback } else { ProxyUse::Network }
}

/// An HTTP client with one connection pool for all services.
fn http_client(options: &ConnectOptions, trust: Option<TlsContext>) -> SharedHttpClient {
    let proxy_use = proxy_use(options);
    Builder::new()
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
        .build_with_connector_fn(move |settings, components| {
            connector(
                proxy_use,
                trust.clone(),
                settings.cloned(),
                components.and_then(RuntimeComponents::sleep_impl),
            )
        })
}

fn connector(
    proxy_use: ProxyUse,
    trust: Option<TlsContext>,
    settings: Option<HttpConnectorSettings>,
    sleep: Option<SharedAsyncSleep>,
) -> Connector {
    let mut connector = Connector::builder()
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
        .enable_tcp_nodelay(true)
        .proxy_config(match proxy_use {
            ProxyUse::Loopback => ProxyConfig::disabled(),
            ProxyUse::Network => ProxyConfig::from_env(),
        });
    connector.set_connector_settings(settings);
    connector.set_sleep_impl(sleep);
    let connector = connector.tls_provider(Provider::Rustls(CryptoMode::Ring));
    match trust {
        Some(trust) => connector.tls_context(trust).build(),
        None => connector.build(),
    }
}

/// Whether an endpoint is on this machine.
fn is_loopback(endpoint: &str) -> bool {
    let authority = endpoint.split("://").nth(1).unwrap_or(endpoint).split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_on_this_machine_are_known() {
        for (endpoint, is_local) in [
            ("http://127.0.0.1:5566", true),
            ("http://localhost:80/x", true),
            ("http://[::1]:80", true),
            ("https://ebs.eu-west-1.amazonaws.com", false),
            ("http://10.0.0.1:1", false),
        ] {
            assert_eq!(is_loopback(endpoint), is_local, "{endpoint}");
        }
    }
}
