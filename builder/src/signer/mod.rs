//! Keys that sign, wherever they are: a file, an ssh-agent, a token, AWS KMS.
//!
//! A convenience: whatever signs the bytes of a request, or `ssh-keygen -Y sign`, will do. A key is read or used for one
//! command, and neither kept nor shown. Signatures for Secure Boot are RSASSA-PKCS1-v1_5 with SHA-256, which has one result for
//! one key and message.

mod error;
mod file;
mod token;
mod uri;

use std::path::{Path, PathBuf};

use amiforge_trust::agent::{AgentKey, AgentSelector};
use amiforge_trust::keys::PublicKey;
use amiforge_trust::private::PrivateKeyFile;

pub use amiforge_trust::signing::SigningKey;
pub use error::SignerError;
pub use file::sign_with_file;
pub use token::{TokenKey, sign_with_token};
pub use uri::Pkcs11Key;

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyLocation {
    /// A file of this machine with a private key.
    File(PathBuf),
    /// A key of the ssh-agent: the only one, or the one with this fingerprint or comment.
    Agent(Option<String>),
    /// The key of the ssh-agent whose public half is in a `.pub` file.
    PublicFile(PathBuf),
    /// An object of a token.
    Pkcs11(Pkcs11Key),
    /// A key of AWS KMS: its id, its ARN or `alias/…`.
    Kms(String),
}

impl KeyLocation {
    /// Parses a location as users write it.
    ///
    /// # Errors
    /// [`SignerError::Uri`].
    pub fn parse(text: &str) -> Result<Self, SignerError> {
        if text.starts_with("pkcs11:") {
            return Ok(Self::Pkcs11(Pkcs11Key::parse(text)?));
        }
        match text.strip_prefix("awskms:") {
            Some(key) if is_kms_key(key) => Ok(Self::Kms(key.to_owned())),
            Some(_) => {
                let reason = "`awskms:` is followed by a key id, an ARN or `alias/…`".to_owned();
                Err(SignerError::Uri { reason })
            }
            None => Ok(Self::of_text(text)),
        }
    }

    /// An agent or a file. A file of the name `agent` is written `./agent`.
    fn of_text(text: &str) -> Self {
        match text.strip_prefix("agent:") {
            Some(name) => Self::Agent(Some(name.to_owned())),
            None if text == "agent" => Self::Agent(None),
            None if Path::new(text).extension().is_some_and(|extension| extension == "pub") => {
                Self::PublicFile(PathBuf::from(text))
            }
            None => Self::File(PathBuf::from(text)),
        }
    }

    /// Opens the key; `None` for one of AWS KMS, which needs a connection. `public` is its public half, for tokens that do
    /// not give it out.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn open(&self, public: Option<&PublicKey>) -> Result<Option<Box<dyn SigningKey>>, SignerError> {
        let agent = |selector| Ok(Some(Box::new(AgentKey::find(&selector)?) as Box<dyn SigningKey>));
        match self {
            Self::File(path) => Ok(Some(Box::new(PrivateKeyFile::open(path)?))),
            Self::Agent(None) => agent(AgentSelector::Only),
            Self::Agent(Some(name)) => agent(AgentSelector::Named(name.clone())),
            Self::PublicFile(path) => agent(AgentSelector::Public(read_public(path)?)),
            Self::Pkcs11(key) => Ok(Some(Box::new(TokenKey::open(key, public)?))),
            Self::Kms(_) => Ok(None),
        }
    }
}

/// Reads a public key: a line of OpenSSH, or PEM.
///
/// # Errors
/// [`SignerError`].
pub fn read_public(path: &Path) -> Result<PublicKey, SignerError> {
    let failed = |source| SignerError::Read { path: path.to_owned(), source };
    let text = amiforge_progress::regular::read(path).map_err(failed)?;
    let line = String::from_utf8_lossy(&text);
    let read = if line.contains("-----BEGIN ") {
        PublicKey::from_pem(&text)
    } else {
        PublicKey::parse_openssh(&line)
    };
    read.map_err(|source| SignerError::PublicFile { path: path.to_owned(), source })
}

/// Whether a text may name a key of KMS.
fn is_kms_key(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 2048
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_location_of_a_key_is_told_by_its_scheme() {
        assert_eq!(KeyLocation::parse("db.key").unwrap(), KeyLocation::File("db.key".into()));
        assert_eq!(KeyLocation::parse("agent").unwrap(), KeyLocation::Agent(None));
        assert_eq!(KeyLocation::parse("agent:a b").unwrap(), KeyLocation::Agent(Some("a b".to_owned())));
        assert_eq!(KeyLocation::parse("./agent").unwrap(), KeyLocation::File("./agent".into()));
        assert_eq!(KeyLocation::parse("id.pub").unwrap(), KeyLocation::PublicFile("id.pub".into()));
        let kms = KeyLocation::parse("awskms:alias/db").unwrap();
        assert_eq!(kms, KeyLocation::Kms("alias/db".to_owned()));
        assert!(matches!(KeyLocation::parse("awskms:"), Err(SignerError::Uri { .. })));
        assert!(matches!(KeyLocation::parse("awskms:a b"), Err(SignerError::Uri { .. })));
        assert!(matches!(KeyLocation::parse("pkcs11:"), Err(SignerError::Uri { .. })));
    }
}
