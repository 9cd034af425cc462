//! Why packages could not be unpacked.

use std::io;
use std::path::PathBuf;

use amiforge_formats::tree::Printable;
use amiforge_store::StoreError;

use crate::deb::control::ControlError;
use crate::deb::file::DebError;
use crate::unpack::PathStop;
use amiforge_rootfs::sources::tar::TarError;

/// Why packages could not be unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// Interrupted by the user.
    #[error("interrupted")]
    Interrupted,
    /// A package's file cannot be used.
    #[error("reading the package {package} (`{}`)", path.display())]
    Deb {
        /// Name and version.
        package: String,
        /// Its file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Box<DebError>,
    },
    /// The contents of a package cannot be used.
    #[error("unpacking the package {package}")]
    Package {
        /// Name and version.
        package: String,
        /// The cause.
        #[source]
        source: Box<PackageContentError>,
    },
    /// Two packages give a path.
    #[error(
        "`/{}` is in {earlier} and in {later}, and neither replaces or diverts the other's: leave one of them out \
         (`without`)",
        Printable(path)
    )]
    Conflict {
        /// The path.
        path: Vec<u8>,
        /// The package that came first.
        earlier: String,
        /// The other.
        later: String,
    },
    /// A package of two architectures gives a path twice, differently.
    #[error(
        "`/{}` differs between {earlier} and {later}, which may be there together only if it is the same: take the \
         package for one architecture",
        Printable(path)
    )]
    Shared {
        /// The path.
        path: Vec<u8>,
        /// The package that came first.
        earlier: String,
        /// The same for another architecture.
        later: String,
    },
    /// An error of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the contents of a package cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageContentError {
    /// No control file.
    #[error("it has no file `control`")]
    NoControl,
    /// The control file does not parse.
    #[error("reading its file `control`")]
    Fields(#[source] ControlError),
    /// The package is not the one in the lock.
    #[error("its field {field} is `{}`, the lock says `{expected}`", Printable(actual.as_bytes()))]
    Differs {
        /// The field.
        field: &'static str,
        /// The value in the lock.
        expected: String,
        /// The value in the package.
        actual: String,
    },
    /// The control archive is malformed.
    #[error("reading its control archive")]
    Control(#[source] TarError),
    /// The data archive is malformed.
    #[error("reading its data archive")]
    Data(#[source] TarError),
    /// A member of the control archive is too long.
    #[error("its file `{name}` has {len} bytes, allowed are {max}")]
    TooLong {
        /// Its name.
        name: String,
        /// Its length.
        len: u64,
        /// The bound.
        max: u64,
    },
    /// A member of the control archive has holes.
    #[error("its file `{name}` is sparse, which no package's control file is")]
    Sparse {
        /// Its name.
        name: String,
    },
    /// Unpacked content cannot be read.
    #[error("reading it from the store")]
    Read(#[source] io::Error),
    /// A line of `conffiles`.
    #[error("the line `{}` of its file `conffiles` is no absolute path", Printable(line))]
    Conffile {
        /// The line.
        line: Vec<u8>,
    },
    /// A line of `triggers`.
    #[error("the line `{}` of its file `triggers` is no directive and name", Printable(line))]
    Trigger {
        /// The line.
        line: Vec<u8>,
    },
    /// A path that leads through something that is no directory.
    #[error("`/{}` leads through `/{}`, a {kind} of {owner}", Printable(path), Printable(through))]
    Through {
        /// The path.
        path: Vec<u8>,
        /// The path of the obstacle.
        through: Vec<u8>,
        /// Its kind.
        kind: &'static str,
        /// The package that it belongs to.
        owner: String,
    },
    /// Links without end, or out of the root.
    #[error("`/{}` leads through symlinks without end", Printable(path))]
    Loop {
        /// The path.
        path: Vec<u8>,
    },
    /// A path that cannot be in a tree.
    #[error(transparent)]
    Path(PathStop),
    /// The package gives a path twice.
    #[error("it gives `/{}` twice, differently", Printable(path))]
    Twice {
        /// The path.
        path: Vec<u8>,
    },
    /// A hard link to nothing.
    #[error(
        "`/{}` is a hard link to `/{}`, which it does not hold as a file",
        Printable(path),
        Printable(target)
    )]
    Link {
        /// The path.
        path: Vec<u8>,
        /// The target.
        target: Vec<u8>,
    },
}
