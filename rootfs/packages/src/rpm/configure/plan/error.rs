//! Why an installation cannot be planned.

use crate::rpm::configure::scripts::RpmScriptError;

/// Why an installation cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RpmPlanError {
    /// The scripts of a package.
    #[error("the package `{package}`")]
    Scripts {
        /// The package.
        package: String,
        /// What is wrong with them.
        #[source]
        source: RpmScriptError,
    },
    /// File triggers are given too much.
    #[error("file triggers of the packages would read more than {most} bytes of paths")]
    Input {
        /// The limit.
        most: usize,
    },
}
