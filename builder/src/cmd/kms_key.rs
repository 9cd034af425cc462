//! A key of AWS KMS that signs: ECDSA on P-256 and P-384, and RSA.

use std::fmt;

use amiforge::signer::{SignerError, SigningKey};
use amiforge_aws::KmsClient;
use amiforge_progress::CancelToken;
use amiforge_publish::retry::{CallStep, NoObserver, RetryExhausted, retry};
use amiforge_publish::timer::Timer;
use amiforge_trust::keys::{PublicKey, PublicKeyKind};

use super::region::ConnectedRegion;

/// A key of KMS, with its public half.
pub(crate) struct KmsKey {
    connected: ConnectedRegion,
    client: KmsClient,
    timer: Timer,
    name: String,
    public: PublicKey,
}

impl fmt::Debug for KmsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KmsKey({} {:?})", self.name, self.public)
    }
}

impl KmsKey {
    /// Asks KMS for the public half of a key: its id, its ARN or `alias/…`.
    pub(crate) fn open(
        connected: ConnectedRegion,
        name: &str,
        cancel: &CancelToken,
    ) -> Result<Self, SignerError> {
        let client = connected.config().kms();
        let timer = Timer::default().with_cancel(cancel);
        let ask = retry(&timer, CallStep::Idempotent, &NoObserver, || client.public_key(name));
        let der = connected.block_on(ask).map_err(|error| failed(name, error))?;
        let location = format!("the key {name} of AWS KMS");
        let public = PublicKey::from_spki_der(&der);
        let public = public.map_err(|source| SignerError::Public { location, source })?;
        Ok(Self { connected, client, timer, name: name.to_owned(), public })
    }
}

fn failed(name: &str, error: RetryExhausted) -> SignerError {
    SignerError::Service { service: format!("AWS KMS ({name})"), source: Box::new(error) }
}

impl SigningKey for KmsKey {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let algorithm = match self.public.kind() {
            PublicKeyKind::EcdsaP256 => "ECDSA_SHA_256",
            PublicKeyKind::EcdsaP384 => "ECDSA_SHA_384",
            PublicKeyKind::Rsa => "RSASSA_PKCS1_V1_5_SHA_256",
            kind => return Err(SignerError::Form { kind: kind.name() }),
        };
        let ask = retry(&self.timer, CallStep::Idempotent, &NoObserver, || {
            self.client.sign(&self.name, algorithm, message)
        });
        self.connected.block_on(ask).map_err(|error| failed(&self.name, error))
    }
}
