//! The attestations of a bundle: whether each states what the bundle states, and is signed by the key that it names, where
//! that key signed the bundle too and so is known. Whose they are, a policy says.

use std::path::Path;

use amiforge_trust::keys::PublicKey;

use super::{BundleDifference, VerifyReport};
use crate::attestations::{self, StatedBundle};
use crate::inspect::chain;

/// Checks each file, and adds what is no attestation of the bundle to the differences.
pub(super) fn check(directory: &Path, keys: &[PublicKey], report: &mut VerifyReport) {
    // A manifest that cannot be read was reported before.
    let Ok(stated) = StatedBundle::open(directory) else { return };
    match attestations::check(&stated, keys) {
        Ok(checked) => {
            for one in checked {
                if let Err(problem) = &one.signed_by {
                    let (name, problem) = (one.name.clone(), problem.clone());
                    report.differences.push(BundleDifference::Signature { name, problem });
                }
                report.attestations.push(one.summary());
            }
        }
        Err(error) => report.differences.push(BundleDifference::Signature {
            name: amiforge_trust::statement::FOLDER.to_owned(),
            problem: chain(&error),
        }),
    }
}
