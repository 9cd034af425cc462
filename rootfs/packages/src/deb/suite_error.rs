//! Why a suite of an archive cannot be used.

use std::io;
use std::path::PathBuf;

use super::index::IndexError;
use super::release::ReleaseError;
use crate::backend::RepositoryError;
use crate::signature::SignatureError;

/// Why a suite cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuiteError {
    /// There are no keys to verify the signature with.
    #[error("{0}")]
    Keys(String),
    /// A file of keys cannot be read.
    #[error("reading the keys in `{}`", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The signature is invalid.
    #[error("checking the signature of `{url}`")]
    Signature {
        /// Its address.
        url: String,
        /// Why.
        #[source]
        source: Box<SignatureError>,
    },
    /// There is no signature.
    #[error(
        "`{url}` does not exist, and the Release has no detached signature: this archive is unsigned; \
         `trusted = true` in a `[[source.archive]]` takes it all the same"
    )]
    Unsigned {
        /// Address of the signed Release.
        url: String,
    },
    /// The Release file is invalid or expired.
    #[error("checking `{url}`")]
    Release {
        /// Its address.
        url: String,
        /// Why.
        #[source]
        source: Box<ReleaseError>,
    },
    /// The suite has no such index.
    #[error(
        "there is no index of `{component}` for `{arch}`; the suite has the components {components} for {arches}"
    )]
    NoIndex {
        /// The component.
        component: String,
        /// The architecture.
        arch: String,
        /// The components of the suite.
        components: String,
        /// The architectures of the suite.
        arches: String,
    },
    /// An index cannot be decompressed.
    #[error("unpacking `{path}`")]
    Unpack {
        /// Its path in the suite.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An index cannot be parsed.
    #[error("reading `{path}`")]
    Index {
        /// Its path in the suite.
        path: String,
        /// Why.
        #[source]
        source: IndexError,
    },
}

impl From<SuiteError> for RepositoryError {
    fn from(error: SuiteError) -> Self {
        Self::Metadata(Box::new(error))
    }
}
