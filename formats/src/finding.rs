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
pub struct Finding<P, F> {
    /// Its severity.
    pub severity: Severity,
    /// The structure that has it.
    pub place: P,
    /// The corruption, with both values.
    pub fault: F,
}

impl<P: fmt::Display, F: fmt::Display> fmt::Display for Finding<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.fault)
    }
}

impl<P: fmt::Display + fmt::Debug, F: fmt::Display + fmt::Debug> std::error::Error for Finding<P, F> {}
