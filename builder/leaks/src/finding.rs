//! What a finding says: where, by which rule, how grave, and what to do. It has no field for the secret itself.

use amiforge_formats::digest::Digest;
use serde::{Deserialize, Serialize};

/// Characters of a secret that are shown, so that its owner recognises it.
const SHOWN: usize = 4;

/// Hexadecimal digits of a secret's digest that are shown.
pub(crate) const DIGEST_DIGITS: usize = 16;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeakSeverity {
    /// A credential, or what lets somebody in: `publish` refuses the image.
    Error,
    /// What tells about the builder or its machine, or may be a credential: `publish` says so.
    Warning,
}

impl LeakSeverity {
    /// The word in output and JSON; also the level of SARIF (3.27.10).
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// What a file of a finding is a file of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingScope {
    /// A file system of the image.
    Image,
    /// The bundle, beside the image.
    Bundle,
    /// The disk itself: bytes that belong to no file, or a file system that is not read.
    Disk,
}

/// A secret without its text: its first characters, its length and the start of its digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretFingerprint {
    /// At most its first four characters, and never more than a quarter of it.
    pub start: String,
    /// Its length in bytes.
    pub len: usize,
    /// The first 16 hexadecimal digits of its SHA-256.
    pub sha256: String,
}

impl SecretFingerprint {
    /// The fingerprint of a secret.
    pub fn of(secret: &[u8]) -> Self {
        let shown = SHOWN.min(secret.len() / 4);
        let start = secret.iter().take(shown).map(|byte| match byte {
            0x21..=0x7e => char::from(*byte),
            _ => '.',
        });
        let mut sha256 = Digest::of(secret).to_string();
        sha256.truncate(DIGEST_DIGITS);
        Self { start: start.collect(), len: secret.len(), sha256 }
    }
}

/// Something that should not leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeakFinding {
    /// The name of the rule, in kebab case.
    pub rule: String,
    /// How grave it is.
    pub severity: LeakSeverity,
    /// What the file is a file of.
    pub scope: FindingScope,
    /// The file: an absolute path in the image, a name in the bundle, or a range of the disk in words. Bytes that are not
    /// printable are escaped.
    pub file: String,
    /// The line, from 1, of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The byte, from 0, in the file; on the disk for [`FindingScope::Disk`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What was found there, in words.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
    /// SHA-256 of the whole content of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The secret, if one range of bytes is it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretFingerprint>,
    /// The package that the file belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Why it may leave all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
}

impl LeakFinding {
    /// Where it is: `FILE:LINE`, `FILE@OFFSET` or `FILE`.
    pub fn location(&self) -> String {
        match (self.line, self.offset) {
            (Some(line), _) => format!("{}:{line}", self.file),
            (None, Some(offset)) => format!("{}@{offset}", self.file),
            (None, None) => self.file.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_shows_at_most_four_characters_and_never_a_short_secret() {
        let long = SecretFingerprint::of(b"ghp_0123456789abcdefghijklmnopqrstuvwxyz");
        assert_eq!((long.start.as_str(), long.len), ("ghp_", 40));
        assert_eq!(long.sha256.len(), 16);
        assert_eq!(SecretFingerprint::of(b"abc").start, "");
        assert_eq!(SecretFingerprint::of(b"abcdefgh").start, "ab");
        assert_eq!(SecretFingerprint::of(b"\x1b\xffcdefghijklmnop").start, "..cd");
    }
}
