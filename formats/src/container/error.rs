//! Why the file of a disk image cannot be read.

use std::io;

/// Why a container cannot be opened, or a part of it not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// The file could not be read.
    #[error("reading the {kind} file at byte {at}")]
    Io {
        /// The format.
        kind: &'static str,
        /// First byte of the range.
        at: u64,
        /// The error of the medium.
        #[source]
        source: io::Error,
    },
    /// It uses something that is not read.
    #[error("the {kind} file {feature}; {remedy}")]
    Unsupported {
        /// The format.
        kind: &'static str,
        /// What it uses, such as `has the backing file ...`.
        feature: String,
        /// How to make a file that is read.
        remedy: &'static str,
    },
    /// Its structures contradict each other, or the length of the file.
    #[error("the {kind} file is damaged: {what}")]
    Damaged {
        /// The format.
        kind: &'static str,
        /// What is wrong.
        what: String,
    },
}

/// How to make a file of any format self-contained.
pub(super) const FLATTEN: &str = "make one that holds everything: `qemu-img convert -O qcow2 FILE NEW`";

/// Names a format in errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct ErrorsOf(pub(super) &'static str);

impl ErrorsOf {
    /// A medium that failed at byte `at`.
    pub(super) fn io(self, at: u64) -> impl Fn(io::Error) -> ContainerError {
        move |source| ContainerError::Io { kind: self.0, at, source }
    }

    /// Structures that contradict each other.
    pub(super) fn damaged(self, what: impl Into<String>) -> ContainerError {
        ContainerError::Damaged { kind: self.0, what: what.into() }
    }

    /// A feature that is refused, with the usual remedy.
    pub(super) fn unsupported(self, feature: impl Into<String>) -> ContainerError {
        ContainerError::Unsupported { kind: self.0, feature: feature.into(), remedy: FLATTEN }
    }
}

/// A damage that is only found when a part of the disk is read.
pub(super) fn invalid(error: ContainerError) -> io::Error {
    match error {
        ContainerError::Io { source, .. } => source,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}
