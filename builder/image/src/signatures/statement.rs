//! The statement: `SHA256SUMS` in its one form.

use std::collections::BTreeSet;

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::Printable;

use crate::bundle::{self, SumLine, SumsError};

/// The most bytes: a bundle has a score of files.
const LEN_MAX: usize = 64 << 10;

/// The list of a bundle's files that is signed. Every file once, under a name that a bundle has, in the form that a build
/// writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleStatement {
    bytes: Vec<u8>,
    lines: Vec<SumLine>,
}

/// Why a text is no statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementProblem {
    /// It is too long.
    #[error("it has {len} bytes, and {LEN_MAX} are the most")]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// It is no list of sums.
    #[error(transparent)]
    Sums(#[from] SumsError),
    /// It is not in the form that a build writes, which other readers might read differently.
    #[error(
        "it is not written as a build writes it: UTF-8, digests in lower case, a newline after each line, sorted by name"
    )]
    Form,
    /// A file twice.
    #[error("it lists `{name}` twice")]
    Twice {
        /// The file.
        name: String,
    },
    /// A name that no file of a bundle has.
    #[error("it lists `{name}`, which is no file of a bundle")]
    Unknown {
        /// The name, printable.
        name: String,
    },
    /// A file that every bundle has is not in it.
    #[error("it does not list `{name}`")]
    Lacks {
        /// The file.
        name: &'static str,
    },
}

impl BundleStatement {
    /// Parses a statement.
    ///
    /// # Errors
    /// [`StatementProblem`].
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementProblem> {
        if bytes.len() > LEN_MAX {
            return Err(StatementProblem::TooLong { len: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| StatementProblem::Form)?;
        let lines = bundle::parse_sums(text)?;
        let mut names = BTreeSet::new();
        for line in &lines {
            let name = Printable(line.name.as_bytes()).to_string();
            if line.name == bundle::SUMS || !bundle::names().any(|known| known == line.name) {
                return Err(StatementProblem::Unknown { name });
            }
            if !names.insert(line.name.as_str()) {
                return Err(StatementProblem::Twice { name });
            }
        }
        for name in bundle::FILES.into_iter().filter(|name| *name != bundle::SUMS) {
            if !names.contains(name) {
                return Err(StatementProblem::Lacks { name });
            }
        }
        if !bundle::is_as_written(text, &lines) {
            return Err(StatementProblem::Form);
        }
        Ok(Self { bytes: bytes.to_vec(), lines })
    }

    /// The bytes that are signed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The files with their digests.
    pub fn lines(&self) -> &[SumLine] {
        &self.lines
    }

    /// The digest of a file.
    pub fn digest_of(&self, name: &str) -> Option<Digest> {
        self.lines.iter().find(|line| line.name == name).map(|line| line.sha256)
    }
}
