//! Relations between packages: the values of Depends, Conflicts, Provides and similar fields (Debian Policy 7.1).
//! Knows no package: only how relations are written and which versions they admit.

use std::cmp::Ordering;
use std::fmt;

use amiforge_rootfs::version;

/// Why a text is no relation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelationError {
    /// No name, or characters that no name has.
    #[error("`{0}` does not begin with a package name")]
    NotAName(String),
    /// A version restriction that is none.
    #[error("`{0}` has a restriction that is no `(<operator> <version>)`")]
    NotARestriction(String),
}

/// Operator of a version constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`
    LaterOrEqual,
    /// `>>`
    Later,
}

impl Operator {
    /// As it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Earlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::Later => ">>",
        }
    }

    fn admits(self, order: Ordering) -> bool {
        match self {
            Self::Earlier => order.is_lt(),
            Self::EarlierOrEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::LaterOrEqual => order.is_ge(),
            Self::Later => order.is_gt(),
        }
    }
}

/// One package name with its constraints: `libc6:any (>= 2.36)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation<'a> {
    /// Name of a package, real or virtual.
    pub name: &'a str,
    /// The text after the colon: an architecture, `any` or `native`.
    pub arch: Option<&'a str>,
    /// The versions that are meant; none means any.
    pub restriction: Option<(Operator, &'a str)>,
}

impl Relation<'_> {
    /// Whether a package of this version is meant. A virtual package without version (`None`) is not meant by a
    /// relation that requires one.
    pub fn admits(&self, version: Option<&str>) -> bool {
        match (self.restriction, version) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some((operator, required)), Some(version)) => {
                operator.admits(version::compare(version, required))
            }
        }
    }
}

impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if let Some(arch) = self.arch {
            write!(f, ":{arch}")?;
        }
        self.restriction.map_or(Ok(()), |(operator, version)| write!(f, " ({} {version})", operator.sign()))
    }
}

/// The groups of a field, separated by commas; each a list of alternatives, separated by bars. Empty groups are left
/// out, as dpkg leaves them out. Architecture lists and build profiles (of sources) are no part of it.
pub fn groups(value: &str) -> impl Iterator<Item = Result<Vec<Relation<'_>>, RelationError>> {
    value
        .split(',')
        .filter(|group| !group.trim().is_empty())
        .map(|group| group.split('|').map(relation).collect())
}

/// One relation.
pub fn relation(text: &str) -> Result<Relation<'_>, RelationError> {
    let text = text.trim();
    let end = text.find(|c: char| c == '(' || c.is_whitespace()).unwrap_or(text.len());
    let (full, rest) = text.split_at(end);
    let (name, arch) = full.split_once(':').map_or((full, None), |(name, arch)| (name, Some(arch)));
    if !is_name(name) || arch.is_some_and(|arch| !is_name(arch)) {
        return Err(RelationError::NotAName(excerpt(text)));
    }
    let restriction = match rest.trim_start() {
        "" => None,
        rest => Some(restriction(rest).ok_or_else(|| RelationError::NotARestriction(excerpt(text)))?),
    };
    Ok(Relation { name, arch, restriction })
}

/// Whether a text can be the name of a package or of an architecture.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte))
}

fn restriction(text: &str) -> Option<(Operator, &str)> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?.trim();
    // `<` and `>` alone are old spellings of `<=` and `>=`.
    let signs = [
        ("<<", Operator::Earlier),
        ("<=", Operator::EarlierOrEqual),
        (">=", Operator::LaterOrEqual),
        (">>", Operator::Later),
        ("<", Operator::EarlierOrEqual),
        (">", Operator::LaterOrEqual),
        ("=", Operator::Equal),
    ];
    let (operator, version) =
        signs.into_iter().find_map(|(sign, operator)| Some((operator, inner.strip_prefix(sign)?)))?;
    let version = version.trim();
    version::is_version(version).then_some((operator, version))
}

fn excerpt(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_alternatives_and_restrictions_are_read() {
        let read: Vec<_> =
            groups("libc6 (>= 2.36), mta | default-mta(<<2) ,,\n python3:any,").map(Result::unwrap).collect();
        let words: Vec<Vec<String>> =
            read.iter().map(|group| group.iter().map(ToString::to_string).collect()).collect();
        assert_eq!(words, [vec!["libc6 (>= 2.36)"], vec!["mta", "default-mta (<< 2)"], vec!["python3:any"]]);
    }

    #[test]
    fn an_unversioned_provider_answers_no_versioned_relation() {
        let required = relation("a (>= 2)").unwrap();
        assert!(required.admits(Some("2")) && required.admits(Some("1:0")));
        assert!(!required.admits(Some("1.9")) && !required.admits(None));
        assert!(relation("a").unwrap().admits(None));
    }

    #[test]
    fn malformed_relations_are_refused() {
        for text in ["", "(>= 1)", "a b", "a (1)", "a (>= )", "a (>= 1", "a:(= 1)", "a [amd64]", "-a"] {
            assert!(relation(text).is_err(), "{text}");
        }
    }
}
