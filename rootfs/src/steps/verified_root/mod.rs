//! Makes a tree fit to be a root that dm-verity checks, which cannot be written to: mount points, what programs would write at a
//! boot, folders that move to `/var`, and the programs that make a data partition. Then asserts the profile on it.
//!
//! Modules: `prepare` (changes the tree), `profile` (rules of both profiles), `entrances` (ways to get in), `passwords`.
//! Does not know partitions or the command line. Runs after normalization, as the last step but the boot files.

mod entrances;
pub(super) mod error;
mod passwords;
mod prepare;
mod profile;
#[cfg(test)]
mod tests;

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

use super::error::StepError;

pub use self::error::{VerifiedRootError, Violation};

/// The name of the data partition in the partition table, by which the first program of the machine finds it, on the disk of the
/// root, else on another.
pub const DATA_PARTITION: &str = "amiforge-data";

/// The attribute of a data partition that is to be formatted: bit 48, the first that a type of partition may define.
pub const DATA_TO_FORMAT: u64 = 1 << 48;

/// What is asserted on a verified root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// The root is verified and read-only.
    Verity,
    /// Nobody gets into the machine either: no login, no remote access, no agent that takes commands, no password.
    Attestable,
}

/// Where a folder of the verified root is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// Nowhere: it is read-only.
    None,
    /// In memory, empty at every boot.
    Tmpfs,
    /// On the data partition, kept over boots and versions of the image.
    Data,
}

/// A verified root.
#[derive(Debug, Clone, Copy)]
pub struct VerifiedRootSpec<'a> {
    /// What is asserted.
    pub profile: Profile,
    /// Where `/etc` is written to.
    pub etc: Medium,
    /// Where `/var` is written to.
    pub var: Medium,
    /// Mount points of partitions, whose folders stay in their places.
    pub mounts: &'a [&'a str],
    /// Whether the disk has a data partition.
    pub has_data: bool,
    /// The modification time of all that is made.
    pub time: Time,
}

impl Profile {
    /// The word of recipes.
    pub fn word(self) -> &'static str {
        match self {
            Self::Verity => "verity",
            Self::Attestable => "attestable",
        }
    }
}

/// Prepares the tree and asserts the profile on it; gives warnings about what the machine will not be able to do.
///
/// # Errors
/// [`StepError::VerifiedRoot`]: a path cannot be changed, or the tree violates the profile; then every violation is named.
pub fn apply(
    tree: &mut Tree,
    sources: &dyn Sources,
    spec: &VerifiedRootSpec<'_>,
) -> Result<Vec<String>, StepError> {
    let warnings = prepare::prepare(tree, sources, spec)?;
    let violations = profile::violations(tree, sources, spec).map_err(StepError::VerifiedRoot)?;
    if violations.is_empty() {
        return Ok(warnings);
    }
    Err(StepError::VerifiedRoot(VerifiedRootError::Profile { profile: spec.profile.word(), violations }))
}
