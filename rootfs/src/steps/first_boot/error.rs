//! Why the first boot cannot be set up.

use amiforge_formats::path::PathError;

/// Why the first boot cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FirstBootError {
    /// A path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Something that all depends on is not there.
    #[error(
        "the image has no `{path}`, which the units of the first boot need: add the package {package}, or install cloud-init"
    )]
    Needs {
        /// The program.
        path: &'static str,
        /// The package that has it on Debian.
        package: &'static str,
    },
    /// The user is none of the image.
    #[error("the image has no user `{}` for the keys of the instance", user.escape_debug())]
    NoUser {
        /// The name.
        user: String,
    },
}
