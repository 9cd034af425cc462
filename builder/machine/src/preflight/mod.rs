//! Checks in the bytes of an image whether it has what EC2 needs, before a launch is paid for: a boot chain, the drivers of
//! Nitro instances, the root by a stable name, access for users, and room to grow.
//!
//! Owns the checks ([`checks`]) and their remedies. Reads through `inspect` only, never writes, and starts nothing: an image
//! that passes may still fail to boot, which [`super::boot`] tests.

mod boot_chain;
mod checks;
mod files;
mod first_boot;
mod kernel;
mod root;
mod secrets;
mod system;

use std::fmt;

use amiforge_image::inspect::{DiskView, InspectError, Medium};
use serde::Serialize;

use boot_chain::BootChain;
use system::System;

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

/// The result of all checks of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PreflightReport {
    /// Firmware that has something to start: `uefi`, `legacy-bios`.
    pub firmware: Vec<&'static str>,
    /// Release of the kernel that boots, if it is known.
    pub kernel: Option<String>,
    /// Its command line, if it is known.
    pub cmdline: Option<String>,
    /// The findings, failures first.
    pub findings: Vec<PreflightFinding>,
}

impl PreflightReport {
    /// Whether there is no finding of [`PreflightSeverity::Failure`].
    pub fn passes(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity < PreflightSeverity::Failure)
    }
}

/// Collects findings.
#[derive(Debug, Default)]
struct Findings(Vec<PreflightFinding>);

impl Findings {
    /// Adds a [`PreflightSeverity::Failure`].
    fn failure(&mut self, check: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        let (what, remedy) = (what.into(), remedy.into());
        self.0.push(PreflightFinding { severity: PreflightSeverity::Failure, check, what, remedy });
    }

    /// Adds a [`PreflightSeverity::Warning`].
    fn warning(&mut self, check: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        let (what, remedy) = (what.into(), remedy.into());
        self.0.push(PreflightFinding { severity: PreflightSeverity::Warning, check, what, remedy });
    }

    /// The findings, failures first; those of equal severity in the order in which they were added.
    fn by_severity(mut self) -> Vec<PreflightFinding> {
        self.0.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        self.0
    }
}

/// Checks what EC2 needs, and looks for secrets: those that the manifest of a bundle lists, and private keys in an image that
/// has no manifest.
///
/// # Errors
/// [`InspectError`] when the disk or a file system cannot be read at all.
pub fn preflight(medium: &Medium) -> Result<PreflightReport, InspectError> {
    let mut report = requirements(medium)?;
    let mut findings = Findings(std::mem::take(&mut report.findings));
    secrets::check(medium, &mut findings)?;
    report.findings = findings.by_severity();
    Ok(report)
}

/// Checks what EC2 needs. The report depends on the bytes of the disk alone, not on a manifest.
///
/// # Errors
/// [`InspectError`] when the disk or a file system cannot be read at all.
pub fn requirements(medium: &Medium) -> Result<PreflightReport, InspectError> {
    let view = DiskView::read(medium)?;
    let mut findings = Findings::default();
    root::check_table(&view, &mut findings);
    let volumes = files::volumes(medium, &view)?;
    let chain = BootChain::find(medium, &view, &volumes, &mut findings);
    let root = root::find(&view, &volumes, &chain, &mut findings);
    let system = root.and_then(|root| System::new(medium, &view, &volumes, &chain, root));
    let mut kernel = None;
    if let Some(system) = &system {
        checks::run(system, &mut findings);
        kernel = system.kernel.as_ref().ok().map(|kernel| kernel.release.clone());
    }
    Ok(PreflightReport {
        firmware: chain.firmware.clone(),
        kernel: kernel.or_else(|| chain.release.clone()),
        cmdline: chain.cmdline.clone(),
        findings: findings.by_severity(),
    })
}
