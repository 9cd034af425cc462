//! The signatures of a bundle: who signed it, and which files are no signatures of it. Whether that is enough, a policy says.

use std::path::Path;

use super::files::Present;
use super::{BundleDifference, VerifyReport};
use crate::bundle;
use crate::inspect::chain;
use crate::signatures::{BundleSignatureError, FileSignature, read_signatures};

/// Checks each signature, and adds what is none to the differences.
pub(super) fn check(directory: &Path, present: &Present, report: &mut VerifyReport) {
    let problem = |name: &str, problem: String, report: &mut VerifyReport| {
        report.differences.push(BundleDifference::Signature { name: name.to_owned(), problem });
    };
    let signatures = match read_signatures(directory) {
        Ok(signatures) => signatures,
        // Names and kinds of files that do not belong there were reported before.
        Err(BundleSignatureError::Unlisted { .. } | BundleSignatureError::NotAFile { .. }) => return,
        Err(error) => return problem(amiforge_trust::statement::FOLDER, chain(&error), report),
    };
    if signatures.is_empty() || !present.contains(bundle::SUMS) {
        return;
    }
    let Ok(statement) = amiforge_progress::regular::read(&directory.join(bundle::SUMS)) else { return };
    for (name, bytes) in &signatures {
        let signature = FileSignature::check(name, bytes, &statement);
        if let Err(why) = &signature.key {
            problem(&signature.name, why.clone(), report);
        }
        report.signatures.push(signature.summary());
    }
}
