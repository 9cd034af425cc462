//! Keys that an ssh-agent holds (draft-ietf-sshm-ssh-agent), FIDO tokens among them: the agent signs, no private key comes here.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use amiforge_formats::tree::Printable;

use crate::keys::{PublicKey, PublicKeyKind};
use crate::signing::{SignerError, SigningKey, from_ssh};
use crate::wire::{SshReader, put_string};

/// The variable with the agent's socket.
const SOCKET: &str = "SSH_AUTH_SOCK";

/// The most bytes of an answer, which is that of OpenSSH.
const ANSWER_MAX: u32 = 256 << 10;

/// The most keys that are listed.
const KEYS_MAX: u32 = 2048;

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// Asks for RSA with SHA-256 rather than SHA-1.
const RSA_SHA2_256: u32 = 2;

/// Which of an agent's keys is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentSelector {
    /// The only one.
    Only,
    /// The one with this fingerprint (`SHA256:…`) or this comment.
    Named(String),
    /// The one with this public key.
    Public(PublicKey),
}

/// A key of an agent.
#[derive(Debug, Clone)]
pub struct AgentKey {
    socket: PathBuf,
    public: PublicKey,
}

/// A key that an agent offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentIdentity {
    /// The key.
    pub public: PublicKey,
    /// Its comment, which may hold anything.
    pub comment: Vec<u8>,
}

impl AgentKey {
    /// Finds a key of the agent of this session.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn find(selector: &AgentSelector) -> Result<Self, SignerError> {
        let socket = std::env::var_os(SOCKET).filter(|socket| !socket.is_empty());
        Self::find_at(Path::new(&socket.ok_or(SignerError::NoAgent)?), selector)
    }

    /// Finds a key of the agent at a socket.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn find_at(socket: &Path, selector: &AgentSelector) -> Result<Self, SignerError> {
        let all = identities(socket)?;
        let fits = |one: &&AgentIdentity| match selector {
            AgentSelector::Only => true,
            AgentSelector::Named(name) => one.public.fingerprint() == *name || one.comment == name.as_bytes(),
            AgentSelector::Public(key) => one.public == *key,
        };
        let fitting: Vec<_> = all.iter().filter(fits).collect();
        if let [one] = fitting[..] {
            return Ok(Self { socket: socket.to_owned(), public: one.public.clone() });
        }
        let selector = match selector {
            AgentSelector::Only => "of a kind that is used here".to_owned(),
            AgentSelector::Named(name) => format!("`{}`", Printable(name.as_bytes())),
            AgentSelector::Public(key) => key.fingerprint(),
        };
        let shown = |one: &AgentIdentity| format!("{} {}", one.public.fingerprint(), Printable(&one.comment));
        let available = all.iter().map(shown).collect();
        Err(SignerError::AgentKey { selector, count: fitting.len(), available })
    }
}

impl SigningKey for AgentKey {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let kind = self.public.kind();
        if kind.is_fido() {
            return Err(SignerError::OnlySsh { fingerprint: self.public.fingerprint() });
        }
        from_ssh(kind, &self.sign_ssh(message)?)
    }

    fn sign_ssh(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let mut request = vec![SIGN_REQUEST];
        put_string(&mut request, self.public.blob());
        put_string(&mut request, message);
        let flags = if self.public.kind() == PublicKeyKind::Rsa { RSA_SHA2_256 } else { 0 };
        request.extend(flags.to_be_bytes());
        let answer = ask(&self.socket, &request)?;
        let mut reader = SshReader::new(&answer);
        if reader.byte("the type").ok() != Some(SIGN_RESPONSE) {
            return Err(SignerError::AgentRefused { fingerprint: self.public.fingerprint() });
        }
        let signature = reader.string("the signature").map(<[u8]>::to_vec);
        signature.map_err(|_| SignerError::AgentAnswer { expected: "a signature" })
    }
}

/// The keys of an agent that are of a kind that is used here.
///
/// # Errors
/// [`SignerError`].
pub fn identities(socket: &Path) -> Result<Vec<AgentIdentity>, SignerError> {
    let answer = ask(socket, &[REQUEST_IDENTITIES])?;
    parse_identities(&answer).ok_or(SignerError::AgentAnswer { expected: "the list of its keys" })
}

/// Reads the list of keys; those of other kinds, and certificates, are passed over.
fn parse_identities(answer: &[u8]) -> Option<Vec<AgentIdentity>> {
    let mut reader = SshReader::new(answer);
    if reader.byte("the type").ok()? != IDENTITIES_ANSWER {
        return None;
    }
    let count = reader.number("the number of keys").ok().filter(|count| *count <= KEYS_MAX)?;
    let mut all = Vec::new();
    for _ in 0..count {
        let key = reader.string("a key").ok()?;
        let comment = reader.string("a comment").ok()?.to_vec();
        if let Ok(public) = PublicKey::from_blob(key) {
            all.push(AgentIdentity { public, comment });
        }
    }
    Some(all)
}

/// Sends a request, and gives the answer. There is no limit of time: a person may have to touch a token or to confirm.
fn ask(socket: &Path, request: &[u8]) -> Result<Vec<u8>, SignerError> {
    let exchange = || {
        let mut stream = UnixStream::connect(socket)?;
        let mut message = Vec::new();
        put_string(&mut message, request);
        stream.write_all(&message)?;
        let mut len = [0; 4];
        stream.read_exact(&mut len)?;
        let len = u32::from_be_bytes(len);
        if len > ANSWER_MAX {
            let reason = format!("the answer has {len} bytes, and at most {ANSWER_MAX} are read");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        let mut answer = vec![0; len as usize];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    };
    exchange().map_err(|source| SignerError::Agent { path: socket.to_owned(), source })
}

#[cfg(test)]
mod tests;
