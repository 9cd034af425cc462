//! Why a set of packages is not available, as messages for users.

use crate::deb::relation::RelationError;

/// Why a set of packages cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// A text that is not a request for a package.
    #[error("`{0}` is not `name`, `name:arch`, `name=version` or `name/suite`")]
    NotARequest(String),
    /// No suite has the package.
    #[error("no suite has a package `{name}`{hint}")]
    UnknownPackage {
        /// The requested name.
        name: String,
        /// A suggestion with the text that introduces it; or nothing.
        hint: String,
    },
    /// The package is there, but not in that version.
    #[error("`{name}` is not available in version `{required}`: there is {available}")]
    NoVersion {
        /// Name of the package.
        name: String,
        /// The requested version.
        required: String,
        /// The versions that there are.
        available: String,
    },
    /// The package is there, but not in that suite.
    #[error("`{name}` is not in the suite `{required}`, but in {available}")]
    NotInSuite {
        /// Name of the package.
        name: String,
        /// The requested suite.
        required: String,
        /// The suites that have it.
        available: String,
    },
    /// Pins leave no version of it.
    #[error("`{name}` has no version that may be installed: its pins are all below 0")]
    PinnedAway {
        /// Name of the package.
        name: String,
    },
    /// Only provided by others, and by several.
    #[error("`{name}` is provided by several packages: name one of {providers}")]
    Ambiguous {
        /// The virtual package.
        name: String,
        /// Those that provide it.
        providers: String,
    },
    /// Requested and left out at once.
    #[error("`{0}` is both requested and left out by `without`: remove one of the two")]
    RequestedAndExcluded(String),
    /// A field of the archive that cannot be read.
    #[error("`{field}` of {package} in the archive cannot be read")]
    Relation {
        /// Name and version of the package.
        package: String,
        /// Name of the field.
        field: &'static str,
        /// The cause.
        source: RelationError,
    },
    /// Dependencies that cannot be met together: the chain of reasons, one to a line, each after what led to it.
    #[error("these packages cannot be installed together:\n{}", .reasons.join("\n"))]
    Unsolvable {
        /// The reasons: indented by two blanks for each step that leads there.
        reasons: Vec<String>,
    },
}
