//! Why a set of rpm packages cannot be had, as messages for users.

/// Why a set of packages cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RpmResolveError {
    /// No repository has it.
    #[error("no repository has a package `{name}`, nor one that provides it{hint}")]
    UnknownPackage {
        /// The request.
        name: String,
        /// A suggestion with the text that introduces it; or nothing.
        hint: String,
    },
    /// There is such a package, but for other architectures or under `without` only.
    #[error("`{name}` cannot be installed: {why}")]
    NotUsable {
        /// The request.
        name: String,
        /// The reason.
        why: String,
    },
    /// Only a list of all files can say who has these paths: read `filelists` of every repository and resolve again
    /// ([`super::RpmUniverse::with_complete_files`]).
    #[error("the lists of all files are needed for {}", .0.join(", "))]
    NeedsFileLists(Vec<String>),
    /// A boolean relation that stands for too many combinations.
    #[error("`{relation}` of {package} stands for too many combinations of packages")]
    TooManyCombinations {
        /// Whose it is.
        package: String,
        /// The relation.
        relation: String,
    },
    /// No end was found within the limit of steps.
    #[error("no choice of packages was found within {0} steps: name fewer alternatives")]
    TooManySteps(usize),
    /// Relations that cannot be met together: the chain of reasons, one to a line, each after what led to it.
    #[error("these packages cannot be installed together:\n{}", .reasons.join("\n"))]
    Unsolvable {
        /// The reasons: indented by two blanks for each step that leads there.
        reasons: Vec<String>,
    },
}
