//! Certificates (RFC 5280), as far as the check of an image's signature needs them.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::fmt::Write as _;

use super::{DerError, DerReader, Tlv, oid, tag};
use crate::digest::Digest;
use crate::time::{Civil, Time};
use crate::tree::Printable;

/// The longest certificate that is read, in bytes.
pub(super) const LEN_MAX: usize = 64 << 10;

/// A hash function of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// How a certificate was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 (RFC 8017, section 8.2).
    RsaPkcs1(Hash),
    /// Another algorithm, by its object identifier in dotted form.
    Other(String),
}

/// An RSA public key, big-endian and without zeros before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RsaKey {
    /// The modulus.
    pub modulus: Vec<u8>,
    /// The public exponent.
    pub exponent: Vec<u8>,
}

impl RsaKey {
    /// Bits of the modulus.
    pub fn bits(&self) -> u32 {
        let first = self.modulus.first().map_or(8, |first| first.leading_zeros());
        (self.modulus.len() as u32).saturating_mul(8).saturating_sub(first)
    }
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA.
    Rsa(RsaKey),
    /// Another kind, by its object identifier in dotted form.
    Other(String),
}

/// What a key may be used for, as far as a certificate restricts it (RFC 5280, section 4.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUsage {
    /// Signatures that are not those of certificates.
    pub digital_signature: bool,
    /// Signatures of certificates.
    pub certificate_signing: bool,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// All of it in DER.
    pub der: Vec<u8>,
    /// The part that is signed.
    pub signed: Vec<u8>,
    /// Its signature.
    pub signature: Vec<u8>,
    /// How it is signed.
    pub algorithm: SignatureAlgorithm,
    /// The element of its serial number.
    pub serial: Vec<u8>,
    /// The element of its issuer's name.
    pub issuer: Vec<u8>,
    /// The element of its own name.
    pub subject: Vec<u8>,
    /// First second of its validity, since 1970.
    pub not_before: i64,
    /// Last second of its validity, since 1970.
    pub not_after: i64,
    /// The element of its key (`SubjectPublicKeyInfo`).
    pub key_info: Vec<u8>,
    /// Its key.
    pub key: PublicKey,
    /// Whether it is the certificate of an authority; none where it does not say.
    pub authority: Option<bool>,
    /// The most authorities between it and the last certificate, where it limits them.
    pub path_len: Option<u64>,
    /// What its key may be used for, where it says that.
    pub usage: Option<KeyUsage>,
    /// The first critical extension that is not understood here, by its identifier in dotted form.
    pub unknown_critical: Option<String>,
}

impl Certificate {
    /// Reads a certificate; nothing may follow it.
    ///
    /// # Errors
    /// [`DerError`].
    pub fn parse(der: &[u8]) -> Result<Self, DerError> {
        if der.len() > LEN_MAX {
            return Err(DerError::Value { what: "a certificate", at: 0, rule: "at most 64 KiB long" });
        }
        let mut outer = DerReader::new(der);
        let mut parts = outer.sequence("a certificate")?;
        outer.end("the certificate")?;
        let signed = parts.expect(tag::SEQUENCE, "the signed part of a certificate")?;
        let algorithm = parts.expect(tag::SEQUENCE, "the algorithm of a signature")?;
        let signature = parts.expect(tag::BIT_STRING, "the signature of a certificate")?;
        let signature = signature.bits("the signature of a certificate")?.to_vec();
        parts.end("the certificate")?;
        let mut certificate = Self {
            der: der.to_vec(),
            signed: signed.whole.to_vec(),
            signature,
            algorithm: signature_algorithm(&algorithm)?,
            serial: Vec::new(),
            issuer: Vec::new(),
            subject: Vec::new(),
            not_before: 0,
            not_after: 0,
            key_info: Vec::new(),
            key: PublicKey::Other(String::new()),
            authority: None,
            path_len: None,
            usage: None,
            unknown_critical: None,
        };
        certificate.read_signed(signed.reader(), &algorithm)?;
        Ok(certificate)
    }

    /// Reads the fields of the part that is signed.
    fn read_signed(&mut self, mut fields: DerReader<'_>, outer: &Tlv<'_>) -> Result<(), DerError> {
        let version = fields.optional(tag::CONTEXT, "the version")?;
        let serial = fields.expect(tag::INTEGER, "the serial number")?;
        if serial.content.is_empty() || serial.content.len() > 32 {
            let rule = "a number of 1 to 32 bytes";
            return Err(DerError::Value { what: "the serial number", at: serial.at, rule });
        }
        self.serial = serial.whole.to_vec();
        let inner = fields.expect(tag::SEQUENCE, "the algorithm of a signature")?;
        if inner.whole != outer.whole {
            let rule = "the algorithm that follows the signed part";
            return Err(DerError::Value { what: "the algorithm of a signature", at: inner.at, rule });
        }
        self.issuer = fields.expect(tag::SEQUENCE, "the name of the issuer")?.whole.to_vec();
        let mut validity = fields.sequence("the validity")?;
        self.not_before = time(&mut validity)?;
        self.not_after = time(&mut validity)?;
        validity.end("the validity")?;
        self.subject = fields.expect(tag::SEQUENCE, "the name of the owner")?.whole.to_vec();
        let key = fields.expect(tag::SEQUENCE, "the public key")?;
        self.key_info = key.whole.to_vec();
        self.key = public_key(&key)?;
        for number in [1, 2] {
            fields.optional(tag::CONTEXT_PRIMITIVE | number, "an identifier")?;
        }
        if let Some(extensions) = fields.optional(tag::CONTEXT | 3, "the extensions")? {
            let third = [tag::CONTEXT, 3, tag::INTEGER, 1, 2];
            if version.is_none_or(|version| version.whole != third) {
                let rule = "absent before version 3";
                return Err(DerError::Value { what: "a list of extensions", at: extensions.at, rule });
            }
            let mut list = extensions.reader();
            let mut each = list.sequence("the extensions")?;
            list.end("the extensions")?;
            while !each.is_empty() {
                self.read_extension(each.sequence("an extension")?)?;
            }
        }
        fields.end("the signed part of a certificate")
    }

    fn read_extension(&mut self, mut fields: DerReader<'_>) -> Result<(), DerError> {
        let id = fields.object_identifier("the identifier of an extension")?;
        let critical = boolean(&mut fields, "whether an extension is critical")?;
        let value = fields.expect(tag::OCTET_STRING, "the value of an extension")?;
        fields.end("an extension")?;
        match id {
            oid::BASIC_CONSTRAINTS => {
                let mut outer = value.reader();
                let mut constraints = outer.sequence("the basic constraints")?;
                outer.end("the basic constraints")?;
                self.authority = Some(boolean(&mut constraints, "whether it is an authority")?);
                if let Some(len) = constraints.optional(tag::INTEGER, "the longest path")? {
                    let digits = len.unsigned("the longest path")?;
                    self.path_len = Some(
                        digits
                            .iter()
                            .fold(0_u64, |n, byte| n.saturating_mul(256).saturating_add((*byte).into())),
                    );
                }
                constraints.end("the basic constraints")?;
            }
            oid::KEY_USAGE => {
                let mut outer = value.reader();
                let bits = outer.expect(tag::BIT_STRING, "the usage of a key")?.content;
                outer.end("the usage of a key")?;
                let first = bits.get(1).copied().unwrap_or(0);
                self.usage = Some(KeyUsage {
                    digital_signature: first & 0x80 != 0,
                    certificate_signing: first & 0x04 != 0,
                });
            }
            other if critical && !oid::UNDERSTOOD.contains(&other) => {
                self.unknown_critical.get_or_insert_with(|| oid::dotted(other));
            }
            _ => {}
        }
        Ok(())
    }

    /// SHA-256 of all of it, the fingerprint that tools show.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(&self.der)
    }

    /// Whether it names itself as its issuer.
    pub fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// The name of its owner for messages: common name, else organization, else the fingerprint.
    pub fn name(&self) -> String {
        let named =
            [oid::COMMON_NAME, oid::ORGANIZATION].into_iter().find_map(|id| attribute(&self.subject, id));
        named.unwrap_or_else(|| format!("SHA-256 {}", self.fingerprint()))
    }

    /// The last second of its validity as a date.
    pub fn expiry(&self) -> Civil {
        Time::from_secs(self.not_after).utc()
    }
}

/// The text of an attribute of a name, printable; none where the name lacks it.
fn attribute(name: &[u8], id: &[u8]) -> Option<String> {
    let mut sets = DerReader::new(name).sequence("a name").ok()?;
    while let Ok(set) = sets.expect(tag::SET, "a part of a name") {
        let mut attributes = set.reader();
        while let Ok(mut attribute) = attributes.sequence("an attribute") {
            if attribute.object_identifier("the kind of an attribute").ok()? == id {
                let value = attribute.element("the value of an attribute").ok()?;
                let mut text = String::new();
                let _ = write!(text, "{}", Printable(value.content));
                return Some(text);
            }
        }
    }
    None
}

/// A `BOOLEAN` whose default is `false`, which DER leaves out.
fn boolean(fields: &mut DerReader<'_>, what: &'static str) -> Result<bool, DerError> {
    match fields.optional(tag::BOOLEAN, what)? {
        Some(Tlv { content: [0xff], .. }) => Ok(true),
        // Certificates of some tools spell the default out; it is not DER, and changes nothing.
        None | Some(Tlv { content: [0], .. }) => Ok(false),
        Some(element) => Err(DerError::Value { what, at: element.at, rule: "0 or 255" }),
    }
}

fn signature_algorithm(element: &Tlv<'_>) -> Result<SignatureAlgorithm, DerError> {
    let id = element.reader().object_identifier("the algorithm of a signature")?;
    let hash = match id {
        oid::SHA256_WITH_RSA => Hash::Sha256,
        oid::SHA384_WITH_RSA => Hash::Sha384,
        oid::SHA512_WITH_RSA => Hash::Sha512,
        other => return Ok(SignatureAlgorithm::Other(oid::dotted(other))),
    };
    Ok(SignatureAlgorithm::RsaPkcs1(hash))
}

/// The key of a `SubjectPublicKeyInfo`.
fn public_key(info: &Tlv<'_>) -> Result<PublicKey, DerError> {
    let mut fields = info.reader();
    let algorithm = fields.sequence("the kind of a key")?.object_identifier("the kind of a key")?;
    let bits = fields.expect(tag::BIT_STRING, "the bits of a key")?;
    fields.end("the public key")?;
    if algorithm != oid::RSA_ENCRYPTION {
        return Ok(PublicKey::Other(oid::dotted(algorithm)));
    }
    let mut outer = DerReader::new(bits.bits("the bits of a key")?);
    let mut numbers = outer.sequence("an RSA key")?;
    outer.end("the RSA key")?;
    let modulus = numbers.expect(tag::INTEGER, "the modulus of a key")?.unsigned("the modulus of a key")?;
    let exponent =
        numbers.expect(tag::INTEGER, "the exponent of a key")?.unsigned("the exponent of a key")?;
    numbers.end("the RSA key")?;
    Ok(PublicKey::Rsa(RsaKey { modulus: modulus.to_vec(), exponent: exponent.to_vec() }))
}

/// A time of the validity: `UTCTime` for the years 1950 to 2049, `GeneralizedTime` for others, both with seconds and in UTC
/// (RFC 5280, section 4.1.2.5).
fn time(fields: &mut DerReader<'_>) -> Result<i64, DerError> {
    const WHAT: &str = "a time of the validity";
    let element = fields.element(WHAT)?;
    let wrong = DerError::Value { what: WHAT, at: element.at, rule: "a time as certificates have it" };
    let year_digits = match element.tag {
        tag::UTC_TIME => 2,
        tag::GENERALIZED_TIME => 4,
        found => return Err(DerError::Tag { what: WHAT, at: element.at, found, expected: tag::UTC_TIME }),
    };
    seconds(element.content, year_digits).ok_or(wrong)
}

fn seconds(text: &[u8], year_digits: usize) -> Option<i64> {
    let digits = text.strip_suffix(b"Z")?;
    if digits.len() != year_digits.saturating_add(10) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |part: &[u8]| {
        part.iter().fold(0_i64, |n, digit| n.saturating_mul(10).saturating_add(i64::from(digit & 0xf)))
    };
    let (year, rest) = digits.split_at_checked(year_digits)?;
    let year = match (year_digits, number(year)) {
        (2, year) if year < 50 => year.saturating_add(2000),
        (2, year) => year.saturating_add(1900),
        (_, year) => year,
    };
    let mut parts = rest.chunks_exact(2).map(number);
    let mut next = |most: i64, least: i64| parts.next().filter(|part| (least..=most).contains(part));
    let (month, day) = (next(12, 1)?, next(31, 1)?);
    let (hour, minute, second) = (next(23, 0)?, next(59, 0)?, next(59, 0)?);
    Some(Civil { year, month, day, hour, minute, second }.secs())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::super::sample;
    use super::*;

    #[test]
    fn the_fields_of_a_certificate_are_read() {
        let certificate = Certificate::parse(&sample::certificate("a\u{7}b")).unwrap();
        assert_eq!(certificate.name(), "a\\x07b");
        assert_eq!(certificate.algorithm, SignatureAlgorithm::RsaPkcs1(Hash::Sha256));
        assert_eq!(certificate.serial, [2, 1, 5]);
        assert_eq!(certificate.expiry().to_string(), "2051-01-02T03:04:05Z");
        assert_eq!((certificate.not_before, certificate.authority), (0, Some(true)));
        assert_eq!(certificate.path_len, Some(1));
        assert_eq!(certificate.usage, Some(KeyUsage { digital_signature: true, certificate_signing: true }));
        assert_eq!(certificate.unknown_critical.as_deref(), Some("1.2.3"));
        let PublicKey::Rsa(key) = &certificate.key else { panic!("no RSA key") };
        assert_eq!((key.bits(), key.exponent.as_slice()), (2048, &[1, 0, 1][..]));
        assert!(certificate.is_self_issued());
    }

    #[test]
    fn a_certificate_that_is_cut_short_or_longer_is_refused() {
        let der = sample::certificate("a");
        for len in 0..der.len() {
            assert!(Certificate::parse(&der[..len]).is_err(), "{len}");
        }
        let longer = [&der[..], &[0]].concat();
        assert!(matches!(Certificate::parse(&longer), Err(DerError::Trailing { more: 1, .. })));
        assert!(matches!(Certificate::parse(&vec![0; LEN_MAX + 1]), Err(DerError::Value { .. })));
    }

    #[test]
    fn a_changed_byte_never_panics() {
        let der = sample::certificate("a");
        for at in 0..der.len() {
            for value in [0, 1, 0x1f, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = der.clone();
                changed[at] = value;
                let _ = Certificate::parse(&changed).map(|certificate| certificate.name());
            }
        }
    }

    #[test]
    fn times_of_both_forms_are_read() {
        assert_eq!(seconds(b"700101000000Z", 2), Some(0));
        assert_eq!(seconds(b"491231235959Z", 2), Some(2_524_607_999));
        assert_eq!(seconds(b"20491231235959Z", 4), Some(2_524_607_999));
        for wrong in
            [&b"700101000000"[..], b"7001010000Z", b"701301000000Z", b"700101240000Z", b"70010100000aZ"]
        {
            assert_eq!(seconds(wrong, 2), None);
        }
    }
}
