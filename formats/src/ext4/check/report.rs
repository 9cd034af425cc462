//! The report of a check.

use crate::ext4::read::{Corruption, CorruptionSink, Ext4ReadError};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckSeverity {
    /// Odd, and harmless to a system that mounts it.
    Warning,
    /// A file-system check would repair it.
    Error,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{corruption}")]
#[non_exhaustive]
pub struct CheckFinding {
    /// How bad.
    pub severity: CheckSeverity,
    /// The corruption with its location.
    pub corruption: Corruption,
}

/// The findings of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// The findings, in the order of the check; at most [`CheckReport::MOST`].
    pub findings: Vec<CheckFinding>,
    /// Findings beyond those.
    pub more: u64,
}

impl CheckReport {
    /// Most findings that a report keeps.
    pub const MOST: usize = 10_000;

    /// Whether there is no finding.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether there is an error; warnings do not count.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == CheckSeverity::Error)
    }

    /// Adds an error.
    pub(crate) fn error(&mut self, corruption: Corruption) {
        self.push(CheckSeverity::Error, corruption);
    }

    /// Adds a warning.
    pub(crate) fn warning(&mut self, corruption: Corruption) {
        self.push(CheckSeverity::Warning, corruption);
    }

    fn push(&mut self, severity: CheckSeverity, corruption: Corruption) {
        if self.findings.len() < Self::MOST {
            self.findings.push(CheckFinding { severity, corruption });
        } else {
            self.more += 1;
        }
    }
}

impl CorruptionSink for CheckReport {
    fn report(&mut self, corruption: Corruption) -> Result<(), Ext4ReadError> {
        self.error(corruption);
        Ok(())
    }
}
