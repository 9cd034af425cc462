//! The tree as scripts of rpm packages meet it.

use std::collections::BTreeSet;

use crate::configure::effects::system::TargetSystem;
use crate::rpm::package::UnpackedRpm;

/// The effects that a script is allowed to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RpmScriptScope {
    /// Everything.
    All,
    /// Make users and groups.
    Accounts,
}

/// The system that is being configured.
pub(super) struct RpmSystem<'a> {
    pub(super) system: TargetSystem<'a>,
    pub(super) scope: RpmScriptScope,
    /// Names of all packages.
    pub(super) installed: BTreeSet<&'a str>,
    /// Units that presets decide about, in the order in which scripts name them.
    pub(super) presets: Vec<String>,
}

impl<'a> RpmSystem<'a> {
    pub(super) fn new(system: TargetSystem<'a>, packages: &'a [UnpackedRpm]) -> Self {
        let installed = packages.iter().map(|package| package.locked.name.as_str()).collect();
        Self { system, scope: RpmScriptScope::All, installed, presets: Vec::new() }
    }
}
