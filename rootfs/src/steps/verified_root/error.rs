//! Why a tree cannot be a verified root.

use std::fmt;

use amiforge_formats::path::PathError;

use crate::steps::units::UnitError;

/// Why a tree cannot be a verified root.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifiedRootError {
    /// A path cannot be resolved or written.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The units cannot be read.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// A program that the first program of the machine runs does not exist.
    #[error(
        "the data partition is made and repaired by `{path}`, which the image does not have: add the package {package}"
    )]
    Needs {
        /// Path of the program.
        path: &'static str,
        /// The package of Debian that has it.
        package: &'static str,
    },
    /// The tree violates its profile.
    #[error("the image is not as the profile `{profile}` requires:{}", lines(violations))]
    Profile {
        /// The profile.
        profile: &'static str,
        /// Everything that is wrong.
        violations: Vec<Violation>,
    },
}

fn lines(violations: &[Violation]) -> String {
    violations.iter().map(|violation| format!("\n  {violation}")).collect()
}

/// Something in the tree that its profile forbids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The file, unit or account, and what is wrong with it.
    pub fact: String,
    /// What to write in the recipe.
    pub remedy: String,
}

impl Violation {
    pub(super) fn new(fact: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { fact: fact.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.fact, self.remedy)
    }
}
