//! Why the local region cannot be opened or run. Errors of its services are answers, not errors: they stand with them.

use std::io;
use std::path::PathBuf;

/// Why the local region cannot be opened or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder of the state cannot be read or written.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// What was tried: `read`, `write`, ...
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A file of the state does not hold what it should.
    #[error("the local region's `{}` is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// Another server serves this folder.
    #[error("`{}` is served by another program{}", folder.display(),
        endpoint.as_ref().map(|at| format!(" at {at}")).unwrap_or_default())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// Where that server listens, if it said so yet.
        endpoint: Option<String>,
    },

    /// The name of a region that cannot be one.
    #[error("`{0}` is no name of a region: lower-case letters, digits and dashes only")]
    RegionName(String),

    /// The server's port cannot be opened, or its threads cannot be started.
    #[error("cannot {doing}")]
    Start {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },

    /// A file of scripted faults cannot be understood.
    #[error("cannot understand the faults in `{}`", path.display())]
    Faults {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },

    /// No snapshot of this name.
    #[error("there is no snapshot `{0}`")]
    NoSnapshot(String),

    /// A snapshot that has not got all its blocks, or failed.
    #[error("snapshot `{0}` is not completed")]
    NotCompleted(String),

    /// A folder that holds something else than a local region's state.
    #[error("`{}` holds `{entry}`, which is none of a local region's", folder.display())]
    ForeignEntry {
        /// The folder.
        folder: PathBuf,
        /// A name in it.
        entry: String,
    },
}

impl Error {
    /// For `map_err`: what was tried on which path.
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
