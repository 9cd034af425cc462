//! Checks in the bytes of an image whether it has what EC2 needs, before a launch is paid for: a boot chain, the
//! drivers of Nitro instances, the root by a stable name, access for users, and room to grow.
//!
//! Owns the checks ([`checks`]) and their remedies. Reads through `inspect` only, never writes, and starts nothing: an
//! image that passes may still fail to boot, which [`super::boot`] tests.

mod boot_chain;
mod checks;
mod files;
mod findings;
mod first_boot;
mod kernel;
mod marketplace;
mod root;
mod secrets;
mod secure_boot;
mod system;
#[cfg(test)]
mod testing;
mod verity;

use amiforge_image::inspect::{DiskView, InspectError, Medium};
use serde::Serialize;

pub use findings::{PreflightFinding, PreflightSeverity};
pub use marketplace::{OsRelease, marketplace, os_release};

use boot_chain::BootChain;
use findings::Findings;
use system::System;

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

/// Checks what EC2 needs, and looks for secrets: those that the manifest of a bundle lists, and private keys in an
/// image that has no manifest.
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
    let root = match verity::root_hash(&chain) {
        Some(hash) => verity::find(medium, &view, &volumes, &chain, hash, &mut findings),
        None => root::find(&view, &volumes, &chain, &mut findings),
    };
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
