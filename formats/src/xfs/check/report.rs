//! The report of a check.

use crate::finding::Severity;
use crate::xfs::read::{XfsCorruption, XfsCorruptionSink, XfsReadError};

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{corruption}")]
#[non_exhaustive]
pub struct XfsFinding {
    /// How bad.
    pub severity: Severity,
    /// The corruption with its location.
    pub corruption: XfsCorruption,
}

/// The findings of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct XfsCheckReport {
    /// The findings, in the order of the check; at most [`XfsCheckReport::MOST`].
    pub findings: Vec<XfsFinding>,
    /// Findings beyond those.
    pub more: u64,
}

impl XfsCheckReport {
    /// Most findings that a report keeps.
    pub const MOST: usize = 10_000;

    /// Whether there is no finding.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Adds damage.
    pub(super) fn damage(&mut self, corruption: XfsCorruption) {
        self.push(Severity::Damage, corruption);
    }

    fn push(&mut self, severity: Severity, corruption: XfsCorruption) {
        if self.findings.len() < Self::MOST {
            self.findings.push(XfsFinding { severity, corruption });
        } else {
            self.more += 1;
        }
    }
}

impl XfsCorruptionSink for XfsCheckReport {
    fn report(&mut self, corruption: XfsCorruption) -> Result<(), XfsReadError> {
        self.damage(corruption);
        Ok(())
    }
}
