//! What AWS Marketplace asks of an AMI, as far as the bytes of the image show it.
//!
//! AWS Marketplace Seller Guide, "AMI-based product requirements" (security, access and architecture policies), read in
//! November 2026. Its scanner also looks for known vulnerabilities (CVEs) in packages, which takes a database that is
//! not here. The checks of [`super::checks`] apply too: an AMI has to boot.

mod credentials;
mod login;
mod os_release;
mod passwords;

use amiforge_image::inspect::{DiskView, InspectError, Medium};

use super::boot_chain::BootChain;
use super::files;
use super::findings::Findings;
use super::system::System;
use super::{PreflightFinding, PreflightReport, PreflightSeverity, preflight, root};

pub use os_release::OsRelease;

/// Findings of preflight that are warnings there and failures for a public product: credentials that all machines
/// share.
const SEVERE: [&str; 2] = ["host-keys", "secrets"];

/// A check of a system.
type Check = fn(&System<'_>, &mut Findings);

/// The checks that concern the Marketplace alone.
const CHECKS: [Check; 3] = [passwords::check, credentials::check, login::check];

/// Checks an image. `now` is in seconds since 1970, for the end of life of its operating system.
///
/// # Errors
/// [`InspectError`] when the disk or a file system cannot be read at all.
pub fn marketplace(medium: &Medium, now: i64) -> Result<PreflightReport, InspectError> {
    let mut report = preflight(medium)?;
    let mut findings = Findings(report.findings.into_iter().map(severe).collect());
    let known = with_system(medium, |system| {
        for check in CHECKS {
            check(system, &mut findings);
        }
        os_release::check(system, now, &mut findings);
    })?;
    if known.is_none() {
        findings.failure(
            "system",
            "no Linux system is in the image, so nothing shows whether it keeps to the policies",
            "check a Windows disk with the scanner of the AWS Marketplace Management Portal",
        );
    }
    report.findings = findings.by_severity();
    Ok(report)
}

/// What `/etc/os-release` of an image says; `None` without a Linux system or the file.
///
/// # Errors
/// [`InspectError`] when the disk or a file system cannot be read at all.
pub fn os_release(medium: &Medium) -> Result<Option<OsRelease>, InspectError> {
    Ok(with_system(medium, OsRelease::of)?.flatten())
}

/// Runs work on the system of an image; `None` if there is none.
fn with_system<T>(medium: &Medium, work: impl FnOnce(&System<'_>) -> T) -> Result<Option<T>, InspectError> {
    let view = DiskView::read(medium)?;
    // What these find is in the report of preflight already.
    let mut ignored = Findings::default();
    let volumes = files::volumes(medium, &view)?;
    let chain = BootChain::find(medium, &view, &volumes, &mut ignored);
    let root = root::find(&view, &volumes, &chain, &mut ignored);
    let system = root.and_then(|root| System::new(medium, &view, &volumes, &chain, root));
    Ok(system.as_ref().map(work))
}

fn severe(finding: PreflightFinding) -> PreflightFinding {
    if SEVERE.contains(&finding.check) {
        return PreflightFinding { severity: PreflightSeverity::Failure, ..finding };
    }
    finding
}
