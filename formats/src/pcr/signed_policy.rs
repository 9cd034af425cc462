//! Signed PCR policies: the sections `.pcrpkey` and `.pcrsig` of a unified kernel image.
//!
//! A secret that is bound to a policy key opens on every image whose state that key signed, so an update needs no new
//! binding. The signature is made elsewhere; here are the bytes that it is over and the JSON that holds it, as
//! systemd-measure(1) writes it. `.pcrsig` is not measured into PCR 11, but is part of the image and so of PCR 4: it has to be
//! there before the image is signed or measured.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Bank, KERNEL_IMAGE};
use crate::der::{CertificateFileError, DerError, DerReader, RsaKey, oid, parse_pem, tag};
use crate::digest::Digest;

/// The section that holds the public key.
pub const PUBLIC_KEY_SECTION: &str = ".pcrpkey";

/// The section that holds the signatures.
pub const SIGNATURE_SECTION: &str = ".pcrsig";

/// The longest file of a key, in bytes.
const KEY_MAX: usize = 16 << 10;

/// The public key of PCR policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyKey {
    /// The file, PEM: the content of `.pcrpkey`.
    pub pem: Vec<u8>,
    /// The key.
    pub rsa: RsaKey,
    /// SHA-256 of the key's `RSAPublicKey` (RFC 8017, appendix A.1.1), by which systemd finds the signatures of a key.
    pub fingerprint: Digest,
}

/// Why a file is no key of PCR policies.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyKeyError {
    /// It is too long.
    #[error("it is {len} bytes long, and at most {KEY_MAX} are read")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// It holds a secret.
    #[error(
        "it holds a private key: keep that where it signs, and name the public one (`openssl pkey -pubout`)"
    )]
    Private,
    /// It is no PEM with one public key.
    #[error("it is not one block `PUBLIC KEY` of PEM, as `openssl pkey -pubout` writes it")]
    Form,
    /// The PEM is damaged.
    #[error("reading its PEM")]
    Pem(#[source] CertificateFileError),
    /// The key cannot be read.
    #[error("reading its key")]
    Der(#[from] DerError),
    /// Not RSA, or of another length.
    #[error("it is {found}, and a TPM takes RSA keys of 2048 bits, those of EC2 no others")]
    Kind {
        /// What it is.
        found: String,
    },
}

impl PolicyKey {
    /// Reads the file of a public key.
    ///
    /// # Errors
    /// [`PolicyKeyError`].
    pub fn parse(pem: &[u8]) -> Result<Self, PolicyKeyError> {
        if pem.len() > KEY_MAX {
            return Err(PolicyKeyError::TooLong { len: pem.len() });
        }
        if pem.windows(11).any(|window| window == b"PRIVATE KEY") {
            return Err(PolicyKeyError::Private);
        }
        let blocks = parse_pem(pem).map_err(PolicyKeyError::Pem)?;
        let [block] = blocks.as_slice() else { return Err(PolicyKeyError::Form) };
        if block.label != "PUBLIC KEY" {
            return Err(PolicyKeyError::Form);
        }
        let (rsa, fingerprint) = rsa_key(&block.der)?;
        if rsa.bits() != 2048 {
            return Err(PolicyKeyError::Kind { found: format!("an RSA key of {} bits", rsa.bits()) });
        }
        Ok(Self { pem: pem.to_vec(), rsa, fingerprint })
    }

    /// Length in bytes of a signature.
    pub fn signature_len(&self) -> usize {
        self.rsa.modulus.len()
    }
}

/// The key in `SubjectPublicKeyInfo` (RFC 5280, section 4.1), and the digest of the `RSAPublicKey` in it.
fn rsa_key(der: &[u8]) -> Result<(RsaKey, Digest), PolicyKeyError> {
    let mut outer = DerReader::new(der);
    let mut fields = outer.sequence("the public key")?;
    outer.end("the public key")?;
    let kind = fields.sequence("the kind of the key")?.object_identifier("the kind of the key")?;
    if kind != oid::RSA_ENCRYPTION {
        return Err(PolicyKeyError::Kind { found: format!("a key of kind {}", oid::dotted(kind)) });
    }
    let bits = fields.expect(tag::BIT_STRING, "the bits of the key")?;
    fields.end("the public key")?;
    let key = bits.bits("the bits of the key")?;
    let mut outer = DerReader::new(key);
    let mut numbers = outer.sequence("the RSA key")?;
    outer.end("the RSA key")?;
    let mut number = |what| Ok::<_, DerError>(numbers.expect(tag::INTEGER, what)?.unsigned(what)?.to_vec());
    let rsa = RsaKey { modulus: number("the modulus")?, exponent: number("the exponent")? };
    numbers.end("the RSA key")?;
    Ok((rsa, Digest::of(key)))
}

/// The signature of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySignature {
    /// The bank whose register the policy is about.
    pub bank: Bank,
    /// The policy, [`super::policy_digest`].
    pub policy: [u8; 32],
    /// RSASSA-PKCS1-v1_5 with SHA-256 over these 32 bytes.
    pub signature: Vec<u8>,
}

/// The content of `.pcrsig`, byte for byte as systemd-measure writes it.
pub fn pcrsig(key: &PolicyKey, signatures: &[PolicySignature]) -> String {
    let of_bank = |bank: Bank| {
        let own = signatures.iter().filter(move |one| one.bank == bank);
        let entries: Vec<_> = own.map(|one| entry(key, one)).collect();
        (!entries.is_empty()).then(|| format!("\"{}\":[{}]", bank.name(), entries.join(",")))
    };
    let banks: Vec<_> = Bank::ALL.into_iter().filter_map(of_bank).collect();
    format!("{{{}}}\n", banks.join(","))
}

fn entry(key: &PolicyKey, signed: &PolicySignature) -> String {
    format!(
        "{{\"pcrs\":[{KERNEL_IMAGE}],\"pkfp\":\"{}\",\"pol\":\"{}\",\"sig\":\"{}\"}}",
        key.fingerprint,
        Digest(signed.policy),
        STANDARD.encode(&signed.signature)
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;
    use crate::der::{integer, object_identifier, tlv};

    fn pem(label: &str, der: &[u8]) -> Vec<u8> {
        let text = STANDARD.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")).into_bytes()
    }

    fn key(bytes: usize, kind: &[u8]) -> Vec<u8> {
        let sequence = |parts: &[&[u8]]| tlv(tag::SEQUENCE, parts);
        let rsa = sequence(&[&integer(&vec![0xa5; bytes]), &integer(&[1, 0, 1])]);
        let kind = sequence(&[&object_identifier(kind), &tlv(tag::NULL, &[])]);
        sequence(&[&kind, &tlv(tag::BIT_STRING, &[&[0], &rsa])])
    }

    #[test]
    fn the_fingerprint_is_that_of_the_key_and_not_of_its_file() {
        let der = key(256, oid::RSA_ENCRYPTION);
        let file = pem("PUBLIC KEY", &der);
        let read = PolicyKey::parse(&file).unwrap();
        assert_eq!((read.signature_len(), &read.pem), (256, &file));
        // SEQUENCE, length of two bytes, two INTEGERs.
        let rsa = &der[der.len() - (4 + 4 + 257 + 5)..];
        assert_eq!(read.fingerprint, Digest::of(rsa));
    }

    #[test]
    fn other_files_are_refused() {
        let refused = |file: &[u8]| PolicyKey::parse(file).unwrap_err();
        assert!(matches!(refused(&pem("RSA PRIVATE KEY", b"x")), PolicyKeyError::Private));
        assert!(matches!(refused(&pem("CERTIFICATE", b"x")), PolicyKeyError::Form));
        assert!(matches!(refused(b""), PolicyKeyError::Pem(_)));
        assert!(matches!(refused(&vec![b'\n'; KEY_MAX + 1]), PolicyKeyError::TooLong { .. }));
        let twice = pem("PUBLIC KEY", &key(256, oid::RSA_ENCRYPTION)).repeat(2);
        assert!(matches!(refused(&twice), PolicyKeyError::Form));
        assert!(matches!(
            refused(&pem("PUBLIC KEY", &key(384, oid::RSA_ENCRYPTION))),
            PolicyKeyError::Kind { .. }
        ));
        assert!(matches!(refused(&pem("PUBLIC KEY", &key(256, &[0x2a, 3]))), PolicyKeyError::Kind { .. }));
        assert!(matches!(refused(&pem("PUBLIC KEY", b"\x30\x80")), PolicyKeyError::Der(_)));
    }

    #[test]
    fn the_json_is_sorted_by_bank_and_keeps_the_order_of_the_policies() {
        let key = PolicyKey::parse(&pem("PUBLIC KEY", &key(256, oid::RSA_ENCRYPTION))).unwrap();
        let one = |bank, policy: u8| PolicySignature { bank, policy: [policy; 32], signature: vec![1, 2, 3] };
        let text = pcrsig(&key, &[one(Bank::Sha384, 1), one(Bank::Sha256, 2), one(Bank::Sha256, 3)]);
        let entry = |policy: &str| {
            let pol = policy.repeat(32);
            format!("{{\"pcrs\":[11],\"pkfp\":\"{}\",\"pol\":\"{pol}\",\"sig\":\"AQID\"}}", key.fingerprint)
        };
        let expected =
            format!("{{\"sha256\":[{},{}],\"sha384\":[{}]}}\n", entry("02"), entry("03"), entry("01"));
        assert_eq!(text, expected);
    }
}
