//! The rpm of a tree, as far as its database depends on it.

use crate::rpm::header::{RpmHeader, tag};

/// The version that a tree without rpm is written for.
const WITHOUT: &str = "4.18.0";

/// The rpm of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RpmProgram {
    version: String,
}

impl RpmProgram {
    /// The rpm among the packages of these headers.
    pub(super) fn among<'a>(headers: impl IntoIterator<Item = &'a RpmHeader>) -> Self {
        let rpm = headers.into_iter().find(|header| header.text(tag::NAME) == Some(b"rpm"));
        let version = rpm.and_then(|header| header.text(tag::VERSION)).map(String::from_utf8_lossy);
        // What a distribution appends is not what the program calls itself.
        let of_program = |letter: &char| letter.is_ascii_digit() || *letter == '.';
        let version: String = version.iter().flat_map(|text| text.chars().take_while(of_program)).collect();
        let version = if version.is_empty() { WITHOUT.to_owned() } else { version };
        Self { version }
    }

    /// Its version, without a release.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Whether it calls keys by their whole fingerprints, as it does since version 6.
    pub(super) fn names_keys_by_fingerprint(&self) -> bool {
        let major = self.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        major.is_some_and(|major| major >= 6)
    }
}
