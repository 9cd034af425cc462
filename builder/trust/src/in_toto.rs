//! In-toto statements: what is said (a predicate) of which files (subjects).
//!
//! Follows the in-toto Attestation Framework 1.0, `InTotoStatement`. Subjects are files by name and SHA-256; other digests beside it
//! are ignored, as the framework asks for what a reader does not know.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::Printable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The type of a statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// The most subjects of a statement.
pub const SUBJECTS_MAX: usize = 4096;

/// A statement.
#[derive(Debug, Clone, PartialEq)]
pub struct InTotoStatement {
    /// SHA-256 of the files that it is about, by name.
    pub subjects: BTreeMap<String, Digest>,
    /// The type of the predicate, a URI.
    pub predicate_type: String,
    /// What it says of them.
    pub predicate: Value,
}

/// Why bytes are no statement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Not JSON, or a key is missing.
    #[error("reading its JSON")]
    Json(#[source] serde_json::Error),
    /// Another type.
    #[error("its `_type` is `{found}`, and {STATEMENT_TYPE} is read")]
    Type {
        /// The type, printable.
        found: String,
    },
    /// Another number of subjects.
    #[error("it has {count} subjects, and 1 to {SUBJECTS_MAX} are read")]
    Subjects {
        /// How many it has.
        count: usize,
    },
    /// A subject without a SHA-256.
    #[error("its subject `{name}` has no SHA-256")]
    Digest {
        /// The name, printable.
        name: String,
    },
    /// Two subjects of one name.
    #[error("it has two subjects `{name}`")]
    Repeated {
        /// The name, printable.
        name: String,
    },
}

// The fields are in the order of their names, which makes the keys of the text sorted.

#[derive(Serialize, Deserialize)]
struct StatementText {
    #[serde(rename = "_type")]
    kind: String,
    predicate: Value,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    subject: Vec<StatementSubject>,
}

#[derive(Serialize, Deserialize)]
struct StatementSubject {
    #[serde(default)]
    digest: BTreeMap<String, String>,
    #[serde(default)]
    name: String,
}

impl InTotoStatement {
    /// Reads a statement.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn parse(text: &[u8]) -> Result<Self, StatementError> {
        let text: StatementText = serde_json::from_slice(text).map_err(StatementError::Json)?;
        let shown = |text: &str| Printable(text.as_bytes()).to_string();
        if text.kind != STATEMENT_TYPE {
            return Err(StatementError::Type { found: shown(&text.kind) });
        }
        let count = text.subject.len();
        if !(1..=SUBJECTS_MAX).contains(&count) {
            return Err(StatementError::Subjects { count });
        }
        let mut subjects = BTreeMap::new();
        for StatementSubject { digest, name } in text.subject {
            let sha256 = digest.get("sha256").and_then(|text| text.parse().ok());
            let sha256 = sha256.ok_or_else(|| StatementError::Digest { name: shown(&name) })?;
            if subjects.insert(name.clone(), sha256).is_some() {
                return Err(StatementError::Repeated { name: shown(&name) });
            }
        }
        Ok(Self { subjects, predicate_type: text.predicate_type, predicate: text.predicate })
    }

    /// Its text: JSON on one line with sorted keys and subjects, and a newline.
    pub fn to_text(&self) -> String {
        let subject = |(name, sha256): (&String, &Digest)| StatementSubject {
            digest: BTreeMap::from([("sha256".to_owned(), sha256.to_string())]),
            name: name.clone(),
        };
        let text = StatementText {
            kind: STATEMENT_TYPE.to_owned(),
            predicate: self.predicate.clone(),
            predicate_type: self.predicate_type.clone(),
            subject: self.subjects.iter().map(subject).collect(),
        };
        // Plain structures of strings cannot fail to become JSON.
        let mut text = serde_json::to_string(&text).unwrap_or_default();
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_read_back_and_others_are_refused() {
        let statement = InTotoStatement {
            subjects: BTreeMap::from([("disk.raw".to_owned(), Digest::of(b"x"))]),
            predicate_type: "https://slsa.dev/provenance/v1".to_owned(),
            predicate: serde_json::json!({ "b": 1, "a": [] }),
        };
        let text = statement.to_text();
        assert!(
            text.starts_with(r#"{"_type":"https://in-toto.io/Statement/v1","predicate":{"a":[],"b":1},"#)
        );
        assert_eq!(InTotoStatement::parse(text.as_bytes()).unwrap(), statement);
        let parse = |changed: String| InTotoStatement::parse(changed.as_bytes());
        assert!(matches!(
            parse(text.replace("Statement/v1", "Statement/v0.1")),
            Err(StatementError::Type { .. })
        ));
        assert!(matches!(parse(text.replace("sha256", "sha1")), Err(StatementError::Digest { .. })));
        let (start, list) = text.split_at(text.find("[{").unwrap());
        let subject = list.trim_end().trim_start_matches('[').trim_end_matches("]}");
        let with = |subjects: &str| parse(format!("{start}[{subjects}]}}"));
        assert!(with(subject).is_ok());
        assert!(matches!(with(""), Err(StatementError::Subjects { count: 0 })));
        assert!(matches!(with(&format!("{subject},{subject}")), Err(StatementError::Repeated { .. })));
        assert!(matches!(parse(text.replace("\"subject\"", "\"object\"")), Err(StatementError::Json(_))));
    }
}
