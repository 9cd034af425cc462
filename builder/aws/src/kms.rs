//! The calls of KMS in use: `DescribeKey`, to resolve an alias, `GetPublicKey` and `Sign`. KMS 2014-11-01, AWS JSON 1.1.

use amiforge_publish::api::{KeyRegions, Keys, KmsKey};
use amiforge_publish::service_error::{ServiceError, ServiceErrorKind};
use aws_config::SdkConfig;
use sha2::{Digest as _, Sha256, Sha384};

use super::AwsConfig;
use super::json::{self, JsonBlob, json_operations, json_structures};
use super::query::{Client, Protocol, QueryService};

/// The most bytes of a message that `Sign` takes (KMS API Reference, `Sign`, parameter `Message`).
const MESSAGE_MAX: usize = 4096;

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

    /// The key whose public half is asked for.
    GetPublicKey {
        /// Its id, ARN or alias.
        key: String = "KeyId",
    }

    /// The public half.
    GetPublicKeyOutput {
        /// The key: `SubjectPublicKeyInfo` in DER.
        public: JsonBlob = "PublicKey",
    }

    /// The message to sign.
    Sign {
        /// Id, ARN or alias of the key.
        key: String = "KeyId",
        /// The message, or its digest.
        message: JsonBlob = "Message",
        /// `RAW`: the service takes the digest; or `DIGEST`.
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
    GetPublicKey -> GetPublicKeyOutput,
    Sign -> SignOutput,
}

/// Client of KMS in a region.
#[derive(Debug, Clone)]
pub struct KmsClient(Client);

impl KmsClient {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self(Client::new(sdk, &KMS))
    }

    /// The public half of a key: `SubjectPublicKeyInfo` in DER.
    ///
    /// # Errors
    /// [`ServiceError`], also for an answer without a key.
    pub async fn public_key(&self, key: &str) -> Result<Vec<u8>, ServiceError> {
        let answer = json::call(&self.0, &GetPublicKey { key: key.to_owned() }).await?;
        filled(answer.public, "the answer of GetPublicKey has no key")
    }

    /// Signs a message of at most 4096 bytes: RSASSA-PKCS1-v1_5 with SHA-256.
    ///
    /// # Errors
    /// [`ServiceError`], also for an answer without a signature.
    pub async fn sign_rsa_sha256(&self, key: &str, message: &[u8]) -> Result<Vec<u8>, ServiceError> {
        self.sign(key, "RSASSA_PKCS1_V1_5_SHA_256", message).await
    }

    /// Signs a message by an algorithm of KMS, such as `ECDSA_SHA_256`. A longer message than the service takes is digested
    /// here, with the hash that the algorithm is named after.
    ///
    /// # Errors
    /// [`ServiceError`], also for an answer without a signature.
    pub async fn sign(&self, key: &str, algorithm: &str, message: &[u8]) -> Result<Vec<u8>, ServiceError> {
        let (message, message_type) = match message {
            long if long.len() > MESSAGE_MAX && algorithm.ends_with("_SHA_384") => {
                (Sha384::digest(long).to_vec(), "DIGEST")
            }
            long if long.len() > MESSAGE_MAX => (Sha256::digest(long).to_vec(), "DIGEST"),
            short => (short.to_vec(), "RAW"),
        };
        let call = Sign {
            key: key.to_owned(),
            message: JsonBlob(message),
            message_type: message_type.to_owned(),
            algorithm: algorithm.to_owned(),
        };
        filled(json::call(&self.0, &call).await?.signature, "the answer of Sign has no signature")
    }
}

/// Bytes of an answer, which must not be empty.
fn filled(blob: JsonBlob, otherwise: &str) -> Result<Vec<u8>, ServiceError> {
    match blob {
        JsonBlob(bytes) if bytes.is_empty() => {
            Err(ServiceError::local(ServiceErrorKind::Unreadable, otherwise))
        }
        JsonBlob(bytes) => Ok(bytes),
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
