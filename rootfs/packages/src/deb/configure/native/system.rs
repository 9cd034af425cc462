//! The tree as Debian's scripts meet it: what every script has, and what dpkg and debconf know.

use std::collections::{BTreeMap, BTreeSet};

use crate::configure::effects::system::TargetSystem;
use crate::deb::diversions::Diversion;

/// The effects that a script is allowed to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScriptScope {
    /// Everything.
    All,
    /// Answer the questions of debconf.
    Answers,
    /// Make users and groups.
    Accounts,
}

/// The system that is being configured.
pub(super) struct DebSystem<'a> {
    /// The tree.
    pub(super) system: TargetSystem<'a>,
    /// The package of the script.
    pub(super) package: String,
    /// The architecture of that package, or of the system for packages of all.
    pub(super) arch: String,
    /// The architecture of the system.
    pub(super) native: String,
    /// Names of all packages.
    pub(super) installed: BTreeSet<String>,
    /// Every path that a package owns, as dpkg lists them.
    pub(super) owned: BTreeSet<&'a [u8]>,
    /// Answers to questions of debconf: what templates have as default, or scripts have set; none where that is not
    /// known.
    pub(super) answers: BTreeMap<String, Option<String>>,
    /// Diversions in force.
    pub(super) diversions: Vec<Diversion>,
    /// Overrides of owner and mode: path, then user, group and mode as dpkg writes them.
    pub(super) overrides: BTreeMap<String, (String, String, String)>,
    /// The effects that the script is allowed to have.
    pub(super) scope: ScriptScope,
}
