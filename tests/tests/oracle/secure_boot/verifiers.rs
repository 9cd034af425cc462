//! What verifiers of others make of a signed image, of an unsigned one, and of one that was changed.

use std::path::Path;

use amiforge_tests::oracle;
use amiforge_tests::secure_boot::SecureBoot;

/// Whether each verifier accepts an image that a certificate is trusted for.
fn accepted(image: &Path, certificate: &str) -> Vec<(&'static str, bool)> {
    let image = image.to_string_lossy();
    let sbverify = oracle::run("sbverify", &["--cert", certificate, &image]);
    let verify = ["verify", "-in", &image, "-CAfile", certificate, "-ignore-timestamp", "-ignore-cdp"];
    let osslsigncode = oracle::run("osslsigncode", &verify);
    vec![("sbverify", sbverify.status.success()), ("osslsigncode", osslsigncode.status.success())]
}

const ACCEPT: [(&str, bool); 2] = [("sbverify", true), ("osslsigncode", true)];
const REFUSE: [(&str, bool); 2] = [("sbverify", false), ("osslsigncode", false)];

#[test]
fn a_signed_image_is_accepted_and_a_changed_or_unsigned_one_refused() {
    if !oracle::ready(&["sbverify", "osslsigncode", "pesign"], false) {
        return;
    }
    let Some(made) = SecureBoot::new("") else { return };
    let signed = made.extract(&made.signed_bundle(), "signed.efi");
    assert_eq!(accepted(&signed, &made.text("db.crt")), ACCEPT);
    assert_eq!(accepted(&signed, &made.text("other.crt")), REFUSE, "another certificate");
    let listed = oracle::must("pesign", &["-S", "-i", &signed.to_string_lossy()]);
    assert!(listed.contains("common name is db"), "{listed}");

    let unsigned = made.extract(&made.path("unsigned"), "unsigned.efi");
    assert_eq!(accepted(&unsigned, &made.text("db.crt")), REFUSE, "unsigned");
    // The digest of pesign is the one that was signed, with and without the signature.
    let digest = |path: &Path| {
        let shown = oracle::must("pesign", &["-h", "-d", "sha256", "-i", &path.to_string_lossy()]);
        shown.split_whitespace().find(|word| word.len() == 64).expect("a digest").to_owned()
    };
    let manifest = amiforge_tests::program::Bundle::open(&made.path("signed")).manifest;
    let expected = manifest["secure_boot"]["programs"][0]["authenticode"].as_str().unwrap();
    assert_eq!((digest(&signed).as_str(), digest(&unsigned).as_str()), (expected, expected));

    let bytes = std::fs::read(&signed).unwrap();
    for at in [0x200, bytes.len() / 3, bytes.len() / 2, bytes.len() - 8192 - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let path = made.path("changed.efi");
        std::fs::write(&path, changed).unwrap();
        assert_eq!(accepted(&path, &made.text("db.crt")), REFUSE, "byte {at}");
    }
}

#[test]
fn a_leaf_under_an_authority_in_db_is_accepted() {
    if !oracle::ready(&["sbverify", "osslsigncode"], false) {
        return;
    }
    let made = SecureBoot::with(", db = \"ca.crt\"", |made| {
        made.self_signed("ca");
        made.signed_by("leaf", "ca");
    });
    let Some(made) = made else { return };
    let unsigned = made.build("unsigned", &[]);
    let signature = made.openssl(&unsigned, "leaf");
    let without = made.attach(&unsigned, &signature, "without", &[]);
    assert_eq!(without.status.code(), Some(1));
    let words = String::from_utf8_lossy(&without.stderr).into_owned();
    assert!(words.contains("made by no key of db (`ca`)") && words.contains("--certificate"), "{words}");
    let leaf = made.text("leaf.crt");
    let output = made.attach(&unsigned, &signature, "signed", &["--certificate", &leaf]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let image = made.extract(&made.path("signed"), "signed.efi");
    assert_eq!(accepted(&image, &made.text("ca.crt")), ACCEPT);
}
