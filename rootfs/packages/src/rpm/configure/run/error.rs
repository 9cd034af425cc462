//! Why the packages' scripts were not run.

use std::io;

use amiforge_formats::path::PathError;
use amiforge_sandbox::SandboxError;

use crate::rpm::configure::owners::RpmOwnerError;
use crate::rpm::configure::plan::RpmPlanError;

/// Why the packages' scripts were not run, or what came of it cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpmRunError {
    /// Scripts that cannot be read.
    #[error(transparent)]
    Plan(#[from] RpmPlanError),
    /// A script in Lua, and no rpm.
    #[error(
        "{slot} of the package `{package}` is in Lua, which rpm runs, and no package brings `/usr/bin/rpm`: add the package `rpm`, \
         or set `scripts = \"native\"`"
    )]
    NoLua {
        /// The package.
        package: String,
        /// Which script.
        slot: &'static str,
    },
    /// An owner that does not exist.
    #[error(transparent)]
    Owner(RpmOwnerError),
    /// A file of the tree that cannot be read or written.
    #[error(transparent)]
    Tree(PathError),
    /// Modules of kernels.
    #[error("reading kernel modules")]
    Modules(#[source] io::Error),
    /// A script that failed, or the sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

impl From<RpmRunError> for SandboxError {
    fn from(error: RpmRunError) -> Self {
        match error {
            RpmRunError::Sandbox(error) => error,
            other => Self::Content {
                what: "preparing the scripts of the packages".to_owned(),
                source: io::Error::other(other),
            },
        }
    }
}
