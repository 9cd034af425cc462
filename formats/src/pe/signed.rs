//! The reader of Authenticode signatures: the table of an image, and `SignedData` in it.
//!
//! Takes signatures of other writers, too, as far as they are of SHA-256. Checks what the structures say of each other;
//! the signature itself is for the caller, who has the arithmetic. Shares no code with the writer.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::{PeError, PeHeaders};
use crate::der::{Certificate, DerError, DerReader, Tlv, oid, tag};
use crate::digest::Digest;
use crate::fields;
use crate::read_at::ReadAt;

/// The most bytes of a table that are read.
const TABLE_MAX: u32 = 1 << 20;

/// The most entries of a table, and certificates of a signature.
const MANY: usize = 32;

/// Bytes of `WIN_CERTIFICATE` before its content.
const HEADER: usize = 8;

/// `WIN_CERT_TYPE_PKCS_SIGNED_DATA`.
const PKCS_SIGNED_DATA: u16 = 2;

/// An entry of the table of signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableEntry {
    /// A place for a signature, which holds none.
    Reserved,
    /// A signature.
    Signature(Box<PeSignature>),
    /// Something else, by its type.
    Other(u16),
}

/// A signature, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeSignature {
    /// The SHA-256 Authenticode digest that is signed.
    pub authenticode: Digest,
    /// The signed attributes as a `SET`: the bytes that the signature is over.
    pub attributes: Vec<u8>,
    /// The element of the issuer's name of the signer's certificate.
    pub issuer: Vec<u8>,
    /// The element of its serial number.
    pub serial: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
    /// The certificates that come with it.
    pub certificates: Vec<Certificate>,
}

impl PeSignature {
    /// The signer's certificate, where it comes with the signature.
    pub fn signer(&self) -> Option<&Certificate> {
        self.certificates.iter().find(|one| one.issuer == self.issuer && one.serial == self.serial)
    }
}

/// Reads the table of signatures of an image; empty where it has none.
///
/// # Errors
/// [`PeError::SignatureTable`], [`PeError::Signature`], [`PeError::Io`].
pub fn read_signatures(bytes: &dyn ReadAt, headers: &PeHeaders) -> Result<Vec<TableEntry>, PeError> {
    let Some((start, len)) = headers.signatures else { return Ok(Vec::new()) };
    let offset = u64::from(start);
    let wrong = |at: usize, reason| PeError::SignatureTable { at: offset.saturating_add(at as u64), reason };
    if len > TABLE_MAX {
        return Err(wrong(0, "the table is longer than 1 MiB"));
    }
    let mut table = vec![0; len as usize];
    bytes.read_exact_at(offset, &mut table).map_err(|source| PeError::Io {
        at: offset,
        len: len.into(),
        source,
    })?;
    let mut entries = Vec::new();
    let mut at = 0_usize;
    while at < table.len() {
        let rest = table.get(at..).unwrap_or_default();
        let size = fields::u32(rest, 0) as usize;
        if size < HEADER || size > rest.len() {
            return Err(wrong(at, "its length is not that of an entry within the table"));
        }
        if entries.len() == MANY {
            return Err(wrong(at, "the table has more than 32 entries"));
        }
        let content = rest.get(HEADER..size).unwrap_or_default();
        entries.push(match fields::u16(rest, 6) {
            PKCS_SIGNED_DATA if content.iter().all(|byte| *byte == 0) => TableEntry::Reserved,
            PKCS_SIGNED_DATA => TableEntry::Signature(Box::new(
                signed_data(content)
                    .map_err(|source| PeError::Signature { at: offset.saturating_add(at as u64), source })?,
            )),
            other => TableEntry::Other(other),
        });
        // Entries begin at multiples of 8; the last one may end anywhere.
        at = at.saturating_add(size.checked_next_multiple_of(8).unwrap_or(size));
    }
    Ok(entries)
}

/// Reads `ContentInfo` with `SignedData`; zeros may follow.
fn signed_data(content: &[u8]) -> Result<PeSignature, DerError> {
    let mut outer = DerReader::new(content);
    let mut info = outer.sequence("the signature")?;
    let position = outer.position();
    if content.get(position..).unwrap_or_default().iter().any(|byte| *byte != 0) {
        let what = "what follows the signature in its entry";
        return Err(DerError::Value { what, at: position, rule: "zero" });
    }
    identifier(&mut info, "the kind of the signature", oid::SIGNED_DATA)?;
    let mut explicit = info.expect(tag::CONTEXT, "the signed data")?.reader();
    info.end("the signature")?;
    let mut signed = explicit.sequence("the signed data")?;
    explicit.end("the signed data")?;
    version(&mut signed)?;
    signed.expect(tag::SET, "the digests of the signed data")?;
    let mut encapsulated = signed.sequence("the signed content")?;
    let mut certificates = Vec::new();
    if let Some(list) = signed.optional(tag::CONTEXT, "the certificates")? {
        let mut list = list.reader();
        while !list.is_empty() {
            let one = list.expect(tag::SEQUENCE, "a certificate")?;
            if certificates.len() == MANY {
                return Err(DerError::Value { what: "the certificates", at: one.at, rule: "at most 32" });
            }
            certificates.push(Certificate::parse(one.whole)?);
        }
    }
    signed.optional(tag::CONTEXT | 1, "the revocations")?;
    let mut signers = signed.expect(tag::SET, "the signers")?.reader();
    signed.end("the signed data")?;
    identifier(&mut encapsulated, "the kind of the signed content", oid::SPC_INDIRECT_DATA)?;
    let mut content = encapsulated.expect(tag::CONTEXT, "the signed content")?.reader();
    encapsulated.end("the signed content")?;
    let indirect = content.expect(tag::SEQUENCE, "the digest of the image")?;
    content.end("the signed content")?;
    let authenticode = image_digest(&indirect)?;
    let signer = signers.sequence("the signer")?;
    signers.end("the signers")?;
    let mut signature = read_signer(signer, &indirect)?;
    (signature.authenticode, signature.certificates) = (authenticode, certificates);
    Ok(signature)
}

/// The SHA-256 digest in `SpcIndirectDataContent`.
fn image_digest(indirect: &Tlv<'_>) -> Result<Digest, DerError> {
    let mut fields = indirect.reader();
    let mut attribute = fields.sequence("the kind of what is signed")?;
    identifier(&mut attribute, "the kind of what is signed", oid::SPC_PE_IMAGE_DATA)?;
    let mut info = fields.sequence("the digest of the image")?;
    fields.end("the digest of the image")?;
    let mut algorithm = info.sequence("the algorithm of the digest")?;
    identifier(&mut algorithm, "the algorithm of the digest", oid::SHA256)?;
    let digest = info.expect(tag::OCTET_STRING, "the digest of the image")?;
    info.end("the digest of the image")?;
    sha256(&digest)
}

/// `SignerInfo`, without the digest of the image and the certificates.
fn read_signer(mut fields: DerReader<'_>, indirect: &Tlv<'_>) -> Result<PeSignature, DerError> {
    version(&mut fields)?;
    let mut id = fields.sequence("the signer's certificate")?;
    let issuer = id.expect(tag::SEQUENCE, "the issuer of the signer's certificate")?.whole.to_vec();
    let serial = id.expect(tag::INTEGER, "the number of the signer's certificate")?.whole.to_vec();
    id.end("the signer's certificate")?;
    let mut algorithm = fields.sequence("the algorithm of the digest")?;
    identifier(&mut algorithm, "the algorithm of the digest", oid::SHA256)?;
    let attributes = fields.expect(tag::CONTEXT, "the signed attributes")?;
    let found = message_digest(&attributes)?;
    if found != Digest::of(indirect.content) {
        let (what, rule) = ("the digest in the signed attributes", "that of the signed content");
        return Err(DerError::Value { what, at: attributes.at, rule });
    }
    let mut algorithm = fields.sequence("the algorithm of the signature")?;
    let at = algorithm.position();
    let id = algorithm.object_identifier("the algorithm of the signature")?;
    if id != oid::RSA_ENCRYPTION && id != oid::SHA256_WITH_RSA {
        return Err(DerError::Value { what: "the algorithm of the signature", at, rule: "RSA with SHA-256" });
    }
    let signature = fields.expect(tag::OCTET_STRING, "the signature")?.content.to_vec();
    fields.optional(tag::CONTEXT | 1, "the attributes that are not signed")?;
    fields.end("the signer")?;
    // As it is signed: with the tag of a SET instead of that of the field (RFC 2315, section 9.3).
    let mut set = attributes.whole.to_vec();
    if let Some(first) = set.first_mut() {
        *first = tag::SET;
    }
    Ok(PeSignature {
        authenticode: found,
        attributes: set,
        issuer,
        serial,
        signature,
        certificates: Vec::new(),
    })
}

/// The digest of the message among the signed attributes, which name the kind of the content, too.
fn message_digest(attributes: &Tlv<'_>) -> Result<Digest, DerError> {
    let (mut digest, mut kind) = (None, false);
    let mut each = attributes.reader();
    while !each.is_empty() {
        let mut attribute = each.sequence("a signed attribute")?;
        let id = attribute.object_identifier("the kind of a signed attribute")?;
        let mut values = attribute.expect(tag::SET, "the values of a signed attribute")?.reader();
        attribute.end("a signed attribute")?;
        if id == oid::CONTENT_TYPE {
            identifier(&mut values, "the kind of the signed content", oid::SPC_INDIRECT_DATA)?;
            kind = true;
        } else if id == oid::MESSAGE_DIGEST {
            digest = Some(sha256(&values.expect(tag::OCTET_STRING, "the digest of the content")?)?);
        }
    }
    let missing =
        DerError::Missing { what: "the kind or the digest of the signed content", at: attributes.at };
    digest.filter(|_| kind).ok_or(missing)
}

/// An object identifier that has to be this one.
fn identifier(fields: &mut DerReader<'_>, what: &'static str, expected: &[u8]) -> Result<(), DerError> {
    let at = fields.position();
    if fields.object_identifier(what)? == expected {
        return Ok(());
    }
    Err(DerError::Value { what, at, rule: "that of an Authenticode signature with SHA-256" })
}

/// The version 1 of a structure.
fn version(fields: &mut DerReader<'_>) -> Result<(), DerError> {
    let version = fields.expect(tag::INTEGER, "the version")?;
    if version.content == [1] {
        return Ok(());
    }
    Err(DerError::Value { what: "the version", at: version.at, rule: "1" })
}

fn sha256(octets: &Tlv<'_>) -> Result<Digest, DerError> {
    let bytes = octets.content.try_into().ok();
    let (what, at) = ("a digest", octets.at);
    bytes.map(Digest).ok_or(DerError::Value { what, at, rule: "one of SHA-256" })
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "a test fails by panicking"
    )]

    use super::super::sample::stub;
    use super::super::{SignatureParts, certificate_table, read, reserve, signed_attributes};
    use super::*;
    use crate::der::sample::certificate;
    use crate::tree::{Content, Origin};

    /// An image whose table holds these bytes.
    fn with_table(table: &[u8]) -> Vec<u8> {
        let reserved = reserve(&Content::Inline(stub(0x400).into())).unwrap();
        let content = reserved.with_table(table.into());
        let mut bytes = vec![0; content.len() as usize];
        for segment in content.segments() {
            let Origin::Inline { bytes: from, at } = segment.origin else { panic!("a reference") };
            let len = segment.len as usize;
            bytes[segment.offset as usize..][..len].copy_from_slice(&from[at..at + len]);
        }
        bytes
    }

    fn signed() -> Vec<u8> {
        let signer = Certificate::parse(&certificate("signer")).unwrap();
        let parts = SignatureParts {
            authenticode: &Digest::of(b"image"),
            signer: &signer,
            intermediates: &[Certificate::parse(&certificate("authority")).unwrap()],
            signature: &[5; 256],
        };
        certificate_table(&super::super::signed_data(&parts)).unwrap()
    }

    fn entries(table: &[u8]) -> Result<Vec<TableEntry>, PeError> {
        let image = with_table(table);
        read_signatures(&image, &read(&image).unwrap())
    }

    #[test]
    fn a_signature_is_read_back() {
        let entries = entries(&signed()).unwrap();
        let [TableEntry::Signature(signature)] = entries.as_slice() else { panic!("{entries:?}") };
        assert_eq!(signature.authenticode, Digest::of(b"image"));
        assert_eq!(signature.attributes, signed_attributes(&Digest::of(b"image")));
        assert_eq!(signature.signature, [5; 256]);
        let names: Vec<_> = signature.certificates.iter().map(Certificate::name).collect();
        assert_eq!(names, ["signer", "authority"]);
        assert_eq!(signature.signer().unwrap().name(), "signer");
    }

    #[test]
    fn a_damaged_table_is_refused() {
        for (len, what) in [(7_u32, "short"), (8193, "long"), (16, "more entries")] {
            let mut table = signed();
            table[..4].copy_from_slice(&len.to_le_bytes());
            assert!(entries(&table).is_err(), "{what}");
        }
        let mut followed = signed();
        followed[8191] = 1;
        assert!(matches!(entries(&followed), Err(PeError::Signature { source: DerError::Value { .. }, .. })));
        let mut other = signed();
        other[6] = 0xef;
        assert_eq!(entries(&other).unwrap(), [TableEntry::Other(0xef)]);
    }

    #[test]
    fn a_changed_byte_never_panics() {
        let table = signed();
        let image = with_table(&table);
        let headers = read(&image).unwrap();
        let start = image.len() - table.len();
        for at in 0..2200 {
            for value in [0, 1, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = image.clone();
                changed[start + at] = value;
                let _ = read_signatures(&changed, &headers);
            }
        }
    }
}
