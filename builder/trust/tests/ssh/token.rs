//! A made-up FIDO token: what it signs follows OpenSSH's `PROTOCOL.u2f`.

use amiforge_formats::digest::Digest;
use amiforge_trust::keys::PublicKey;
use amiforge_trust::signing::{SignerError, SigningKey, to_ssh};
use p256::ecdsa::signature::Signer as _;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

const APPLICATION: &[u8] = b"ssh:build";

enum Secret {
    Ed25519(Ed25519KeyPair),
    P256(p256::ecdsa::SigningKey),
}

pub(crate) struct Token {
    secret: Secret,
    public: PublicKey,
    flags: u8,
}

fn strings(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&(part.len() as u32).to_be_bytes(), *part].concat()).collect()
}

impl Token {
    pub(crate) fn ed25519(flags: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
        let blob = strings(&[b"sk-ssh-ed25519@openssh.com", pair.public_key().as_ref(), APPLICATION]);
        Self { secret: Secret::Ed25519(pair), public: PublicKey::from_blob(&blob).unwrap(), flags }
    }

    pub(crate) fn ecdsa(flags: u8) -> Self {
        let key = p256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
        let point = key.verifying_key().to_encoded_point(false);
        let kind = b"sk-ecdsa-sha2-nistp256@openssh.com";
        let blob = strings(&[kind, b"nistp256", point.as_bytes(), APPLICATION]);
        Self { secret: Secret::P256(key), public: PublicKey::from_blob(&blob).unwrap(), flags }
    }
}

impl SigningKey for Token {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, SignerError> {
        Err(SignerError::OnlySsh { fingerprint: self.public.fingerprint() })
    }

    fn sign_ssh(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let tail = [&[self.flags][..], &7_u32.to_be_bytes()].concat();
        let signed = [&Digest::of(APPLICATION).0[..], &tail, &Digest::of(message).0].concat();
        let value = match &self.secret {
            Secret::Ed25519(pair) => pair.sign(&signed).as_ref().to_vec(),
            Secret::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(&signed);
                let plain =
                    to_ssh(amiforge_trust::keys::PublicKeyKind::EcdsaP256, signature.to_der().as_bytes())?;
                // Without the name of the plain kind and the length before the two numbers.
                plain[4 + "ecdsa-sha2-nistp256".len() + 4..].to_vec()
            }
        };
        Ok([strings(&[self.public.kind().name().as_bytes(), &value]), tail].concat())
    }
}
