//! Relations between rpm packages, boolean ones among them (rpm, `docs/man/rpm-dependencies.7` and `rich dependencies`).

mod parse;

pub use parse::RpmRelationError;

use std::cmp::Ordering;
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

    fn admits_lesser(self) -> bool {
        matches!(self, Self::Less | Self::LessOrEqual)
    }

    fn admits_equal(self) -> bool {
        matches!(self, Self::LessOrEqual | Self::Equal | Self::GreaterOrEqual)
    }

    fn admits_greater(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterOrEqual)
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

impl RpmCapability {
    /// Whether something that is offered as `self` answers what is wanted as `wanted`: the names are the same and the two ranges
    /// of versions have one in common. Where one of the two has no versions, the name is enough (rpm, `rpmdsCompare`).
    pub fn answers(&self, wanted: &Self) -> bool {
        self.name == wanted.name && self.versions_meet(wanted)
    }

    /// [`Self::answers`], of the versions alone.
    pub(super) fn versions_meet(&self, wanted: &Self) -> bool {
        match (&self.versions, &wanted.versions) {
            (Some(offered), Some(wanted)) => ranges_meet(offered, wanted),
            _ => true,
        }
    }
}

/// Whether two ranges of versions have one in common. A version without a release stands for all its releases.
fn ranges_meet(offered: &(VersionComparison, Evr), wanted: &(VersionComparison, Evr)) -> bool {
    let ((offers, offered), (wants, wanted)) = (offered, wanted);
    if offers.admits_lesser() && wants.admits_lesser() || offers.admits_greater() && wants.admits_greater() {
        return true;
    }
    match offered.compare(wanted) {
        Ordering::Less => wants.admits_lesser() || offers.admits_greater(),
        Ordering::Greater => wants.admits_greater() || offers.admits_lesser(),
        Ordering::Equal => match (&offered.release, &wanted.release) {
            (None, Some(_)) => offers.admits_equal(),
            (Some(_), None) => wants.admits_equal(),
            _ => offers.admits_equal() && wants.admits_equal(),
        },
    }
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

impl RpmDependency {
    /// Every capability that it names, from left to right.
    pub fn capabilities(&self) -> Vec<&RpmCapability> {
        let mut found = Vec::new();
        let mut open = vec![self];
        while let Some(dependency) = open.pop() {
            match dependency {
                Self::Capability(capability) => found.push(capability),
                _ => open.extend(dependency.operands().into_iter().rev()),
            }
        }
        found
    }

    /// Its parts, from left to right; none of a capability.
    fn operands(&self) -> Vec<&Self> {
        match self {
            Self::Capability(_) => Vec::new(),
            Self::And(all) | Self::Or(all) => all.iter().collect(),
            Self::If { then, condition, otherwise } | Self::Unless { then, condition, otherwise } => {
                [&**then, &**condition].into_iter().chain(otherwise.as_deref()).collect()
            }
            Self::With(one, other) | Self::Without(one, other) => vec![one, other],
        }
    }

    /// The words between its parts.
    fn word(&self) -> &'static str {
        match self {
            Self::Capability(_) => "",
            Self::And(_) => " and ",
            Self::Or(_) => " or ",
            Self::If { .. } => " if ",
            Self::Unless { .. } => " unless ",
            Self::With(..) => " with ",
            Self::Without(..) => " without ",
        }
    }
}

/// As rpm writes it: `(a if (b or c) else d)`.
impl fmt::Display for RpmDependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Capability(capability) = self {
            return capability.fmt(f);
        }
        f.write_str("(")?;
        for (index, operand) in self.operands().into_iter().enumerate() {
            let conditional = matches!(self, Self::If { .. } | Self::Unless { .. });
            f.write_str(match index {
                0 => "",
                2 if conditional => " else ",
                _ => self.word(),
            })?;
            operand.fmt(f)?;
        }
        f.write_str(")")
    }
}
