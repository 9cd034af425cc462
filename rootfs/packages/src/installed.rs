//! The packages that a tree holds, as a bill of materials lists them: plain data, the same for every kind.

use amiforge_formats::digest::{Digest, StatedDigest};

use crate::PackageKind;

/// A package that is in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledPackage {
    /// Its kind.
    pub kind: PackageKind,
    /// Its name.
    pub name: String,
    /// Its version with its epoch.
    pub version: String,
    /// Its architecture, or `all`.
    pub arch: String,
    /// The source package that it was built from: name and version.
    pub source: (String, String),
    /// The first line of its description.
    pub summary: String,
    /// The address of its project, if the package names one.
    pub homepage: Option<String>,
    /// The licences that it declares, sorted.
    pub licences: Vec<Licence>,
    /// The paths that it brought.
    pub files: Vec<Vec<u8>>,
    /// The file that it was unpacked from, where a lock has it: digest, and path in its archive.
    pub file: Option<(Digest, String)>,
}

/// The paths of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedPaths {
    /// Name and architecture of the package.
    pub package: (String, String),
    /// Name of the source package: its packages are updated together.
    pub source: String,
    /// The paths, folders among them that other packages have too.
    pub paths: Vec<Vec<u8>>,
}

/// A file that a package brought, as the database of the tree knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedPath {
    /// Its path, without the first `/`.
    pub path: Vec<u8>,
    /// The name of the package.
    pub package: String,
    /// Digest of its content in the archive, where the database has it.
    pub digest: Option<StatedDigest>,
}

/// A licence, or a choice of licences.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Licence {
    /// As the package states it.
    pub stated: String,
    /// As an expression of SPDX; names that SPDX does not know are `LicenseRef-…`.
    pub expression: String,
}

impl Licence {
    /// The names in its expression that SPDX does not know.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        self.expression.split([' ', '(', ')']).filter(|name| name.starts_with("LicenseRef-"))
    }
}

/// A text as a part of a package URL (purl specification, "Character encoding").
pub(crate) fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
