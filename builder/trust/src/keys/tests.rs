//! What is no key. That keys are read as others read them, openssl and ssh-keygen show.
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

use super::*;
use crate::wire::strings;

fn point() -> Vec<u8> {
    let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    key.verifying_key().to_encoded_point(false).as_bytes().to_vec()
}

#[test]
fn keys_of_every_form_come_back() {
    for blob in [
        strings(&[b"ssh-ed25519", &[1; 32]]),
        strings(&[b"ecdsa-sha2-nistp256", b"nistp256", &point()]),
        strings(&[b"ssh-rsa", &[1, 0, 1], &[&[0, 0x80][..], &[1; 255]].concat()]),
        strings(&[b"sk-ssh-ed25519@openssh.com", &[1; 32], b"ssh:"]),
        strings(&[b"sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", &point(), b"ssh:build"]),
    ] {
        let key = PublicKey::from_blob(&blob).unwrap();
        assert_eq!(key.blob(), blob);
        let line = format!("  {} some comment\n", key.to_openssh());
        let (read, comment) = PublicKey::parse_line(&line).unwrap();
        assert_eq!((&read, comment), (&key, "some comment"));
        if key.kind().is_fido() {
            assert!(matches!(key.to_spki_der(), Err(SshKeyError::OnlySsh { .. })));
        } else {
            assert_eq!(PublicKey::from_spki_der(&key.to_spki_der().unwrap()).unwrap(), key);
            assert_eq!(PublicKey::from_pem(key.to_pem().unwrap().as_bytes()).unwrap(), key);
        }
        for len in 0..blob.len() {
            assert!(PublicKey::from_blob(&blob[..len]).is_err(), "{len} bytes of {key:?}");
        }
        assert!(matches!(
            PublicKey::from_blob(&[&blob[..], &[0]].concat()),
            Err(SshKeyError::Wire(WireError::Trailing { more: 1, .. }))
        ));
    }
}

#[test]
fn unsound_keys_are_refused() {
    let refused = |fields: &[&[u8]]| PublicKey::from_blob(&strings(fields)).unwrap_err();
    let mut off = point();
    off[64] ^= 1;
    let point_refused = SshKeyError::Point { curve: "nistp256" };
    assert_eq!(refused(&[b"ecdsa-sha2-nistp256", b"nistp256", &off]), point_refused);
    let compressed = [&[2 + (point()[64] & 1)][..], &point()[1..33]].concat();
    assert_eq!(refused(&[b"ecdsa-sha2-nistp256", b"nistp256", &compressed]), point_refused);
    let curve = SshKeyError::Curve { expected: "nistp384", found: "nistp256".to_owned() };
    assert_eq!(refused(&[b"ecdsa-sha2-nistp384", b"nistp256", &point()]), curve);
    assert_eq!(refused(&[b"ssh-ed25519", &[1; 31]]), SshKeyError::Len { expected: 32, found: 31 });
    assert_eq!(
        refused(&[b"ssh-rsa", &[3], &[&[0x40][..], &[1; 255]].concat()]),
        SshKeyError::RsaBits { bits: 2047 }
    );
    let modulus = [&[0x7f][..], &[1; 256]].concat();
    for exponent in [&[1][..], &[], &[4], &[2, 0, 0, 0, 1], &[1, 1, 1, 1, 1, 1]] {
        assert_eq!(refused(&[b"ssh-rsa", exponent, &modulus]), SshKeyError::RsaExponent, "{exponent:?}");
    }
    assert!(matches!(refused(&[b"ssh-ed25519-cert-v01@openssh.com", &[1; 32]]), SshKeyError::Kind { .. }));
    assert!(matches!(refused(&[b"\x1b[31m"]), SshKeyError::Wire(WireError::Text { .. })));
    for (line, words) in [
        ("ssh-ed25519", "not a public key of OpenSSH"),
        ("ssh-ed25519 !", "not base64"),
        ("no-pty ssh-ed25519 AAAA", "`no-pty` is no kind"),
        (
            "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB",
            "the line says ssh-rsa",
        ),
    ] {
        let refused = PublicKey::parse_openssh(line).unwrap_err().to_string();
        assert!(refused.contains(words), "{line}: {refused}");
    }
}
