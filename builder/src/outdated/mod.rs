//! What is newer than a lock: packages in the recipe's archives, security updates among them, AMIs that are named by what can
//! mean another one, and sources of stages as far as that can be seen without fetching them. Writes nothing but the archives' indexes, into the store.

mod images;
mod json;
pub(crate) mod markdown;
mod packages;
mod sources;
mod tags;

pub use json::{HeldBackJson, PackageChanges, PackageJson, SourceJson};
pub use markdown::outdated_summary;
pub use packages::{HeldBack, PackageChange, held_back, held_back_below, package_changes};
pub use sources::{PinnedBy, SourceState, SourceStatus};

use amiforge_packages::PackageSource;
use amiforge_packages::backend::Backend;

use crate::fetch::Fetcher;
use crate::lock::resolve;
use crate::lock::{Lock, LockError};
use crate::recipe::Recipe;

/// What is newer than a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outdated {
    /// The packages that a new lock would change, by owner and name.
    pub packages: Vec<PackageChange>,
    /// The packages for which a suite of security updates has a newer version than a new lock would take.
    pub held_back: Vec<HeldBack>,
    /// The AMIs that the recipe names by a parameter or by a name, then the sources of stages, in the order of the recipe.
    pub sources: Vec<SourceStatus>,
    /// The suites of security updates that the recipe takes packages from, as `ARCHIVE SUITE`.
    pub security_suites: Vec<String>,
}

/// Which differences count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All that a new lock would change, and security updates that are held back.
    All,
    /// Packages that a suite of security updates has a newer version of.
    Security,
}

impl Outdated {
    /// Compares a lock with what the archives and the locations of sources have now.
    ///
    /// # Errors
    /// [`LockError`] when the archives cannot be read, or no set of their packages meets the recipe. A source or an AMI that cannot
    /// be reached is [`SourceState::Unknown`].
    pub fn find(recipe: &Recipe, lock: &Lock, fetcher: &Fetcher<'_>) -> Result<Self, LockError> {
        let (now, below) = resolve::choose_and_look_below(recipe, lock, fetcher)?;
        let backend = recipe.packages.as_ref().map(PackageSource::backend);
        let mut held_back = held_back(&now.lock, &now.records);
        held_back.extend(below.map(|below| held_back_below(&now.lock, &below)).unwrap_or_default());
        let mut statuses = images::statuses(recipe, lock, fetcher);
        statuses.extend(sources::statuses(recipe, lock, fetcher));
        Ok(Self {
            packages: package_changes(Some(lock), &now.lock, &now.records),
            held_back,
            sources: statuses,
            security_suites: backend.map(Backend::security_suites).unwrap_or_default(),
        })
    }

    /// The number of differences that count.
    pub fn count(&self, scope: Scope) -> usize {
        let security = self.security().count() + self.held_back.len();
        match scope {
            Scope::Security => security,
            Scope::All => {
                let sources = self.sources.iter().filter(|source| source.would_change()).count();
                self.packages.len() + self.held_back.len() + sources
            }
        }
    }

    /// The packages whose change takes a security update.
    pub fn security(&self) -> impl Iterator<Item = &PackageChange> {
        self.packages.iter().filter(|package| package.security.is_some())
    }
}
