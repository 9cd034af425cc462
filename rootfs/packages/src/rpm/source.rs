//! The rpm packages of a recipe: plain data.

use std::path::PathBuf;

use crate::backend::{Recommends, Scripts};
use crate::path_filters::PathFilters;

/// A `[[source]]` of rpm packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmSource {
    /// The distribution, such as `amazonlinux`.
    pub distribution: String,
    /// Its release: what `$releasever` stands for, such as `2023.12.20260817`.
    pub release: String,
    /// Architecture of the image: what `$basearch` stands for, `x86_64` or `aarch64`.
    pub arch: String,
    /// The repositories; those of the distribution come first.
    pub repositories: Vec<RpmRepository>,
    /// Packages and groups named, as in the recipe.
    pub packages: Vec<String>,
    /// Packages that must not be installed.
    pub without: Vec<String>,
    /// Whether recommended packages are taken.
    pub recommends: Recommends,
    /// The way to configure packages.
    pub scripts: Scripts,
    /// Paths of the packages to leave out.
    pub filters: PathFilters,
    /// Address in the recipe that stands in for the public address of the distribution.
    pub mirror: Option<String>,
    /// Whether the image lists the repositories as sources of its own dnf.
    pub repo_files: bool,
}

/// A repository that packages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmRepository {
    /// Its name in the lock and in the image.
    pub name: String,
    /// Whose it is.
    pub role: RepositoryRole,
    /// Where it is. May hold `$releasever` and `$basearch`.
    pub address: RepositoryAddress,
    /// The keys that its packages and metadata are signed with.
    pub keys: RepositorySigners,
    /// Whether its metadata must be signed, too.
    pub metadata: MetadataSignature,
    /// Packages of a repository with a lower number go before those of others, whatever their versions.
    pub priority: i32,
    /// What to do with packages of modules.
    pub modules: ModularPackages,
    /// Address in the recipe from which machines fetch it.
    pub machine_url: Option<String>,
}

/// Whose repository it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepositoryRole {
    /// The distribution's.
    Distribution,
    /// A further one.
    Further,
}

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositoryAddress {
    /// At this address.
    Base(String),
    /// At one of the addresses in a text file at this address, a line each.
    MirrorList(String),
    /// At one of the addresses in a metalink (RFC 5854 in an earlier form), which also states digests of `repomd.xml`.
    Metalink(String),
}

impl RepositoryAddress {
    /// Its text, with variables.
    pub fn text(&self) -> &str {
        match self {
            Self::Base(url) | Self::MirrorList(url) | Self::Metalink(url) => url,
        }
    }
}

/// The keys of a repository. A key counts if its fingerprint is pinned, or if none is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositorySigners {
    /// Those in a file.
    File {
        /// The file.
        path: PathBuf,
        /// As the recipe names it.
        name: String,
        /// Fingerprints of the primary keys that count, in upper-case hexadecimal; all in the file where there are none.
        fingerprints: Vec<String>,
    },
    /// Those of a known distribution, from a file of this machine, or from its public address where fingerprints are pinned.
    Known {
        /// The distribution.
        distribution: String,
        /// Fingerprints of the primary keys that count, in upper-case hexadecimal.
        fingerprints: Vec<String>,
    },
    /// None are needed: the recipe trusts the packages unsigned.
    Unsigned,
}

/// Whether the metadata of a repository must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataSignature {
    /// A good `repomd.xml.asc` is required.
    Required,
    /// None is asked for: only the packages are signed.
    NotRequired,
}

/// What to do with the packages of modules in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModularPackages {
    /// A repository that has modules is refused.
    Refuse,
    /// They are not seen.
    Hide,
}

impl RpmSource {
    /// A text with the variables of repositories replaced: `$releasever`, `$basearch`, `$arch`, also as `${…}`.
    pub fn expand(&self, text: &str) -> String {
        let mut expanded = text.to_owned();
        for (name, value) in [("releasever", &self.release), ("basearch", &self.arch), ("arch", &self.arch)] {
            expanded = expanded.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value);
        }
        expanded
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::source;

    #[test]
    fn variables_are_replaced() {
        let source = source(Vec::new());
        assert_eq!(
            source.expand("https://x/$releasever/${basearch}/$arch/$other"),
            "https://x/1/x86_64/x86_64/$other"
        );
    }
}
