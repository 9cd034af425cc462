//! ext4 checker: what a file system says against what it uses, like a file-system check that changes nothing.

use super::read::{self, Fault, Faults, ReadError};
use crate::read_at::ReadAt;

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
}

impl Faults for Report {
    fn report(&mut self, fault: Fault) -> Result<(), ReadError> {
        if self.findings.len() < Self::MOST {
            self.findings.push(Finding { severity: Severity::Error, fault });
        } else {
            self.more += 1;
        }
        Ok(())
    }
}

/// Checks the file system that begins at the first byte of `image`.
///
/// # Errors
/// [`ReadError`] when there is none that could be checked: unknown features, impossible geometry, a medium that fails.
pub fn check<R: ReadAt + ?Sized>(image: &R) -> Result<Report, ReadError> {
    let mut report = Report::default();
    let file_system = read::open_reporting(image, &mut report)?;
    let _ = file_system;
    Ok(report)
}
