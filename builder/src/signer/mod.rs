//! Keys that sign the requests of a bundle, wherever they are: a file, a token, AWS KMS.
//!
//! A convenience: whatever signs the bytes of a request will do. A key is read or used for one command, and neither kept nor
//! shown. All signatures are RSASSA-PKCS1-v1_5 with SHA-256, which has one result for one key and message.

mod error;
mod file;
mod token;
mod uri;

use std::path::PathBuf;

pub use error::SignerError;
pub use file::sign_with_file;
pub use token::sign_with_token;
pub use uri::Pkcs11Key;

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyLocation {
    /// A file of this machine.
    File(PathBuf),
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
            None => Ok(Self::File(PathBuf::from(text))),
        }
    }
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
        let kms = KeyLocation::parse("awskms:alias/db").unwrap();
        assert_eq!(kms, KeyLocation::Kms("alias/db".to_owned()));
        assert!(matches!(KeyLocation::parse("awskms:"), Err(SignerError::Uri { .. })));
        assert!(matches!(KeyLocation::parse("awskms:a b"), Err(SignerError::Uri { .. })));
        assert!(matches!(KeyLocation::parse("pkcs11:"), Err(SignerError::Uri { .. })));
    }
}
