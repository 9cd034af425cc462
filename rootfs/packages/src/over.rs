//! Packages over a system that exists already: what the lock needs to know of it, and how much of it may change.

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::Tree;
use amiforge_rootfs::package_databases::{has_dpkg, has_rpm};
use schemars::JsonSchema;
use serde::Deserialize;

/// Which packages of a system below get newer versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpgradePolicy {
    /// None but those that a new package needs newer.
    #[default]
    Keep,
    /// Those too that a suite of security updates has newer.
    Security,
    /// All that the archives have newer.
    All,
}

impl UpgradePolicy {
    /// Its text in the digest of a lock's inputs.
    pub fn lock_input(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Security => "security",
            Self::All => "all",
        }
    }
}

/// A system with a package database of its own.
#[derive(Clone, Copy)]
pub struct InstalledSystem<'a> {
    /// Its files.
    pub tree: &'a Tree,
    /// Their contents.
    pub sources: &'a dyn Sources,
    /// Which of its packages get newer versions.
    pub upgrade: UpgradePolicy,
}

impl std::fmt::Debug for InstalledSystem<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstalledSystem").field("upgrade", &self.upgrade).finish_non_exhaustive()
    }
}

/// What packages a system has that has none of the kind that was looked for: a sentence's end.
pub(crate) fn other_packages(tree: &Tree) -> String {
    let (kind, whose) = if has_dpkg(tree).unwrap_or(false) {
        ("deb", "Debian's (dpkg)")
    } else if has_rpm(tree).unwrap_or(false) {
        ("rpm", "rpm's")
    } else {
        return "no package database that is known is in it: is it the right partition?".to_owned();
    };
    format!("its packages are {whose}: take `kind = \"{kind}\"`")
}
