//! Keys as programs write them, and texts that only look like one. No key here is in use.

use super::*;

/// A key of Ed25519 in PKCS#8: RFC 8410, 10.3.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";

/// The same in DER.
const PKCS8: [u8; 48] = [
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20, 0xd4, 0xee, 0x72, 0xdb, 0xf9,
    0x13, 0x58, 0x4a, 0xd5, 0xb6, 0xd8, 0xf1, 0xf7, 0x69, 0xf8, 0xad, 0x3a, 0xfe, 0x7c, 0x28, 0xcb, 0xf1,
    0xd4, 0xfb, 0xe0, 0x97, 0xa8, 0x8f, 0x44, 0x75, 0x58, 0x42,
];

/// Sixty-four base64 digits.
const DIGITS: &str = "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABD1";

fn kind(text: &str) -> Option<&'static str> {
    super::identify_text(text.as_bytes()).map(KeyKind::name)
}

#[test]
fn keys_in_texts_are_identified_by_their_frame_and_body() {
    let base64 = &KEY[28..92];
    let framed = |label: &str, head: &str| {
        format!("x\n-----BEGIN {label}-----\n{head}{DIGITS}\n{base64}\n-----END {label}-----\n")
    };
    let cases = [
        (KEY.to_owned(), "private-key"),
        (KEY.replace('\n', "\r\n"), "private-key"),
        (KEY.replace('\n', "\n    "), "private-key"),
        (format!("{{\"private_key\": \"{}\"}}", KEY.replace('\n', "\\n")), "private-key"),
        (framed("RSA PRIVATE KEY", ""), "private-key"),
        (framed("EC PRIVATE KEY", ""), "private-key"),
        (framed("DSA PRIVATE KEY", ""), "private-key"),
        (framed("ENCRYPTED PRIVATE KEY", ""), "encrypted-private-key"),
        (
            framed("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n"),
            "encrypted-private-key",
        ),
        (framed("OPENSSH PRIVATE KEY", ""), "encrypted-private-key"),
        (
            framed("OPENSSH PRIVATE KEY", "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n"),
            "openssh-private-key",
        ),
        (framed("PGP PRIVATE KEY BLOCK", "Version: GnuPG v2\n\n"), "openpgp-secret-key"),
        (framed("PGP PRIVATE KEY BLOCK", "\n"), "openpgp-secret-key"),
        (
            format!(
                "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: \"x\"\n{DIGITS}\n{DIGITS}\n---- END SSH2 ENCRYPTED PRIVATE KEY ----\n"
            ),
            "encrypted-private-key",
        ),
        (
            format!(
                "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPublic-Lines: 1\n{DIGITS}\nPrivate-Lines: 1\n{DIGITS}\n"
            ),
            "putty-private-key",
        ),
        (
            format!("{{ \"kty\":\"EC\", \"crv\": \"P-256\", \"d\" : \"{}\" }}", "a-_B".repeat(11)),
            "json-web-key",
        ),
        (format!("{{\"k\":\"{}\",\"kty\":\"oct\"}}", "aB".repeat(22)), "json-web-key"),
        (
            "Created: 20260101T000000\nKey: (private-key (ecc (curve Ed25519)(d #00FF#)))\n".to_owned(),
            "openpgp-secret-key",
        ),
        (
            format!("[Interface]\nPrivateKey = {}=\nListenPort = 1\n", "aB3".repeat(14) + "A"),
            "wireguard-private-key",
        ),
        (
            format!(
                "key \"rndc-key\" {{\n algorithm hmac-sha256;\n secret \"{}=\";\n}};\n",
                "aB3".repeat(14)
            ),
            "tsig-key",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(kind(&text), Some(expected), "{text}");
    }
}

#[test]
fn labels_examples_and_public_keys_are_not_private_keys() {
    let public = KEY.replace("PRIVATE", "PUBLIC");
    for text in [
        "-----BEGIN PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\n<your key, which is longer than thirty-two letters>\n-----END RSA PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n",
        // From the help of cloud-init.
        "-----BEGIN RSA PRIVATE KEY-----\n    MIIBxwIBAAJhAKD0YSHy73nUgysO13XsJmd4fHiFyQ+00R7VVu2iV9Qco\n    ...\n    -----END RSA PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n",
        "if '-----BEGIN OPENSSH PRIVATE KEY-----' in text: raise ValueError\n",
        "a PRIVATE KEY----- without a beginning, and not even one line of the right letters after it\n",
        &public,
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
        "{\"kty\":\"RSA\"}, {\"d\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
        "[Interface]\nPrivateKey = <the key>\n",
        "key \"x\" { algorithm hmac-sha256; secret \"\"; };",
        "PuTTY-User-Key-File-2: ssh-rsa\n",
        "see (private-key) and (protected-private-key) of libgcrypt\n",
    ] {
        assert_eq!(kind(text), None, "{text}");
    }
}

/// An element of DER.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let header = if len < 0x80 { vec![tag, len as u8] } else { vec![tag, 0x82, (len >> 8) as u8, len as u8] };
    [header, content.to_vec()].concat()
}

fn name(bytes: &[u8]) -> Option<&'static str> {
    super::identify_binary(bytes, bytes.len() as u64).map(KeyKind::name)
}

#[test]
fn keys_in_der_are_identified_by_their_elements() {
    let (zero, one, three) = (der(2, &[0]), der(2, &[1]), der(2, &[3]));
    let large = der(2, &[0x7f; 129]);
    let rsa = der(0x30, &[zero.clone(), vec![large.clone(); 8].concat()].concat());
    let dsa = der(0x30, &[zero.clone(), vec![large.clone(); 5].concat()].concat());
    let ec = der(0x30, &[one, der(4, &[7; 32]), der(0xa0, &der(6, &[0x2a, 0x86]))].concat());
    let scheme = der(0x30, &der(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d]));
    let encrypted = der(0x30, &[scheme, der(4, &[9; 300])].concat());
    let bag = |last| der(0x30, &der(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, last]));
    let pfx = |last| der(0x30, &[three.clone(), bag(last)].concat());
    for (bytes, expected) in [
        (PKCS8.to_vec(), Some("private-key")),
        (rsa.clone(), Some("private-key")),
        (dsa, Some("private-key")),
        (ec, Some("private-key")),
        (encrypted, Some("encrypted-private-key")),
        (pfx(2), Some("pkcs12-key")),
        // A bag of certificates, a public key, the structure of a certificate, and a key followed by another byte.
        (pfx(3), None),
        (der(0x30, &[large.clone(), der(2, &[1, 0, 1])].concat()), None),
        (der(0x30, &[der(0x30, &[zero, large].concat()), der(0x30, &[]), der(3, &[0; 90])].concat()), None),
        ([rsa, vec![0]].concat(), None),
        (vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff], None),
        (vec![0x30], None),
    ] {
        assert_eq!(name(&bytes), expected, "{bytes:02x?}");
    }
}

#[test]
fn other_binary_keys_are_identified_by_their_headers() {
    for (bytes, expected) in [
        (&b"\x95\x03\xbe\x04\x5f\x00\x00\x00\x01\x08\x00rest"[..], Some("openpgp-secret-key")),
        (b"\x94\x58\x04\x5f\x00\x00\x00\x16\x09", Some("openpgp-secret-key")),
        (b"\xc5\x58\x04\x5f\x00\x00\x00\x16\x09", Some("openpgp-secret-key")),
        (b"\x99\x01\x0d\x04\x5f\x00\x00\x00\x01\x08", None),
        (b"\xfe\xed\xfe\xed\0\0\0\x02\0\0\0\x01\0\0\0\x01", Some("java-key-store")),
        (b"\xfe\xed\xfe\xed\0\0\0\x02\0\0\0\x8a\0\0\0\x02", None),
        (
            b"\x05\x02\0\0\0\x20\0\x02\0\x05REALM\0\x04host\0\x01a00000000000000000000",
            Some("kerberos-keytab"),
        ),
        (b"\x05\x02\0\0\0\x20\0\x02\0\x05RE\0LM\0\x04host\0\x01a0000000000000000000", None),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", None),
        (b"", None),
    ] {
        assert_eq!(name(bytes), expected, "{bytes:02x?}");
    }
}
