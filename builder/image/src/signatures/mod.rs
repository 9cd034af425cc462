//! Signatures of bundles: what is signed, who signed it, and whether that is enough.
//!
//! The statement is `SHA256SUMS`, which lists every other file; signatures are in a folder that it does not list. Nothing of
//! a bundle is trusted before its statement is: the name that a rule of a policy matches is that of the manifest whose digest
//! the statement has, and a file that the statement lacks is refused. Knows no key that signs.

mod check;
mod error;
mod files;
mod folder;
mod statement;

use amiforge_formats::tree::Printable;
use amiforge_trust::keys::PublicKey;
use amiforge_trust::sshsig::{self, SshSignature};
use amiforge_trust::statement::signature_name;
use serde::Serialize;

pub use check::{CheckedSignatures, check, check_parts};
pub use error::BundleSignatureError;
pub use files::check_files;
pub(crate) use folder::put;
pub use folder::{count_signatures, read_signatures, store};
pub use statement::{BundleStatement, StatementProblem};

use crate::inspect::chain;

/// A file with a signature of a statement, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSignature {
    /// Its name in the bundle, such as `signatures/0123456789abcdef.sig`, printable.
    pub name: String,
    /// The key that made it; or why it is no signature of the statement.
    pub key: Result<PublicKey, String>,
}

/// A signature as reports show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignatureSummary {
    /// Its name in the bundle.
    pub file: String,
    /// The fingerprint of the key, where the signature is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The kind of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'static str>,
    /// Why it is no signature of the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl FileSignature {
    /// Checks a file of a name: it has to be a signature of the statement, made for bundles, and be named after its key.
    pub fn check(name: &str, bytes: &[u8], statement: &[u8]) -> Self {
        let checked = SshSignature::parse(bytes).and_then(|signature| {
            signature.verify(sshsig::BUNDLE, statement)?;
            Ok(signature.key().clone())
        });
        let key = match checked {
            Ok(key) if signature_name(&key) == name => Ok(key),
            Ok(key) => Err(format!("it is named after another key than its own, {}", key.fingerprint())),
            Err(error) => Err(chain(&error)),
        };
        Self { name: Printable(name.as_bytes()).to_string(), key }
    }

    /// The signature as reports show it.
    pub fn summary(&self) -> SignatureSummary {
        let (key, problem) = match &self.key {
            Ok(key) => (Some(key), None),
            Err(problem) => (None, Some(problem.clone())),
        };
        SignatureSummary {
            file: self.name.clone(),
            fingerprint: key.map(PublicKey::fingerprint),
            key: key.map(|key| key.kind().name()),
            problem,
        }
    }
}

#[cfg(test)]
mod tests;
