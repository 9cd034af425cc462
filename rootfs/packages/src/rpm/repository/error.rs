//! Why a repository of rpm packages cannot be used.

use std::io;
use std::path::PathBuf;

use crate::backend::RepositoryError;
use crate::signature::SignatureError;

/// Why the metadata of a repository cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepodataError {
    /// A file is not XML, or goes beyond the limits.
    #[error("`{file}` cannot be read near byte {at}: {reason}")]
    Xml {
        /// The file.
        file: String,
        /// Where, in bytes from the start of the decompressed file.
        at: u64,
        /// What is wrong.
        reason: String,
    },
    /// A file lacks something, or has a value that is none.
    #[error("`{file}` is not what it should be: {reason}")]
    Malformed {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// `repomd.xml` lists no such file.
    #[error("`repomd.xml` lists no `{kind}`; it lists {listed}")]
    NotListed {
        /// The type of data.
        kind: String,
        /// The types that it lists.
        listed: String,
    },
    /// A file is compressed in a way that is not read here.
    #[error(
        "`{file}` is compressed with {compression}, which is not read; gzip, xz, zstd and plain files are"
    )]
    Compression {
        /// The file.
        file: String,
        /// The compression.
        compression: &'static str,
    },
    /// A file cannot be decompressed.
    #[error("unpacking `{file}`")]
    Unpack {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file has another checksum or length than `repomd.xml` states.
    #[error(
        "`{file}` has {found} instead of {expected}, which `repomd.xml` states: the repository changed while it was read, or the \
         mirror is damaged; run the command again"
    )]
    Changed {
        /// The file.
        file: String,
        /// What it has.
        found: String,
        /// What it should have.
        expected: String,
    },
    /// A file that `repomd.xml` lists does not exist.
    #[error(
        "`{file}` is listed in `repomd.xml` and does not exist: the repository changed while it was read; run the command again"
    )]
    Gone {
        /// The file.
        file: String,
    },
    /// A checksum of an algorithm that cannot be relied on.
    #[error(
        "`{file}` has a checksum by `{algorithm}`, which is not relied on; sha256, sha384, sha512 and sha are read"
    )]
    Algorithm {
        /// The file.
        file: String,
        /// The algorithm.
        algorithm: String,
    },
    /// The metadata is older than that of an earlier lock.
    #[error(
        "the metadata of `{repository}` is of {found}, and the lock was made with that of {before} (seconds since 1970): the \
         mirror is behind, or goes back on purpose; name another mirror, or remove the lock if older packages are meant"
    )]
    RolledBack {
        /// The repository.
        repository: String,
        /// Its time.
        found: i64,
        /// The time in the lock.
        before: i64,
    },
    /// The signature is wrong.
    #[error("checking the signature of `{url}`")]
    Signature {
        /// Address of what is signed.
        url: String,
        /// Why.
        #[source]
        source: Box<SignatureError>,
    },
    /// There is no signature.
    #[error(
        "`{url}` does not exist, and the recipe asks for signed metadata: leave `signed-metadata` out if the repository signs \
         its packages only"
    )]
    Unsigned {
        /// Address of the signature.
        url: String,
    },
    /// There are no keys.
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
    /// The repository has modules.
    #[error(
        "`{repository}` has modules ({examples}), of which none can be enabled: give it in a `[[source.repository]]` with \
         `modules = []`, which hides their packages"
    )]
    Modules {
        /// The repository.
        repository: String,
        /// Some names.
        examples: String,
    },
    /// A list of mirrors names none.
    #[error("`{url}` names no mirror")]
    NoMirrors {
        /// Address of the list.
        url: String,
    },
    /// No mirror has the `repomd.xml` that the metalink states.
    #[error(
        "{count} mirrors were asked, and none has the `repomd.xml` that `{url}` states: they are behind; try again later"
    )]
    StaleMirrors {
        /// Address of the metalink.
        url: String,
        /// Number of mirrors.
        count: usize,
    },
    /// A package is not what the metadata says.
    #[error("`{package}` is not what the metadata of `{repository}` says: {reason}")]
    Package {
        /// Name, version and architecture.
        package: String,
        /// The repository.
        repository: String,
        /// What is wrong.
        reason: String,
    },
    /// A package is not signed by a key of the recipe.
    #[error("checking the signature of `{package}`")]
    PackageSignature {
        /// Name, version and architecture.
        package: String,
        /// Why.
        #[source]
        source: crate::error::KindError,
    },
    /// No group of this name.
    #[error("no repository has a group `{group}`{hint}")]
    NoGroup {
        /// The group.
        group: String,
        /// The groups there are, as the end of the sentence.
        hint: String,
    },
}

impl From<RepodataError> for RepositoryError {
    fn from(error: RepodataError) -> Self {
        Self::Metadata(Box::new(error))
    }
}
