//! What EC2 needs of an image, looked for in its bytes before anybody pays for a launch: what starts it, the drivers of
//! Nitro machines, the root by a stable name, a way in, and room to grow.
//!
//! Owns the questions and what to do about each answer. Reads through `inspect` only, never writes, and starts nothing:
//! that an image passes does not say that it boots, which `boot` tells.

mod chain;
mod disk;
mod drivers;
mod files;
mod login;
mod secrets;
mod system;

use std::fmt;

use amiforge_image::inspect::{DiskView, InspectError, Medium};
use serde::Serialize;

use chain::BootChain;
use files::SystemFiles;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PreflightSeverity {
    /// It boots, but not as its owner will want.
    Warning,
    /// It does not boot, nobody reaches it, or it holds a secret that all its machines would share.
    Failure,
}

/// Something that EC2 needs and the image lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreflightFinding {
    /// How bad it is.
    pub severity: PreflightSeverity,
    /// Which question it answers, a word such as `nvme`.
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

/// What was found out about an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PreflightReport {
    /// Firmware that finds something to start: `uefi`, `legacy-bios`.
    pub firmware: Vec<&'static str>,
    /// Release of the kernel that boots, if it is known.
    pub kernel: Option<String>,
    /// Its command line, if it is known.
    pub cmdline: Option<String>,
    /// What is wrong, the worst first.
    pub findings: Vec<PreflightFinding>,
}

impl PreflightReport {
    /// Whether nothing was found that keeps the image from booting, from being reached or from being published.
    pub fn passes(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity < PreflightSeverity::Failure)
    }
}

/// Findings that gather.
#[derive(Debug, Default)]
struct Findings(Vec<PreflightFinding>);

impl Findings {
    /// Adds one that keeps the image from booting, from being reached or from being published.
    fn failure(&mut self, check: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        let (what, remedy) = (what.into(), remedy.into());
        self.0.push(PreflightFinding { severity: PreflightSeverity::Failure, check, what, remedy });
    }

    /// Adds one that does not.
    fn warning(&mut self, check: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        let (what, remedy) = (what.into(), remedy.into());
        self.0.push(PreflightFinding { severity: PreflightSeverity::Warning, check, what, remedy });
    }
}

/// Looks for what EC2 needs of an image, and for secrets in it: those that the manifest of a bundle names, and private keys
/// in an image that has none.
///
/// # Errors
/// [`InspectError`] when the disk or a file system cannot be read at all.
pub fn preflight(medium: &Medium) -> Result<PreflightReport, InspectError> {
    let mut report = starts(medium)?;
    let mut found = Findings(std::mem::take(&mut report.findings));
    secrets::check(medium, &mut found)?;
    report.findings = found.0;
    report.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(report)
}

/// Looks for what EC2 needs of an image, and for nothing else: that follows from its bytes alone.
///
/// # Errors
/// [`InspectError`] when the disk or a file system cannot be read at all.
pub fn starts(medium: &Medium) -> Result<PreflightReport, InspectError> {
    let view = DiskView::read(medium)?;
    let mut found = Findings::default();
    disk::table(&view, &mut found);
    let volumes = files::volumes(medium, &view)?;
    let chain = BootChain::find(medium, &view, &volumes, &mut found);
    let mut report = PreflightReport {
        firmware: chain.firmware.clone(),
        kernel: chain.release.clone(),
        cmdline: chain.cmdline.clone(),
        findings: Vec::new(),
    };
    let root = disk::root(&view, &volumes, &chain, &mut found);
    if let Some(root) = root {
        let files = SystemFiles::new(medium, &volumes, root);
        disk::growth(&view, &volumes[root], &files, &mut found);
        report.kernel = drivers::check(&files, &volumes[root], &chain, &mut found).or(report.kernel);
        system::check(&files, &mut found);
        if chain.beside_root {
            system::kernel_hook(&files, &mut found);
        }
    }
    report.findings = found.0;
    report.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(report)
}
