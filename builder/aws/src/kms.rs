//! The one call of KMS that is needed: which key an alias stands for. `kms` 2014-11-01, AWS JSON 1.1.

use amiforge_publish::api::{KeyRegions, Keys, KmsKey};
use amiforge_publish::service_error::ServiceError;
use aws_config::SdkConfig;
use serde::Deserialize;
use serde_json::json;

use super::AwsConfig;
use super::query::{Client, Protocol, QueryService};

/// How requests are signed and endpoints found. Of the protocol only JSON is used.
const KMS: QueryService =
    QueryService { id: "KMS", name: "kms", version: "2014-11-01", protocol: Protocol::Query };

/// A region's KMS.
#[derive(Debug, Clone)]
pub struct KmsClient(Client);

#[derive(Debug, Deserialize)]
struct DescribeKeyOutput {
    #[serde(rename = "KeyMetadata")]
    key: Metadata,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    arn: String,
    #[serde(default)]
    key_state: String,
    #[serde(default)]
    key_spec: String,
}

impl KmsClient {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self(Client::new(sdk, &KMS))
    }
}

impl KeyRegions for AwsConfig {
    type Keys = KmsClient;

    fn keys(&self, region: &str) -> KmsClient {
        self.in_region(region).kms()
    }
}

impl Keys for KmsClient {
    async fn key(&self, name: &str) -> Result<KmsKey, ServiceError> {
        let input = json!({ "KeyId": name });
        let described: DescribeKeyOutput =
            self.0.call_json("KMS", "DescribeKey", "TrentService.DescribeKey", &input).await?;
        let Metadata { arn, key_state: state, key_spec: spec } = described.key;
        Ok(KmsKey { arn, state, spec })
    }
}
