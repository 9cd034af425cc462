//! Verification: a bundle against itself: every file against `SHA256SUMS`, every block and every text against the manifest,
//! every format against its specification, `tree.txt` against what the readers see.
//!
//! Every difference is reported, not only the first. What cannot be read at all is an error. Knows no recipe and
//! no terminal.

mod attestations;
mod blocks;
mod difference;
mod disk_map;
mod files;
mod formats;
mod listing;
mod measurements;
mod report;
mod signatures;
mod verity;

use std::path::Path;

use amiforge_formats::read_at::ReadAt as _;
use amiforge_progress::Monitor;

use crate::bundle;
use crate::image::EmitOptions;
use crate::inspect::{Medium, chain};
use crate::manifest::Manifest;
use crate::provenance::compare;
use crate::secure_boot::check_bundle;

pub use blocks::digest as digest_of;
pub use difference::BundleDifference;
pub use disk_map::DiskMap;
pub use report::{VerifyError, VerifyReport};

/// Verifies the bundle in a directory.
///
/// # Errors
/// [`VerifyError`] when something cannot be read; what reads and differs is in the report.
pub fn verify(
    directory: &Path,
    options: &EmitOptions,
    monitor: Monitor<'_>,
) -> Result<VerifyReport, VerifyError> {
    if directory.is_file() {
        return Err(VerifyError::AFile { path: directory.to_owned() });
    }
    let mut report = VerifyReport::default();
    let present = files::present(directory, &mut report)?;
    let sums = files::Sums::read(directory, &present, &mut report)?;
    let manifest = read_manifest(directory, &present, &sums, &mut report)?;
    let listing = files::document(directory, bundle::TREE, &present, &sums, manifest.as_ref(), &mut report)?;
    if present.contains(bundle::DISK) {
        let medium = Medium::open(&directory.join(bundle::DISK)).map_err(VerifyError::Open)?;
        // Before anything is read: a file that was made longer may be of a size that takes hours.
        let known = manifest.as_ref().map_or(u64::MAX, |manifest| manifest.size);
        let found = blocks::digest(&medium, known, *options, monitor)?;
        (report.blocks, report.bytes) = (found.blocks.len(), found.len);
        if found.len == medium.size() {
            sums.compare(bundle::DISK, found.plain, &mut report);
        }
        if let Some(manifest) = &manifest {
            blocks::compare(manifest, &found, &medium, &mut report);
        }
        if monitor.cancel.is_cancelled() {
            return Err(VerifyError::Interrupted);
        }
        if let Some(manifest) = &manifest {
            measurements::compare(directory, manifest, &medium, &mut report);
            measurements::policies(manifest, &medium, &mut report);
        }
        let volumes = formats::check(&medium, manifest.as_ref(), monitor.progress, &mut report);
        if let Some(manifest) = &manifest {
            verity::check(&medium, manifest, *options, monitor, &mut report);
        }
        if monitor.cancel.is_cancelled() {
            return Err(VerifyError::Interrupted);
        }
        if let Some(manifest) = &manifest {
            let (checked, problems) = check_bundle(directory, manifest, &medium);
            report.checked.extend(checked);
            let problems = problems.into_iter().map(|problem| BundleDifference::SecureBoot { problem });
            report.differences.extend(problems);
        }
        // Without a manifest no file system is known by the name that the listing has for it.
        if let (Some(listing), Some(_)) = (&listing, &manifest) {
            listing::compare(listing, &volumes, &mut report);
        }
    }
    for document in bundle::DOCUMENTS {
        let text = files::document(directory, document, &present, &sums, manifest.as_ref(), &mut report)?;
        if let (bundle::MEASUREMENTS, Some(text), Some(manifest)) = (document, &text, &manifest) {
            measurements::compare_document(manifest, text, &mut report);
        }
    }
    if let Some(statement) = files::text(directory, bundle::PROVENANCE, &present, &sums, &mut report)? {
        let problems =
            manifest.iter().flat_map(|manifest| compare(&statement, manifest, manifest.to_text().as_bytes()));
        report.differences.extend(problems.map(|problem| BundleDifference::Provenance { problem }));
    }
    files::text(directory, bundle::VERIFY_SCRIPT, &present, &sums, &mut report)?;
    let keys = signatures::check(directory, &present, &mut report);
    attestations::check(directory, &keys, &mut report);
    sums.unlisted(&present, manifest.as_ref(), &mut report);
    Ok(report)
}

/// The manifest, if it can be read; what is wrong with it goes into the report.
fn read_manifest(
    directory: &Path,
    present: &files::Present,
    sums: &files::Sums,
    report: &mut VerifyReport,
) -> Result<Option<Manifest>, VerifyError> {
    let Some(text) = files::text(directory, bundle::MANIFEST, present, sums, report)? else {
        return Ok(None);
    };
    match Manifest::parse(&text) {
        Err(error) => {
            report.differences.push(BundleDifference::Manifest { reason: chain(&error) });
            Ok(None)
        }
        Ok(manifest) => {
            files::within_manifest(&manifest, &text, report);
            Ok(Some(manifest))
        }
    }
}

#[cfg(test)]
mod tests;
