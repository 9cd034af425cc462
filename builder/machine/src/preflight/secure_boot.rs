//! Whether firmware will start what a bundle has for it: signatures against the keys that the bundle enrols.

use amiforge_image::inspect::Medium;
use amiforge_image::manifest::Manifest;
use amiforge_image::secure_boot::{SignatureState, SignatureStatus, signature_states};

use super::Findings;

/// Name of the check.
const CHECK: &str = "secure-boot";

/// Adds a finding for every program of a bundle that firmware would refuse.
pub(super) fn check(medium: &Medium, manifest: &Manifest, findings: &mut Findings) {
    let Some(folder) = medium.bundle() else { return };
    let states = match signature_states(folder, manifest, medium) {
        Ok(states) => states,
        Err(error) => {
            let what = format!("the programs that firmware starts cannot be checked: {error}");
            return findings.failure(CHECK, what, "`amiforge verify` says more");
        }
    };
    for SignatureState { path, status } in states {
        match status {
            SignatureStatus::Trusted { .. } => {}
            SignatureStatus::Unsigned => findings.failure(
                CHECK,
                format!(
                    "firmware that enrols the keys of the image does not start `{path}`: it is not signed"
                ),
                "`amiforge sign` signs it, or `amiforge attach` takes a signature that was made elsewhere",
            ),
            SignatureStatus::Refused(why) => findings.failure(
                CHECK,
                format!("firmware that enrols the keys of the image does not start `{path}`: {why}"),
                "sign it with a key that `db` trusts and `dbx` does not revoke",
            ),
        }
    }
}
