//! Why the first boot cannot be set up.

use amiforge_formats::path::PathError;

/// Why the first boot cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FirstBootError {
    /// A path cannot be resolved or written.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A program that all units need does not exist.
    #[error(
        "the image has no `{path}`, which the units of the first boot need: add the package {package}, or install cloud-init"
    )]
    Needs {
        /// Path of the program.
        path: &'static str,
        /// The package of Debian that has it.
        package: &'static str,
    },
    /// The image does not have the user.
    #[error("the image has no user `{}` for the keys of the instance", user.escape_debug())]
    NoUser {
        /// The name.
        user: String,
    },
}
