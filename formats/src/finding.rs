//! Findings of checkers: severity, location and corruption. Knows no format; each has its own locations and corruptions.

use std::fmt;

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Legal, or harmless to every known reader, but not what a careful writer writes.
    Oddity,
    /// Against the specification: some reader may refuse it, misread it or lose bytes.
    Damage,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Oddity => "oddity",
            Self::Damage => "damage",
        })
    }
}

/// A finding of a checker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding<L, C> {
    /// Its severity.
    pub severity: Severity,
    /// The structure that has it.
    pub location: L,
    /// The corruption, with both values.
    pub corruption: C,
}

impl<L: fmt::Display, C: fmt::Display> fmt::Display for Finding<L, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.corruption)
    }
}

impl<L: fmt::Display + fmt::Debug, C: fmt::Display + fmt::Debug> std::error::Error for Finding<L, C> {}
