//! Chosen packages, each checked by its header before the lock names it: the signature by the keys of its repository, and what
//! the metadata says of it. Only the first bytes of a file are read for that, of several packages at a time.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use amiforge_formats::digest::Digest;

use super::available::AvailablePackage;
use super::repository::checksum;
use super::repository::error::RepodataError;
use super::signature::{self, VerifiedHeader};
use super::stated;
use crate::backend::{RepositoryAccess, RepositoryError};
use crate::signature::Keyring;

/// The longest part of a file that a header ends in, in bytes; kernels' take 5 MB.
const LONGEST_HEADER: u64 = 300 << 20;
/// The longest package of which the whole file is read for its digest, in bytes.
const LONGEST_FILE: u64 = 2 << 30;

/// A package to check.
pub(super) struct UnverifiedPackage<'a> {
    /// As the repository lists it.
    pub(super) package: &'a AvailablePackage,
    /// Name of its repository.
    pub(super) repository: &'a str,
    /// Keys that may sign it; none where it is taken unsigned.
    pub(super) keyrings: &'a [Keyring],
    /// Addresses of its file.
    pub(super) url: String,
}

/// A package whose header was checked.
#[derive(Debug, Clone)]
pub(super) struct CheckedPackage {
    /// SHA-256 of its file.
    pub(super) sha256: Digest,
    /// SHA-256 of its header.
    pub(super) header: Digest,
    /// Fingerprint of the key that signed it.
    pub(super) signer: Option<String>,
}

/// Checks packages; the results are in the same order.
///
/// # Errors
/// Of several the first in that order.
pub(super) fn check(
    candidates: &[UnverifiedPackage<'_>],
    access: &dyn RepositoryAccess,
) -> Result<Vec<CheckedPackage>, (usize, RepositoryError)> {
    access.progress().begin("checking the signatures of packages", Some(candidates.len() as u64));
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let results = Mutex::new(Vec::with_capacity(candidates.len()));
    thread::scope(|scope| {
        for _ in 0..access.jobs().clamp(1, candidates.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(candidate) = candidates.get(index).filter(|_| !failed.load(Ordering::Relaxed))
                    else {
                        break;
                    };
                    let result = check_one(candidate, access);
                    failed.fetch_or(result.is_err(), Ordering::Relaxed);
                    access.progress().advance(1);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    access.progress().end();
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(index, result)| result.map_err(|error| (index, error))).collect()
}

fn check_one(
    candidate: &UnverifiedPackage<'_>,
    access: &dyn RepositoryAccess,
) -> Result<CheckedPackage, RepositoryError> {
    let package = candidate.package;
    let (bytes, sha256) = bytes(candidate, access)?;
    let verified = signature::verify_range(&bytes, candidate.keyrings, access.now());
    let verified = verified.map_err(|source| RepodataError::PackageSignature {
        package: name(package),
        source: Box::new(source),
    })?;
    stated::check(package, &verified.header).map_err(|reason| wrong(candidate, reason))?;
    if !candidate.keyrings.is_empty() && !verified.holds_contents() {
        let reason = "its signed header has no digest of its contents (rpm before 4.14 built it)";
        return Err(wrong(candidate, reason.to_owned()).into());
    }
    let VerifiedHeader { sha256: header, signer, .. } = verified;
    Ok(CheckedPackage { sha256, header, signer })
}

/// The first bytes of a file, and its digest: that of the metadata, or, where that is by another algorithm, by reading all.
fn bytes(
    candidate: &UnverifiedPackage<'_>,
    access: &dyn RepositoryAccess,
) -> Result<(Vec<u8>, Digest), RepositoryError> {
    let AvailablePackage { checksum: stated, header_range, size, .. } = candidate.package;
    let gone = |error| match error {
        RepositoryError::Missing(_) => RepodataError::Gone { file: candidate.package.path.clone() }.into(),
        other => other,
    };
    let sha256 = stated.hex.parse().ok().filter(|_| stated.algorithm == "sha256");
    if let (Some(sha256), Some((_, end))) = (sha256, *header_range) {
        let end = end.min(*size);
        if end > LONGEST_HEADER {
            return Err(wrong(candidate, format!("its header ends at byte {end}")).into());
        }
        return Ok((access.read_range(&candidate.url, 0, end).map_err(gone)?, sha256));
    }
    let bytes = access.read(&candidate.url, (*size).min(LONGEST_FILE)).map_err(gone)?;
    checksum::check(&bytes, stated, &candidate.package.path)?;
    let sha256 = Digest::of(&bytes);
    Ok((bytes, sha256))
}

fn wrong(candidate: &UnverifiedPackage<'_>, reason: String) -> RepodataError {
    RepodataError::Package {
        package: name(candidate.package),
        repository: candidate.repository.to_owned(),
        reason,
    }
}

fn name(package: &AvailablePackage) -> String {
    format!("{}-{}.{}", package.name, package.evr, package.arch)
}
