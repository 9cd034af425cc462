//! Keys that sign: what they do, and why they do not. No error holds a byte of a key or a PIN.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use amiforge_formats::der::{DerReader, integer, tag, tlv};

use crate::keys::{PublicKey, PublicKeyKind, SshKeyError};
use crate::wire::{SshReader, put_unsigned, strings};

/// A private key, wherever it is.
pub trait SigningKey {
    /// Its public key.
    fn public(&self) -> &PublicKey;

    /// Signs a message: Ed25519 (64 bytes), ECDSA as `Ecdsa-Sig-Value` in DER (SHA-256 on P-256, SHA-384 on P-384), or
    /// RSASSA-PKCS1-v1_5 with SHA-256. [`PublicKey::verify`] checks it.
    ///
    /// # Errors
    /// [`SignerError`]; [`SignerError::OnlySsh`] for a key on a FIDO token, which signs in the form of SSH alone.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError>;

    /// Signs a message in the form of SSH. [`PublicKey::verify_ssh`] checks it.
    ///
    /// # Errors
    /// [`SignerError`].
    fn sign_ssh(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        to_ssh(self.public().kind(), &self.sign(message)?)
    }
}

/// Why a key does not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// The location of the key cannot be read as one.
    #[error("{reason}")]
    Uri {
        /// What is wrong.
        reason: String,
    },
    /// A file cannot be read.
    #[error("reading `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no key that is taken for Secure Boot.
    #[error("`{}` holds no RSA private key of 2048 to 4096 bits in PEM or DER", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// The file is no key.
    #[error("`{}` holds no private key that is used here (OpenSSH, or PKCS#8, SEC 1 and PKCS#1 in PEM or DER; Ed25519, ECDSA on P-256 or P-384, RSA of 2048 to 4096 bits)", path.display())]
    NotAPrivateKey {
        /// The file.
        path: PathBuf,
    },
    /// The public key in a file is none.
    #[error("`{}` holds no public key that is used here", path.display())]
    PublicFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SshKeyError,
    },
    /// The key is protected by a passphrase.
    #[error("the key in `{}` is encrypted", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// The private key of a FIDO token is on the token; the file has only a handle.
    #[error("the key in `{}` is on a FIDO token", path.display())]
    OnToken {
        /// The file.
        path: PathBuf,
    },
    /// The key refused.
    #[error("the key in `{}` does not sign", path.display())]
    Sign {
        /// The file.
        path: PathBuf,
    },
    /// There is no PIN for the token.
    #[error("the token needs a PIN, and none is given")]
    NoPin,
    /// A program is not installed.
    #[error("`{program}`, which talks to tokens, is not installed")]
    NoTool {
        /// The program.
        program: &'static str,
    },
    /// A program failed.
    #[error("`{program}` ended with {status}: {message}")]
    Tool {
        /// The program.
        program: &'static str,
        /// Its exit status.
        status: String,
        /// The last line that it wrote, printable.
        message: String,
    },
    /// Files for a program cannot be written or read.
    #[error("handing a request to `{program}`")]
    Exchange {
        /// The program.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// There is no agent.
    #[error("there is no ssh-agent: SSH_AUTH_SOCK is not set")]
    NoAgent,
    /// The agent cannot be reached, or does not answer.
    #[error("talking to the ssh-agent at `{}`", path.display())]
    Agent {
        /// Its socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The agent answers in another form than the protocol has.
    #[error("the ssh-agent answered with something other than {expected}")]
    AgentAnswer {
        /// What it was asked for.
        expected: &'static str,
    },
    /// The agent did not sign.
    #[error("the ssh-agent did not sign with {fingerprint}")]
    AgentRefused {
        /// The key.
        fingerprint: String,
    },
    /// No key, or several keys of the agent are meant.
    #[error("{count} of the ssh-agent's keys are {selector}, and one is needed")]
    AgentKey {
        /// What was asked for, printable.
        selector: String,
        /// How many keys that are.
        count: usize,
        /// The agent's keys: fingerprint and comment, printable.
        available: Vec<String>,
    },
    /// A service did not sign.
    #[error("asking {service} for a signature")]
    Service {
        /// The service and its key.
        service: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A public key that does not fit.
    #[error("reading the public key of {location}")]
    Public {
        /// Where the key is.
        location: String,
        /// Why.
        source: SshKeyError,
    },
    /// A key on a FIDO token was to sign in another form than that of SSH.
    #[error("the key {fingerprint} is on a FIDO token, which signs in the form of SSH alone")]
    OnlySsh {
        /// The key.
        fingerprint: String,
    },
    /// What a key gave is no signature of its kind.
    #[error("what the key gave is not a signature of its kind ({kind})")]
    Form {
        /// The kind of the key.
        kind: &'static str,
    },
    /// What a key gave is no signature of the message.
    #[error("checking the signature that the key gave")]
    Unsound {
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A bare signature in the form of SSH (RFC 8709, section 6; RFC 5656, section 3.1.2; RFC 8332, section 3).
///
/// # Errors
/// [`SignerError::Form`].
pub fn to_ssh(kind: PublicKeyKind, signature: &[u8]) -> Result<Vec<u8>, SignerError> {
    let form = || SignerError::Form { kind: kind.name() };
    match kind {
        PublicKeyKind::Ed25519 => Ok(strings(&[kind.name().as_bytes(), signature])),
        PublicKeyKind::Rsa => Ok(strings(&[b"rsa-sha2-256", signature])),
        PublicKeyKind::EcdsaP256 | PublicKeyKind::EcdsaP384 => {
            let pair = ecdsa_numbers(signature).ok_or_else(form)?;
            Ok(strings(&[kind.name().as_bytes(), &pair]))
        }
        PublicKeyKind::SkEd25519 | PublicKeyKind::SkEcdsa => Err(form()),
    }
}

/// `r` and `s` of an `Ecdsa-Sig-Value` (RFC 3279, section 2.2.3), as SSH has them.
fn ecdsa_numbers(signature: &[u8]) -> Option<Vec<u8>> {
    let mut outer = DerReader::new(signature);
    let mut numbers = outer.sequence("the signature").ok()?;
    outer.end("the signature").ok()?;
    let mut out = Vec::new();
    for what in ["r", "s"] {
        put_unsigned(&mut out, numbers.expect(tag::INTEGER, what).ok()?.unsigned(what).ok()?);
    }
    numbers.end("the signature").ok()?;
    Some(out)
}

/// A signature in the form of SSH as a bare one.
///
/// # Errors
/// [`SignerError::Form`], also for RSA with another hash than SHA-256, and for keys on FIDO tokens.
pub fn from_ssh(kind: PublicKeyKind, signature: &[u8]) -> Result<Vec<u8>, SignerError> {
    let form = || SignerError::Form { kind: kind.name() };
    let mut reader = SshReader::new(signature);
    let algorithm = if kind == PublicKeyKind::Rsa { "rsa-sha2-256" } else { kind.name() };
    let found = reader.text("the algorithm").map_err(|_| form())?;
    let value = reader.string("the signature").map_err(|_| form())?;
    reader.end("the signature").map_err(|_| form())?;
    if found != algorithm || kind.is_fido() {
        return Err(form());
    }
    if !matches!(kind, PublicKeyKind::EcdsaP256 | PublicKeyKind::EcdsaP384) {
        return Ok(value.to_vec());
    }
    let mut reader = SshReader::new(value);
    let r = reader.unsigned("r").map_err(|_| form())?;
    let s = reader.unsigned("s").map_err(|_| form())?;
    reader.end("s").map_err(|_| form())?;
    Ok(tlv(tag::SEQUENCE, &[&integer(r), &integer(s)]))
}
