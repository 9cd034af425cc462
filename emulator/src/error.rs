//! Reasons why the local region cannot be opened or run. Errors that a service reports to a client are
//! responses and belong to that service.

use std::io;
use std::path::PathBuf;

/// A reason why the local region cannot be opened or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder of the state cannot be read or written.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// The attempted operation: `read`, `write`, ...
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },

    /// A file of the state has invalid content.
    #[error("the local region's `{}` is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reason why the content is invalid.
        reason: String,
    },

    /// Another server has locked this folder.
    #[error("`{}` is served by another program{}", folder.display(),
        endpoint.as_ref().map(|at| format!(" at {at}")).unwrap_or_default())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The endpoint of that server, if it has written it to the lock file.
        endpoint: Option<String>,
    },

    /// A region name with characters that are not allowed.
    #[error("`{0}` is not a valid region name: it may contain lower-case letters, digits and dashes only")]
    RegionName(String),

    /// The server's port cannot be opened, or its threads cannot be started.
    #[error("cannot {doing}")]
    Start {
        /// The attempted operation.
        doing: &'static str,
        /// The error of the system call.
        source: io::Error,
    },

    /// A file of scripted faults cannot be parsed.
    #[error("cannot parse the faults in `{}`", path.display())]
    Faults {
        /// The file.
        path: PathBuf,
        /// The parse error.
        source: serde_json::Error,
    },

    /// No snapshot has this id.
    #[error("there is no snapshot `{0}`")]
    NoSnapshot(String),

    /// No local region has used the folder.
    #[error("no local region has used `{}`", .0.display())]
    NoRegion(PathBuf),

    /// No instance has this id.
    #[error("there is no instance `{0}`")]
    NoInstance(String),

    /// An instance has no TPM that could attest it.
    #[error("instance `{id}` cannot be attested: {reason}")]
    NotAttestable {
        /// The id.
        id: String,
        /// Why not.
        reason: String,
    },

    /// The snapshot is pending or failed.
    #[error("snapshot `{0}` is not completed")]
    NotCompleted(String),

    /// The folder contains a file that is not part of a local region's state.
    #[error("`{}` contains `{entry}`, which is not part of a local region's state", folder.display())]
    ForeignEntry {
        /// The folder.
        folder: PathBuf,
        /// The name of that file.
        entry: String,
    },
}

impl Error {
    /// For `map_err`: adds the attempted operation and the path.
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
