//! What the checks find, each with what to do about it.

use std::fmt;

use serde::Serialize;

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PreflightSeverity {
    /// It boots, but has a defect that its owner will notice.
    Warning,
    /// It does not boot, is not reachable, or holds a secret that all its machines would share.
    Failure,
}

/// A requirement of EC2 that the image does not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreflightFinding {
    /// Its severity.
    pub severity: PreflightSeverity,
    /// Name of the check, such as `nvme`.
    pub check: &'static str,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for PreflightFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

/// Collects findings.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<PreflightFinding>);

impl Findings {
    /// Adds a [`PreflightSeverity::Failure`].
    pub(super) fn failure(
        &mut self,
        check: &'static str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (what, remedy) = (what.into(), remedy.into());
        self.0.push(PreflightFinding { severity: PreflightSeverity::Failure, check, what, remedy });
    }

    /// Adds a [`PreflightSeverity::Warning`].
    pub(super) fn warning(
        &mut self,
        check: &'static str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (what, remedy) = (what.into(), remedy.into());
        self.0.push(PreflightFinding { severity: PreflightSeverity::Warning, check, what, remedy });
    }

    /// The findings, failures first; those of equal severity in the order in which they were added.
    pub(super) fn by_severity(mut self) -> Vec<PreflightFinding> {
        self.0.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        self.0
    }
}
