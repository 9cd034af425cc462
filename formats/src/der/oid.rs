//! Object identifiers, as the content of their elements.

/// `rsaEncryption` (RFC 8017).
pub const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
/// `sha256WithRSAEncryption`.
pub const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
/// `sha384WithRSAEncryption`.
pub const SHA384_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12];
/// `sha512WithRSAEncryption`.
pub const SHA512_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13];
/// `id-ecPublicKey` (RFC 5480).
pub const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
/// `id-Ed25519` (RFC 8410).
pub const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// `id-sha256` (RFC 5754).
pub const SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
/// `id-signedData` (RFC 5652).
pub const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
/// `id-contentType` (RFC 5652, section 11.1).
pub const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3];
/// `id-messageDigest` (RFC 5652, section 11.2).
pub const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4];
/// `SPC_INDIRECT_DATA_OBJID` (Windows Authenticode Portable Executable Signature Format).
pub const SPC_INDIRECT_DATA: &[u8] = &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 1, 4];
/// `SPC_PE_IMAGE_DATAOBJ`.
pub const SPC_PE_IMAGE_DATA: &[u8] = &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 1, 15];
/// `id-ce-basicConstraints` (RFC 5280, section 4.2.1.9).
pub const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
/// `id-ce-keyUsage` (RFC 5280, section 4.2.1.3).
pub const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
/// `id-at-commonName` (RFC 5280, appendix A.1).
pub const COMMON_NAME: &[u8] = &[0x55, 4, 3];
/// `id-at-organizationName`.
pub const ORGANIZATION: &[u8] = &[0x55, 4, 10];

/// Extensions that a reader of chains may leave unread although they are critical: they restrict names and purposes that
/// firmware does not look at.
pub(super) const UNDERSTOOD: [&[u8]; 5] = [
    BASIC_CONSTRAINTS,
    KEY_USAGE,
    // extKeyUsage
    &[0x55, 0x1d, 0x25],
    // subjectAltName
    &[0x55, 0x1d, 0x11],
    // certificatePolicies
    &[0x55, 0x1d, 0x20],
];

/// The dotted form, as far as the bytes are an identifier.
pub fn dotted(content: &[u8]) -> String {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc = 0_u64;
    for byte in content {
        arc = arc << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if arcs.is_empty() {
                let first = (arc / 40).min(2);
                arcs.extend([first, arc.saturating_sub(first.saturating_mul(40))]);
            } else {
                arcs.push(arc);
            }
            arc = 0;
        }
    }
    arcs.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_shown_in_dotted_form() {
        assert_eq!(dotted(SPC_INDIRECT_DATA), "1.3.6.1.4.1.311.2.1.4");
        assert_eq!(dotted(SHA256), "2.16.840.1.101.3.4.2.1");
        assert_eq!(dotted(&[0xff; 40]), "");
    }
}
