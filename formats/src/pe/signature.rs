//! The writer of Authenticode signatures: the place for one at the end of an image, the bytes that a key signs, and the
//! table that holds the result (Windows Authenticode Portable Executable Signature Format, 21 March 2008; RFC 5652).
//!
//! The place is reserved when the image is made, so that an image has one layout with and without its signature, and one
//! Authenticode digest: the digest leaves the table out. What is signed does not depend on the certificate. No time is
//! signed: firmware ignores it, and it would be another one at every signing.

use std::ops::Range;
use std::sync::Arc;

use super::{COFF, OPTIONAL, PE32_PLUS, PeError, SIGNATURES};
use crate::der::{Certificate, integer, object_identifier, oid, tag, tlv};
use crate::digest::Digest;
use crate::fields;
use crate::tree::{Content, Origin, Segment};

/// Bytes that are reserved for a signature: enough for an RSA key of 4096 bits whose certificate comes with two others.
pub const SIGNATURE_SPACE: u32 = 8192;

/// Bytes of `WIN_CERTIFICATE` before the signature.
const HEADER: usize = 8;

/// Tables begin and end at multiples of this.
const ALIGN: u64 = 8;

/// `WIN_CERT_REVISION_2_0` and `WIN_CERT_TYPE_PKCS_SIGNED_DATA`.
const PKCS_SIGNED_DATA: [u8; 4] = [0x00, 0x02, 0x02, 0x00];

/// An image with a place for its signature.
#[derive(Debug, Clone)]
pub struct Reserved {
    /// The image with an empty table.
    pub content: Content,
    /// The table in the file.
    pub table: Range<u64>,
}

impl Reserved {
    /// The image with a table in that place; its bytes stay those of `table`, so a plan can be searched for them.
    #[must_use]
    pub fn with_table(&self, table: Arc<[u8]>) -> Content {
        let mut segments = self.content.segments();
        segments.retain(|segment| segment.offset < self.table.start);
        segments.push(inline(self.table.start, table));
        Content::Sparse { len: self.content.len(), segments: segments.into() }
    }
}

/// Reserves [`SIGNATURE_SPACE`] bytes at the end of an image. A signature that it has is dropped.
///
/// # Errors
/// [`PeError`] when the bytes are no PE32+ image, its headers are not in memory, or it has no data directory of signatures.
pub fn reserve(content: &Content) -> Result<Reserved, PeError> {
    let mut segments = content.segments();
    let Some(Segment { offset: 0, len, origin: Origin::Inline { bytes, at } }) = segments.first().cloned()
    else {
        return Err(PeError::HeadReference);
    };
    let mut head = bytes[at..at + len as usize].to_vec();
    let entry = directory_entry(&head)?;
    let old = (u64::from(fields::u32(&head, entry)), u64::from(fields::u32(&head, entry + 4)));
    let end = match old {
        (_, 0) => content.len(),
        (start, size) if start + size == content.len() => start,
        _ => {
            let reason = "its signature is not the end of the file";
            return Err(PeError::NoSignatureSpace { reason });
        }
    };
    let start = end.next_multiple_of(ALIGN);
    let table = start..start + u64::from(SIGNATURE_SPACE);
    let too_long = PeError::NoSignatureSpace { reason: "it ends past 4 GiB" };
    let offset = u32::try_from(table.end).map(|_| start as u32).map_err(|_| too_long)?;
    head[entry..entry + 4].copy_from_slice(&offset.to_le_bytes());
    head[entry + 4..entry + 8].copy_from_slice(&SIGNATURE_SPACE.to_le_bytes());
    head.truncate(end.min(len) as usize);
    segments[0] = inline(0, head.into());
    segments.retain(|segment| segment.offset < end);
    if let Some(last) = segments.last_mut() {
        last.len = last.len.min(end - last.offset);
    }
    segments.push(inline(start, placeholder().into()));
    Ok(Reserved { content: Content::Sparse { len: table.end, segments: segments.into() }, table })
}

fn inline(offset: u64, bytes: Arc<[u8]>) -> Segment {
    Segment { offset, len: bytes.len() as u64, origin: Origin::Inline { bytes, at: 0 } }
}

/// Offset of the data directory of signatures in the headers.
fn directory_entry(head: &[u8]) -> Result<usize, PeError> {
    let reason = "it is no PE32+ image with a data directory of signatures";
    let pe = fields::u32(head, 0x3c) as usize;
    let optional = pe.saturating_add(COFF as usize);
    let entry = optional.saturating_add(OPTIONAL as usize + 8 * SIGNATURES as usize);
    let is_pe = head.starts_with(b"MZ")
        && fields::u32(head, pe) == 0x4550
        && fields::u16(head, optional) == PE32_PLUS
        && u64::from(fields::u32(head, optional.saturating_add(108))) > SIGNATURES
        && entry.saturating_add(8) <= head.len();
    if is_pe { Ok(entry) } else { Err(PeError::NoSignatureSpace { reason }) }
}

/// The table of an image that is not signed: an entry of the right length that holds no signature, which every verifier
/// refuses.
pub fn placeholder() -> Vec<u8> {
    let mut table = vec![0; SIGNATURE_SPACE as usize];
    table[..HEADER].copy_from_slice(&header());
    table
}

fn header() -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&SIGNATURE_SPACE.to_le_bytes());
    header[4..].copy_from_slice(&PKCS_SIGNED_DATA);
    header
}

/// The table with a signature. The entry fills all of it, and zeros follow the signature in it, as they do up to a multiple
/// of 8 in tables of other writers.
///
/// # Errors
/// [`PeError::SignatureLong`].
pub fn certificate_table(signed_data: &[u8]) -> Result<Vec<u8>, PeError> {
    let mut table = placeholder();
    let len = HEADER + signed_data.len();
    let place = table
        .get_mut(HEADER..len)
        .ok_or(PeError::SignatureLong { len: len as u64, space: SIGNATURE_SPACE.into() })?;
    place.copy_from_slice(signed_data);
    Ok(table)
}

/// `SpcIndirectDataContent` of an image with this SHA-256 Authenticode digest.
fn indirect_data(authenticode: &Digest) -> Vec<u8> {
    let file: Vec<u8> = "<<<Obsolete>>>".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let file = tlv(tag::CONTEXT | 2, &[&tlv(tag::CONTEXT_PRIMITIVE, &[&file])]);
    let image = sequence(&[&tlv(tag::BIT_STRING, &[&[0]]), &tlv(tag::CONTEXT, &[&file])]);
    let attribute = sequence(&[&object_identifier(oid::SPC_PE_IMAGE_DATA), &image]);
    let digest = sequence(&[&sha256(), &tlv(tag::OCTET_STRING, &[&authenticode.0])]);
    sequence(&[&attribute, &digest])
}

/// The bytes that a key signs for an image with this SHA-256 Authenticode digest: the signed attributes as a `SET`, of which
/// RSASSA-PKCS1-v1_5 takes the SHA-256. 78 bytes, whatever the certificate.
pub fn signed_attributes(authenticode: &Digest) -> Vec<u8> {
    tlv(tag::SET, &[&attributes(authenticode)])
}

/// Content type and digest of the message, in the order of DER.
fn attributes(authenticode: &Digest) -> Vec<u8> {
    let attribute = |id: &[u8], value: &[u8]| sequence(&[&object_identifier(id), &tlv(tag::SET, &[value])]);
    let indirect = indirect_data(authenticode);
    // The content without its tag and length (RFC 2315, section 9.3).
    let header = if indirect[1] < 0x80 { 2 } else { 3 };
    let digest = Digest::of(&indirect[header..]);
    [
        attribute(oid::CONTENT_TYPE, &object_identifier(oid::SPC_INDIRECT_DATA)),
        attribute(oid::MESSAGE_DIGEST, &tlv(tag::OCTET_STRING, &[&digest.0])),
    ]
    .concat()
}

/// What a signature is made of.
#[derive(Debug, Clone, Copy)]
pub struct SignatureParts<'a> {
    /// SHA-256 Authenticode digest of the image.
    pub authenticode: &'a Digest,
    /// The certificate of the key that signed.
    pub signer: &'a Certificate,
    /// Certificates between that one and one that firmware trusts.
    pub intermediates: &'a [Certificate],
    /// RSASSA-PKCS1-v1_5 with SHA-256 over [`signed_attributes`].
    pub signature: &'a [u8],
}

/// `SignedData` of a signature (PKCS#7, RFC 2315, section 9), as a table holds it.
pub fn signed_data(parts: &SignatureParts<'_>) -> Vec<u8> {
    let one = integer(&[1]);
    let rsa = sequence(&[&object_identifier(oid::RSA_ENCRYPTION), &tlv(tag::NULL, &[])]);
    let signer = sequence(&[
        &one,
        &sequence(&[&parts.signer.issuer, &parts.signer.serial]),
        &sha256(),
        &tlv(tag::CONTEXT, &[&attributes(parts.authenticode)]),
        &rsa,
        &tlv(tag::OCTET_STRING, &[parts.signature]),
    ]);
    let content = tlv(tag::CONTEXT, &[&indirect_data(parts.authenticode)]);
    let certificates: Vec<_> =
        std::iter::once(parts.signer).chain(parts.intermediates).map(|one| one.der.as_slice()).collect();
    let signed = sequence(&[
        &one,
        &tlv(tag::SET, &[&sha256()]),
        &sequence(&[&object_identifier(oid::SPC_INDIRECT_DATA), &content]),
        &tlv(tag::CONTEXT, &certificates),
        &tlv(tag::SET, &[&signer]),
    ]);
    sequence(&[&object_identifier(oid::SIGNED_DATA), &tlv(tag::CONTEXT, &[&signed])])
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(tag::SEQUENCE, parts)
}

fn sha256() -> Vec<u8> {
    sequence(&[&object_identifier(oid::SHA256), &tlv(tag::NULL, &[])])
}

#[cfg(test)]
mod tests {
    use super::super::sample::{PE, put, stub};
    use super::super::{TableEntry, read, read_signatures};
    use super::*;
    use crate::plan::SourceId;

    fn bytes(content: &Content) -> Vec<u8> {
        let mut bytes = vec![0; content.len() as usize];
        for segment in content.segments() {
            let part = &mut bytes[segment.offset as usize..][..segment.len as usize];
            match segment.origin {
                Origin::Inline { bytes, at } => part.copy_from_slice(&bytes[at..at + part.len()]),
                Origin::Slice { source, .. } => part.fill(source.0 as u8),
            }
        }
        bytes
    }

    #[test]
    fn a_place_is_reserved_behind_the_image_and_filled() {
        let unsigned = stub(0x400);
        let reserved = reserve(&Content::Inline(unsigned.as_slice().into())).unwrap();
        let start = unsigned.len().next_multiple_of(8) as u64;
        assert_eq!(reserved.table, start..start + 8192);
        let image = bytes(&reserved.content);
        assert_eq!(image[..PE + 168], unsigned[..PE + 168]);
        let headers = read(&image).unwrap();
        assert_eq!(headers.signatures, Some((start as u32, SIGNATURE_SPACE)));
        assert_eq!(read_signatures(&image, &headers).unwrap(), [TableEntry::Reserved]);
        let table = certificate_table(b"\x30\x00").unwrap();
        let signed = bytes(&reserved.with_table(table.as_slice().into()));
        assert_eq!(signed[..start as usize], image[..start as usize]);
        assert_eq!(signed[start as usize..], table);
        // A signature that is there already makes room for the new place.
        assert_eq!(bytes(&reserve(&Content::Inline(signed.into())).unwrap().content), image);
    }

    #[test]
    fn contents_behind_the_headers_stay_references() {
        let unsigned = stub(0x400);
        let head: Arc<[u8]> = unsigned[..0x400].into();
        let rest = Segment {
            offset: 0x400,
            len: unsigned.len() as u64 - 0x400,
            origin: Origin::Slice { source: SourceId(3), at: 9 },
        };
        let content =
            Content::Sparse { len: unsigned.len() as u64, segments: [inline(0, head), rest].into() };
        let segments = reserve(&content).unwrap().content.segments();
        assert!(matches!(segments[1].origin, Origin::Slice { source: SourceId(3), at: 9 }));
        let reference = Content::Slice { source: SourceId(3), at: 0, len: 4096 };
        assert!(matches!(reserve(&reference), Err(PeError::HeadReference)));
    }

    #[test]
    fn files_that_cannot_be_signed_are_refused() {
        let reserve = |bytes: Vec<u8>| reserve(&Content::Inline(bytes.into()));
        let changed = |at: usize, new: &[u8]| {
            let mut bytes = stub(0x400);
            put(&mut bytes, at, new);
            bytes
        };
        for wrong in [b"#!/bin/sh".to_vec(), changed(0x3c, &[0xff; 4]), changed(PE + 24 + 108, &[4])] {
            assert!(matches!(reserve(wrong), Err(PeError::NoSignatureSpace { .. })));
        }
        let mut within = changed(PE + 24 + 144, &[0, 4, 0, 0, 8]);
        within.push(0);
        assert!(matches!(reserve(within), Err(PeError::NoSignatureSpace { .. })));
        assert!(matches!(certificate_table(&[0; 8185]), Err(PeError::SignatureLong { len: 8193, .. })));
    }

    #[test]
    fn what_is_signed_has_78_bytes() {
        let attributes = signed_attributes(&Digest::of(b"image"));
        assert_eq!((attributes.len(), attributes[0]), (78, 0x31));
    }
}
