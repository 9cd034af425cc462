//! The signatures of a bundle: who signed it, and which files are no signatures of it. Whether that is enough, a policy says.

use std::path::Path;

use amiforge_trust::keys::PublicKey;

use super::files::Present;
use super::{BundleDifference, VerifyReport};
use crate::bundle;
use crate::inspect::chain;
use crate::signatures::{BundleSignatureError, FileSignature, read_signatures};

/// Checks each signature, and adds what is none to the differences. Gives the keys of the good ones.
pub(super) fn check(directory: &Path, present: &Present, report: &mut VerifyReport) -> Vec<PublicKey> {
    let mut keys = Vec::new();
    let problem = |name: &str, problem: String, report: &mut VerifyReport| {
        report.differences.push(BundleDifference::Signature { name: name.to_owned(), problem });
    };
    let signatures = match read_signatures(directory) {
        Ok(signatures) => signatures,
        // Names and kinds of files that do not belong there were reported before.
        Err(BundleSignatureError::Unlisted { .. } | BundleSignatureError::NotAFile { .. }) => return keys,
        Err(error) => {
            problem(amiforge_trust::statement::FOLDER, chain(&error), report);
            return keys;
        }
    };
    if signatures.is_empty() || !present.contains(bundle::SUMS) {
        return keys;
    }
    let Ok(statement) = amiforge_progress::regular::read(&directory.join(bundle::SUMS)) else { return keys };
    for (name, bytes) in &signatures {
        let signature = FileSignature::check(name, bytes, &statement);
        match &signature.key {
            Ok(key) => keys.push(key.clone()),
            Err(why) => problem(&signature.name, why.clone(), report),
        }
        report.signatures.push(signature.summary());
    }
    keys
}
