//! A KMS key of the local region that only machines of one image can use: boto3 asks, openssl opens the answers.

use std::fs;

use amiforge_tests::{oracle, python};
use serde_json::{Value, json};

use super::program::{AttestedImage, code, text};

/// The key of a machine that may do nothing by its own policy.
const ACCOUNTS: &str = r#"[{"account": "123456789012", "access_key_id": "MACHINE", "secret_access_key": "machine-secret",
    "policy": {"Version": "2012-10-17", "Statement": []}}]"#;

#[test]
fn a_key_bound_to_an_image_is_used_by_its_machines_only() {
    if !oracle::ready(&["openssl"], false) {
        return;
    }
    let Some(python) = python::with(&["boto3", "cbor2"]) else { return };
    let Some(image) = AttestedImage::with_accounts(ACCOUNTS) else { return };
    let instance = image.launch("web", true);
    let (key, public) = (image.path("key.pem"), image.path("public.pem"));
    oracle::must(
        "openssl",
        &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", &key],
    );
    oracle::must("openssl", &["pkey", "-in", &key, "-pubout", "-out", &public]);
    let good = image.attest(&instance, "good", &["--public-key", &public]);
    assert_eq!(code(&good), 0, "{}", text(&good));
    let pcr = format!("12={}", "01".repeat(48));
    let other = image.attest(&instance, "other", &["--public-key", &public, "--pcr", &pcr]);
    assert_eq!(code(&other), 0, "{}", text(&other));

    let endpoint = image.endpoint();
    let files = ["good", "other", "answer"].map(|name| image.path(name));
    let args: Vec<_> = [endpoint.as_str()].into_iter().chain(files.iter().map(String::as_str)).collect();
    let refusals: Value = serde_json::from_str(&python::must(&python, "attested_key.py", &args)).unwrap();
    let denied = "AccessDeniedException";
    assert_eq!(
        refusals,
        json!({
            "the administrator": denied,
            "the administrator with the document": denied,
            "without a document": denied,
            "another machine": denied,
            "a changed document": "ValidationException",
            "no document": "ValidationException",
            "another context": "InvalidCiphertextException",
            "a changed ciphertext": "InvalidCiphertextException",
            "a data key for another machine": denied,
            "a policy that locks out": "MalformedPolicyDocumentException",
        })
    );
    let open = |name: &str| {
        let (message, plain) = (image.path(name), image.path(&format!("{name}.plain")));
        let args = ["cms", "-decrypt", "-inform", "DER", "-in", &message, "-inkey", &key, "-out", &plain];
        oracle::must("openssl", &args);
        fs::read(plain).unwrap()
    };
    assert_eq!(open("answer"), b"the secret of this image");
    let data_key = open("answer.key");
    assert_eq!(data_key.len(), 32);
    assert_eq!(open("answer.again"), data_key);
}
