//! What is signed here is accepted by all.

use amiforge_trust::sigstore::SigstoreBundle;

use crate::case::{Case, KINDS};
use crate::oracles::Verifiers;

#[test]
fn each_verifier_accepts_statements_signed_by_each_kind_of_key() {
    let Some(verifiers) = Verifiers::find() else { return };
    for kind in &KINDS {
        let case = Case::new(kind);
        let (envelope, bundle) =
            (case.envelope.to_text(), SigstoreBundle::new(case.envelope.clone()).unwrap().to_text());
        assert!(case.accepts_envelope(&envelope) && case.accepts_bundle(&bundle));
        let (dsse, sigstore) = (case.write("x.dsse.json", &envelope), case.write("x.sigstore.json", &bundle));
        let pem = case.path("key.pub");
        assert_eq!(verifiers.python(&pem, (&case.key_id(), case.scheme), &[dsse]), [true], "{}", kind.0);
        // cosign and npm take SHA-256 for every curve; RFC 5656, TUF and this program SHA-384 for P-384.
        let takes = kind.0 != "p384";
        assert_eq!(
            verifiers.npm(&pem, &case.key_id(), std::slice::from_ref(&sigstore)),
            [takes],
            "{}",
            kind.0
        );
        assert_eq!(verifiers.cosign(&sigstore, &pem, &case.path("disk.raw")), takes, "{}", kind.0);
        let other = case.write("other.raw", "another image");
        assert!(!verifiers.cosign(&sigstore, &pem, &other), "it is no statement of this file");
    }
}
