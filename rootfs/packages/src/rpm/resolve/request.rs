//! A request to the resolver, and its answer: plain data.

use crate::locked::{LockReason, PackageId};

/// A package that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedRpm {
    /// `name`, `name.arch`, `name-version`, `name-version-release`, each with an epoch before the version or `.arch` at the end, `*`
    /// and `?` as in a shell; or what a package provides; or a path.
    pub text: String,
    /// Whether the request fails without it.
    pub need: RequestNeed,
    /// Asked for only where a package of this name comes as well (a *conditional* member of a group).
    pub condition: Option<String>,
    /// The reason that the lock gives for it: [`LockReason::Named`], or [`LockReason::Base`] for members of groups.
    pub reason: LockReason,
}

impl RequestedRpm {
    /// A package that the recipe names.
    pub fn named(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            need: RequestNeed::Required,
            condition: None,
            reason: LockReason::Named,
        }
    }
}

/// Whether a request fails without a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestNeed {
    /// It fails.
    Required,
    /// It fails where there is such a package and it cannot be installed: as dnf has it for *mandatory* and *default* members of
    /// a group.
    IfThereIsOne,
    /// It goes on without it: as dnf has it for *optional* members of a group.
    IfPossible,
}

/// What happens to packages that are installed already.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum InstalledPolicy {
    /// They stay in their version unless a request cannot be met with it.
    #[default]
    Keep,
    /// All of them get the newest version.
    Update,
    /// Packages of these names get the newest version, such as those that advisories name; the others stay.
    UpdateNamed(Vec<String>),
}

impl InstalledPolicy {
    /// Whether an installed package of that name is to be updated.
    pub(in crate::rpm) fn updates(&self, name: &str) -> bool {
        match self {
            Self::Keep => false,
            Self::Update => true,
            Self::UpdateNamed(names) => names.iter().any(|known| known == name),
        }
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmRequest {
    /// The packages, in the order in which they choose.
    pub packages: Vec<RequestedRpm>,
    /// Whether weak dependencies come along (*Recommends*, *Supplements*): dnf's `install_weak_deps`.
    pub weak: bool,
    /// Whether a requested package must have its best version: dnf's `best`.
    pub best: bool,
    /// Packages (`name` or `name.arch`, `*` and `?` as in a shell) that must not come, even where another package wants them.
    pub without: Vec<String>,
    /// Versions of an earlier lock: preferred where they are still available and fit.
    pub prefer: Vec<PackageId>,
    /// What happens to packages that are installed already (see [`super::RpmUniverse::on_top_of`]).
    pub installed: InstalledPolicy,
}

/// A package of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChosenRpm {
    /// Its index in [`super::RpmUniverse::packages`].
    pub index: usize,
    /// Why it is there.
    pub reason: LockReason,
}
