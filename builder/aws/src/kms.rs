//! The calls of KMS in use: `DescribeKey`, to resolve an alias, and `Sign`. KMS 2014-11-01, AWS JSON 1.1.

use amiforge_publish::api::{KeyRegions, Keys, KmsKey};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use aws_config::SdkConfig;

use super::AwsConfig;
use super::json::{self, JsonBlob, json_operations, json_structures};
use super::query::{Client, Protocol, QueryService};

/// The service KMS.
const KMS: QueryService =
    QueryService { id: "KMS", name: "kms", version: "2014-11-01", protocol: Protocol::Json };

json_structures! {
    /// The key to describe.
    DescribeKey {
        /// Its id, ARN or alias.
        key: String = "KeyId",
    }

    /// The description.
    DescribeKeyOutput {
        /// The key.
        key: KeyMetadata = "KeyMetadata",
    }

    /// The message to sign.
    Sign {
        /// Id, ARN or alias of the key.
        key: String = "KeyId",
        /// The message, not its digest.
        message: JsonBlob = "Message",
        /// `RAW`: the service takes the digest.
        message_type: String = "MessageType",
        /// The algorithm.
        algorithm: String = "SigningAlgorithm",
    }

    /// The signature.
    SignOutput {
        /// The signature.
        signature: JsonBlob = "Signature",
    }

    /// A key.
    KeyMetadata {
        /// Its ARN; always present.
        arn: String = "Arn",
        /// `Enabled`, ...
        state: String = "KeyState",
        /// `SYMMETRIC_DEFAULT`, ...
        spec: String = "KeySpec",
    }
}

json_operations! {
    /// All calls of KMS in use.
    pub CALLS of KMS, "TrentService":
    DescribeKey -> DescribeKeyOutput,
    Sign -> SignOutput,
}

/// Client of KMS in a region.
#[derive(Debug, Clone)]
pub struct KmsClient(Client);

impl KmsClient {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self(Client::new(sdk, &KMS))
    }

    /// Signs a message of at most 4096 bytes: RSASSA-PKCS1-v1_5 with SHA-256.
    ///
    /// # Errors
    /// [`ServiceError`], also for an answer without a signature.
    pub async fn sign_rsa_sha256(&self, key: &str, message: &[u8]) -> Result<Vec<u8>, ServiceError> {
        let call = Sign {
            key: key.to_owned(),
            message: JsonBlob(message.to_vec()),
            message_type: "RAW".to_owned(),
            algorithm: "RSASSA_PKCS1_V1_5_SHA_256".to_owned(),
        };
        match json::call(&self.0, &call).await?.signature {
            JsonBlob(signature) if signature.is_empty() => {
                let message = "the answer of Sign has no signature";
                Err(ServiceError::local(ServiceErrorKind::Unreadable, message))
            }
            JsonBlob(signature) => Ok(signature),
        }
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
        let KeyMetadata { arn, state, spec } =
            json::call(&self.0, &DescribeKey { key: name.to_owned() }).await?.key;
        if arn.is_empty() {
            let message = "the answer of DescribeKey has no ARN";
            return Err(ServiceError::local(ServiceErrorKind::Unreadable, message));
        }
        Ok(KmsKey { arn, state, spec })
    }
}
