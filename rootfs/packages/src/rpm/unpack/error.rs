//! Why packages could not be unpacked.

use std::path::PathBuf;

use amiforge_formats::tree::Printable;
use amiforge_rootfs::steps::capability::CapabilityError;
use amiforge_store::StoreError;

use crate::rpm::file::RpmFileError;
use crate::unpack::PathStop;

/// Why packages could not be unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpmUnpackError {
    /// Interrupted by the user.
    #[error("interrupted")]
    Interrupted,
    /// A package's file cannot be used.
    #[error("reading the package {package} (`{}`)", path.display())]
    File {
        /// Name and version.
        package: String,
        /// Its file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Box<RpmFileError>,
    },
    /// The contents of a package cannot be used.
    #[error("unpacking the package {package}")]
    Package {
        /// Name and version.
        package: String,
        /// The cause.
        #[source]
        source: Box<RpmContentError>,
    },
    /// Two packages are for different machines.
    #[error(
        "{one} is for {arch} and {other} for {other_arch}: the packages of an image are for one architecture or for none (`noarch`)"
    )]
    Architectures {
        /// Name and version of a package.
        one: String,
        /// Its architecture.
        arch: String,
        /// Name and version of another.
        other: String,
        /// Its architecture.
        other_arch: String,
    },
    /// Two packages give a path, differently.
    #[error(
        "`{}` is in {earlier} and in {later}, and {difference} differs: leave one of the packages out, or the path \
         (`exclude`)",
        Printable(path)
    )]
    Conflict {
        /// The path.
        path: Vec<u8>,
        /// The package that came first.
        earlier: String,
        /// The other.
        later: String,
        /// What differs.
        difference: &'static str,
    },
    /// A path is a folder, for packages have files below it, and something else for another package.
    #[error(
        "`{}` of {package} is a {kind}, but it is a folder for another package that has files below it",
        Printable(path)
    )]
    Folder {
        /// The path.
        path: Vec<u8>,
        /// The package that has it.
        package: String,
        /// What it is in it.
        kind: &'static str,
    },
    /// An error of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the contents of a package cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpmContentError {
    /// The package is not the one in the lock.
    #[error("its {field} is `{}`, the lock says `{expected}`", Printable(actual.as_bytes()))]
    Differs {
        /// The field.
        field: &'static str,
        /// The value in the lock.
        expected: String,
        /// The value in the package.
        actual: String,
    },
    /// Another operating system.
    #[error("it is for the operating system `{}`, not for linux", Printable(os))]
    System {
        /// Its value.
        os: Vec<u8>,
    },
    /// A mode without a known type.
    #[error("`{}` has the mode {mode:o}, which is of no kind of file", Printable(path))]
    Mode {
        /// The path.
        path: Vec<u8>,
        /// The mode.
        mode: u16,
    },
    /// A symbolic link to nothing, or to what is too long.
    #[error("`{}` is a symbolic link with a target of {len} bytes", Printable(path))]
    Target {
        /// The path.
        path: Vec<u8>,
        /// Length of the target.
        len: usize,
    },
    /// Capabilities that do not parse.
    #[error("the capabilities of `{}`", Printable(path))]
    Capabilities {
        /// The path.
        path: Vec<u8>,
        /// The cause.
        #[source]
        source: CapabilityError,
    },
    /// A path that cannot be in the tree.
    #[error(transparent)]
    Path(PathStop),
    /// It gives a path twice, differently.
    #[error("it gives `{}` twice, and {difference} differs", Printable(path))]
    Twice {
        /// The path.
        path: Vec<u8>,
        /// What differs.
        difference: &'static str,
    },
}
