//! What a checker finds: how bad, where, and what is wrong there. Knows no format; each has its own places and faults.

use std::fmt;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Legal, or harmless to every reader we know, but not what a careful writer leaves.
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
    /// How bad it is.
    pub severity: Severity,
    /// The structure that it was found in.
    pub place: P,
    /// What is wrong, with both values.
    pub fault: F,
}

impl<P: fmt::Display, F: fmt::Display> fmt::Display for Finding<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.fault)
    }
}

impl<P: fmt::Display + fmt::Debug, F: fmt::Display + fmt::Debug> std::error::Error for Finding<P, F> {}
