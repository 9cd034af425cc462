//! Relations between rpm packages, boolean ones among them (rpm, `docs/man/rpm-dependencies.7` and `rich dependencies`).

use std::fmt;

use super::evr::Evr;

/// How versions must compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VersionComparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `=`
    Equal,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
}

impl VersionComparison {
    /// Its sign.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
        }
    }
}

/// A name with the versions that it is of: what a package provides, or a plain relation to it. A name that begins with `/`
/// is a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RpmCapability {
    /// The name.
    pub name: String,
    /// The versions; any where it is missing.
    pub versions: Option<(VersionComparison, Evr)>,
}

impl fmt::Display for RpmCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.versions.as_ref().map_or(Ok(()), |(comparison, evr)| write!(f, " {} {evr}", comparison.sign()))
    }
}

/// What a package needs, wants or excludes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RpmDependency {
    /// One capability.
    Capability(RpmCapability),
    /// All of them: `(A and B)`.
    And(Vec<RpmDependency>),
    /// Any of them: `(A or B)`.
    Or(Vec<RpmDependency>),
    /// `(A if B)`, `(A if B else C)`.
    If {
        /// Needed where the condition holds.
        then: Box<RpmDependency>,
        /// The condition.
        condition: Box<RpmDependency>,
        /// Needed where it does not.
        otherwise: Option<Box<RpmDependency>>,
    },
    /// `(A unless B)`, `(A unless B else C)`.
    Unless {
        /// Needed where the condition does not hold.
        then: Box<RpmDependency>,
        /// The condition.
        condition: Box<RpmDependency>,
        /// Needed where it does.
        otherwise: Option<Box<RpmDependency>>,
    },
    /// One package that provides both: `(A with B)`.
    With(Box<RpmDependency>, Box<RpmDependency>),
    /// A package that provides the first and not the second: `(A without B)`.
    Without(Box<RpmDependency>, Box<RpmDependency>),
}
