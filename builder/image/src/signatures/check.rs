//! The decision about a bundle: who signed its statement, and whether a policy accepts that.

use std::path::Path;

use amiforge_formats::digest::Digest;
use amiforge_trust::keys::PublicKey;
use amiforge_trust::policy::{PolicyDecision, SigningPolicy};

use super::files::{check_names, check_texts, compare, read, read_statement};
use super::folder::read_signatures;
use super::{BundleSignatureError, BundleStatement, FileSignature};
use crate::bundle;
use crate::manifest::{Manifest, TEXT_MAX};

/// A bundle whose statement was read, with who signed it.
#[derive(Debug)]
pub struct CheckedSignatures {
    /// What is signed.
    pub statement: BundleStatement,
    /// The files with signatures, good ones and others.
    pub signatures: Vec<FileSignature>,
    /// What the policy says, where there is one.
    pub decision: Option<PolicyDecision>,
    /// SHA-256 of the manifest in the statement.
    pub manifest_sha256: Digest,
    /// The manifest that has this digest, where a policy was asked.
    pub manifest: Option<Manifest>,
}

/// Reads the signatures of a bundle, and asks a policy about them if one is given: before anything else of the bundle is
/// trusted, and with every text compared with the statement. The image is not read: its digest in the statement is that of
/// the manifest, which has the digest of each block.
///
/// # Errors
/// [`BundleSignatureError`], where a policy is given also [`BundleSignatureError::NotMet`].
pub fn check(
    directory: &Path,
    policy: Option<&SigningPolicy>,
) -> Result<CheckedSignatures, BundleSignatureError> {
    let statement = read_statement(directory)?;
    let signatures = read_signatures(directory)?;
    let Some(policy) = policy else {
        let signatures = checked(&signatures, &statement);
        let manifest_sha256 = statement.digest_of(bundle::MANIFEST).unwrap_or(Digest([0; 32]));
        return Ok(CheckedSignatures {
            statement,
            signatures,
            decision: None,
            manifest_sha256,
            manifest: None,
        });
    };
    let manifest = read(&directory.join(bundle::MANIFEST), TEXT_MAX)?;
    let checked = check_parts(statement, &manifest, &signatures, policy)?;
    check_names(directory, &checked.statement)?;
    check_texts(directory, &checked.statement)?;
    Ok(checked)
}

/// Asks a policy about a statement, the text of a manifest and files with signatures (by their names in a bundle).
///
/// # Errors
/// [`BundleSignatureError`].
pub fn check_parts(
    statement: BundleStatement,
    manifest: &[u8],
    signatures: &[(String, Vec<u8>)],
    policy: &SigningPolicy,
) -> Result<CheckedSignatures, BundleSignatureError> {
    let signatures = checked(signatures, &statement);
    let manifest_sha256 = Digest::of(manifest);
    // The name of the image is that of the manifest that was signed, so the manifest comes first.
    compare(&statement, bundle::MANIFEST, manifest_sha256)?;
    let manifest = Manifest::parse(manifest).map_err(BundleSignatureError::Manifest)?;
    let keys: Vec<PublicKey> = signatures.iter().filter_map(|one| one.key.clone().ok()).collect();
    let decision = policy.decide(&manifest.origin.name, &keys);
    if !decision.is_met() {
        let refused = signatures.iter().filter_map(|one| {
            let problem = one.key.as_ref().err()?;
            Some(format!("`{}`: {problem}", one.name))
        });
        return Err(BundleSignatureError::NotMet {
            refused: refused.collect(),
            decision: Box::new(decision),
        });
    }
    if statement.digest_of(bundle::DISK) != Some(manifest.plain) {
        return Err(BundleSignatureError::OtherImage {
            manifest: manifest.plain.to_string(),
            statement: statement.digest_of(bundle::DISK).map(|one| one.to_string()).unwrap_or_default(),
        });
    }
    let (decision, manifest) = (Some(decision), Some(manifest));
    Ok(CheckedSignatures { statement, signatures, decision, manifest_sha256, manifest })
}

fn checked(signatures: &[(String, Vec<u8>)], statement: &BundleStatement) -> Vec<FileSignature> {
    let check = |(name, bytes): &(String, Vec<u8>)| FileSignature::check(name, bytes, statement.bytes());
    signatures.iter().map(check).collect()
}
