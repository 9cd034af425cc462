//! Packages over a system that exists already: what the lock needs to know of it, and how much of it may change.

use amiforge_formats::path;
use amiforge_formats::plan::Sources;
use amiforge_formats::tree::Tree;
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

/// Files that only systems with packages of a kind have.
const DATABASES: [(&str, &str, &[&str]); 2] = [
    ("deb", "Debian's (dpkg)", &["/var/lib/dpkg/status"]),
    (
        "rpm",
        "rpm's",
        &[
            "/usr/lib/sysimage/rpm/rpmdb.sqlite",
            "/usr/lib/sysimage/rpm/Packages.db",
            "/var/lib/rpm/rpmdb.sqlite",
            "/var/lib/rpm/Packages.db",
            "/var/lib/rpm/Packages",
        ],
    ),
];

/// What packages a system has that has none of the kind that was looked for: a sentence's end.
pub(crate) fn other_packages(tree: &Tree) -> String {
    let has = |file: &&str| path::find(tree, file.as_bytes()).ok().flatten().is_some();
    match DATABASES.iter().find(|(_, _, files)| files.iter().any(&has)) {
        Some((kind, whose, _)) => format!("its packages are {whose}: take `kind = \"{kind}\"`"),
        None => "no package database that is known is in it: is it the right partition?".to_owned(),
    }
}
