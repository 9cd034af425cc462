//! Files that are no keys. That keys are read, and sign, openssl and ssh-keygen show.
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

use super::*;

fn refused(bytes: &[u8]) -> SignerError {
    PrivateKeyFile::parse(bytes, Path::new("key")).unwrap_err()
}

#[test]
fn other_files_are_no_keys() {
    for bytes in [
        &b""[..],
        b"x",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        &[0x30, 3, 2, 1, 0],
        &vec![b'a'; LEN_MAX + 1],
    ] {
        assert!(matches!(refused(bytes), SignerError::NotAPrivateKey { .. }), "{bytes:?}");
    }
}

#[test]
fn encrypted_keys_are_named_as_such() {
    let old = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    assert!(matches!(refused(old), SignerError::Encrypted { .. }));
    let new = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert!(matches!(refused(new), SignerError::Encrypted { .. }));
}
