//! Keys in the forms of OpenSSH and of openssl are the same keys.

use amiforge_trust::keys::PublicKey;
use amiforge_trust::private::PrivateKeyFile;
use amiforge_trust::signing::{SignerError, SigningKey as _};

use crate::oracle::{Keys, must, ready, run};

#[test]
fn fingerprints_and_public_keys_are_those_of_ssh_keygen() {
    if !ready(&["ssh-keygen"]) {
        return;
    }
    let keys = Keys::new();
    for (name, key) in keys.each() {
        let line = must("ssh-keygen", &["-l", "-f", &keys.text(&name)]);
        assert_eq!(line.split(' ').nth(1), Some(key.public().fingerprint().as_str()));
        // ssh-keygen exports no Ed25519 key in this form.
        let exported = run("ssh-keygen", &["-e", "-m", "PKCS8", "-f", &keys.text(&name)], None);
        if exported.status.success() {
            assert_eq!(PublicKey::from_pem(&exported.stdout).as_ref(), Ok(key.public()), "{name}");
            assert_eq!(key.public().to_pem().unwrap().as_bytes(), exported.stdout, "{name}");
        }
    }
}

#[test]
fn keys_of_openssl_are_read_and_its_verifier_accepts_their_bare_signatures() {
    if !ready(&["openssl", "ssh-keygen"]) {
        return;
    }
    let keys = Keys::new();
    let (ed25519, p256) =
        (["-algorithm", "ed25519"], ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    let p384 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
    let rsa = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"];
    let (pem, der, public, old) = (keys.text("pem"), keys.text("der"), keys.text("public"), keys.text("old"));
    std::fs::write(keys.path("message"), b"message").unwrap();
    for (options, hash) in [(&ed25519[..], ""), (&p256, "sha256"), (&p384, "sha384"), (&rsa, "sha256")] {
        must("openssl", &[&["genpkey", "-out", &pem], options].concat());
        must("openssl", &["pkey", "-in", &pem, "-outform", "DER", "-out", &der]);
        must("openssl", &["pkey", "-in", &pem, "-pubout", "-out", &public]);
        let key = PrivateKeyFile::open(&keys.path("pem")).unwrap();
        let public_pem = std::fs::read(keys.path("public")).unwrap();
        assert_eq!(PublicKey::from_pem(&public_pem).as_ref(), Ok(key.public()), "{options:?}");
        assert_eq!(key.public().to_pem().unwrap().as_bytes(), public_pem);
        assert_eq!(PrivateKeyFile::open(&keys.path("der")).unwrap().public(), key.public());
        if !hash.is_empty() {
            // SEC 1 and PKCS#1, in PEM and in DER.
            must("openssl", &["pkey", "-in", &pem, "-traditional", "-out", &old]);
            assert_eq!(PrivateKeyFile::open(&keys.path("old")).unwrap().public(), key.public());
            must("openssl", &["pkey", "-in", &pem, "-traditional", "-outform", "DER", "-out", &old]);
            assert_eq!(PrivateKeyFile::open(&keys.path("old")).unwrap().public(), key.public());
        }
        let signature = key.sign(b"message").unwrap();
        key.public().verify(b"message", &signature).unwrap();
        assert!(key.public().verify(b"massage", &signature).is_err());
        std::fs::write(keys.path("bare"), signature).unwrap();
        let (bare, message) = (keys.text("bare"), keys.text("message"));
        let mut command =
            vec!["pkeyutl", "-verify", "-pubin", "-inkey", &public, "-sigfile", &bare, "-rawin", "-in"];
        command.push(&message);
        if !hash.is_empty() {
            command.extend(["-digest", hash]);
        }
        must("openssl", &command);
        must("openssl", &["pkey", "-in", &pem, "-aes256", "-passout", "pass:x", "-out", &old]);
        let locked = PrivateKeyFile::open(&keys.path("old")).unwrap_err();
        assert!(matches!(locked, SignerError::Encrypted { .. }), "{locked:?}");
    }
    must("ssh-keygen", &["-q", "-t", "ed25519", "-N", "secret", "-f", &keys.text("locked")]);
    let locked = PrivateKeyFile::open(&keys.path("locked")).unwrap_err();
    assert!(matches!(locked, SignerError::Encrypted { .. }), "{locked:?}");
}
