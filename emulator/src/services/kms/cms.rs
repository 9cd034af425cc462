//! `EnvelopedData` of the Cryptographic Message Syntax (RFC 5652, section 6), with RSAES-OAEP (RFC 3560) and AES-256 in CBC
//! mode (RFC 3565).

use crate::attestation::der;
use crate::digest::Sha256Digest;

// Object identifiers, as the content of their encoding.
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const ENVELOPED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3];
const RSAES_OAEP: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 7];
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8];
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
const AES256_CBC: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 42];

/// The message for the owner of a public key: the wrapped content key, the initialization vector and the content.
pub(super) fn enveloped(public_key: &[u8], wrapped: &[u8], iv: &[u8; 16], content: &[u8]) -> Vec<u8> {
    let null = || vec![0x05, 0x00];
    let sha256 = der::sequence(&[der::oid(SHA256), null()]);
    let mask = der::sequence(&[der::oid(MGF1), sha256.clone()]);
    let oaep = der::sequence(&[der::tagged(0, &sha256), der::tagged(1, &mask)]);
    // The recipient is named by an identifier of its key, as it has no certificate.
    let key_id = &Sha256Digest::of(public_key).0[..20];
    let recipient = der::sequence(&[
        der::integer(&[2]),
        der::implicit(0, key_id),
        der::sequence(&[der::oid(RSAES_OAEP), oaep]),
        der::octets(wrapped),
    ]);
    let encrypted = der::sequence(&[
        der::oid(DATA),
        der::sequence(&[der::oid(AES256_CBC), der::octets(iv)]),
        der::implicit(0, content),
    ]);
    let enveloped = der::sequence(&[der::integer(&[2]), der::set_of_one(&recipient), encrypted]);
    der::sequence(&[der::oid(ENVELOPED_DATA), der::tagged(0, &enveloped)])
}
