//! Why packages could not be configured without running their scripts.

use amiforge_formats::path::PathError;

use crate::rpm::configure::owners::RpmOwnerError;
use crate::rpm::configure::plan::RpmPlanError;

/// Why packages could not be configured without running their scripts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpmNativeError {
    /// Scripts that cannot be read.
    #[error(transparent)]
    Plan(#[from] RpmPlanError),
    /// A file without an owner.
    #[error(transparent)]
    Owner(#[from] RpmOwnerError),
    /// A file of the tree that cannot be read.
    #[error(transparent)]
    Tree(PathError),
    /// Modules of kernels.
    #[error("reading kernel modules")]
    Modules(#[source] std::io::Error),
    /// Interrupted by the user.
    #[error("interrupted")]
    Interrupted,
}
