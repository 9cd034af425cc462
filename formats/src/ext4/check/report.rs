//! What a check found.

use crate::ext4::read::{Fault, Faults, ReadError};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Odd, and harmless to a system that mounts it.
    Warning,
    /// A file-system check would repair it.
    Error,
}

/// Something found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
#[non_exhaustive]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// What, where and why.
    pub fault: Fault,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The findings, in the order of the check; at most [`Report::MOST`].
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub more: u64,
}

impl Report {
    /// Most findings that a report keeps.
    pub const MOST: usize = 10_000;

    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether an error was found; warnings do not count.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Takes an error.
    pub(crate) fn error(&mut self, fault: Fault) {
        self.push(Severity::Error, fault);
    }

    /// Takes a warning.
    pub(crate) fn warning(&mut self, fault: Fault) {
        self.push(Severity::Warning, fault);
    }

    fn push(&mut self, severity: Severity, fault: Fault) {
        if self.findings.len() < Self::MOST {
            self.findings.push(Finding { severity, fault });
        } else {
            self.more += 1;
        }
    }
}

impl Faults for Report {
    fn report(&mut self, fault: Fault) -> Result<(), ReadError> {
        self.error(fault);
        Ok(())
    }
}
