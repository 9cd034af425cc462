//! The form of `UefiData` in `RegisterImage`: base64 of `AMZNUEFI`, CRC-32C of the rest, version 0, and a zlib stream with
//! a preset dictionary (awslabs/python-uefivars; EC2 User Guide, "UEFI variables").
//!
//! The writer names the dictionary by its checksum, as decoders demand, and refers to none of its text: the payload is in
//! stored blocks (RFC 1951, section 3.2.4), so the bytes depend on no compressor. A stream of other writers is read as long
//! as it does not refer to the dictionary.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use super::{UefiVarsError, Variable};
use crate::fields;
use crate::guid::Guid;
use crate::tree::Printable;

/// The most characters of base64 that EC2 takes (`ImageUefiDataRequest` of its model).
pub const EC2_BASE64_MAX: usize = 64_000;

/// Magic bytes.
const MAGIC: &[u8] = b"AMZNUEFI";

/// Bytes before the zlib stream: magic, checksum, version.
const HEADER: usize = 16;

/// Adler-32 of EC2's dictionary.
const DICTIONARY: u32 = 0x6bb7_d9f7;

/// First byte of a zlib stream: deflate with a window of 32 KiB (RFC 1950).
const CMF: u8 = 0x78;

/// The flag of a stream with a preset dictionary.
const FDICT: u8 = 0x20;

/// The longest stored block.
const STORED_MAX: usize = 0xffff;

/// The most bytes of payload that are read.
const PAYLOAD_MAX: usize = 1 << 20;

/// The base64 of a store.
///
/// # Errors
/// [`UefiVarsError::TooLong`].
pub fn encode_ec2(variables: &[Variable]) -> Result<String, UefiVarsError> {
    let mut rest = 0_u32.to_le_bytes().to_vec();
    rest.extend(zlib(&payload(variables)));
    let mut blob = MAGIC.to_vec();
    blob.extend(crc32c::crc32c(&rest).to_le_bytes());
    blob.extend(rest);
    let text = STANDARD.encode(blob);
    check_len(&text)?;
    Ok(text)
}

fn check_len(text: &str) -> Result<(), UefiVarsError> {
    match text.len() {
        len if len > EC2_BASE64_MAX => Err(UefiVarsError::TooLong { len, most: EC2_BASE64_MAX }),
        _ => Ok(()),
    }
}

/// The variables as a sequence of length-prefixed fields.
fn payload(variables: &[Variable]) -> Vec<u8> {
    let mut bytes = (variables.len() as u64).to_le_bytes().to_vec();
    for variable in variables {
        for field in [variable.name.as_bytes(), &variable.data] {
            bytes.extend((field.len() as u64).to_le_bytes());
            bytes.extend(field);
        }
        bytes.extend(variable.guid.to_bytes_le());
        bytes.extend(variable.attributes.to_le_bytes());
        if variable.is_time_based() {
            bytes.extend(variable.timestamp);
            // The length of a digest of the key that wrote it; none.
            bytes.extend(0_u64.to_le_bytes());
        }
    }
    bytes
}

/// A zlib stream of stored blocks that names EC2's dictionary.
fn zlib(payload: &[u8]) -> Vec<u8> {
    let mut stream = vec![CMF, zlib_flags()];
    stream.extend(DICTIONARY.to_be_bytes());
    let mut blocks = payload.chunks(STORED_MAX).peekable();
    while let Some(block) = blocks.next() {
        let len = block.len() as u16;
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend(len.to_le_bytes());
        stream.extend((!len).to_le_bytes());
        stream.extend(block);
    }
    stream.extend(adler32(payload).to_be_bytes());
    stream
}

/// The second byte of the stream: best compression, a dictionary, and the bits that make both a multiple of 31.
#[expect(clippy::arithmetic_side_effects, reason = "numbers below 65536")]
fn zlib_flags() -> u8 {
    let flags = 0xc0 | FDICT;
    let rest = (u16::from(CMF) * 256 + u16::from(flags)) % 31;
    if rest == 0 { flags } else { flags + (31 - rest) as u8 }
}

/// Adler-32 (RFC 1950, section 8.2).
#[expect(clippy::arithmetic_side_effects, reason = "sums of bytes are reduced at every step")]
fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    b << 16 | a
}

/// Reads the base64 of a store; line breaks in it are passed over.
///
/// # Errors
/// [`UefiVarsError`]; [`UefiVarsError::Dictionary`] for a stream that cannot be read without EC2's dictionary.
pub fn decode_ec2(text: &str) -> Result<Vec<Variable>, UefiVarsError> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    check_len(&text)?;
    let blob = STANDARD.decode(text).map_err(|_| UefiVarsError::Base64)?;
    let rest = blob.strip_prefix(MAGIC).ok_or(UefiVarsError::Magic)?;
    if blob.len() < HEADER {
        return Err(outside("the header", 0, HEADER as u64, blob.len()));
    }
    let (stored, body) = (fields::u32(rest, 0), rest.get(4..).unwrap_or_default());
    checksum("rest of the bytes", crc32c::crc32c(body), stored)?;
    let version = fields::u32(body, 0);
    if version != 0 {
        return Err(UefiVarsError::Field { field: "version", at: 12, found: version.into(), rule: "0" });
    }
    let payload = inflated(body.get(4..).unwrap_or_default())?;
    PayloadReader { bytes: &payload, at: 0 }.variables()
}

/// The payload of a zlib stream.
fn inflated(stream: &[u8]) -> Result<Vec<u8>, UefiVarsError> {
    let header = u16::from_be_bytes(fields::array(stream, 0));
    let flags = fields::u8(stream, 1);
    if stream.len() < 6 || fields::u8(stream, 0) & 0xf != 8 || header % 31 != 0 {
        let rule = "that of a zlib stream";
        return Err(UefiVarsError::Field { field: "header", at: HEADER as u64, found: header.into(), rule });
    }
    let preset = flags & FDICT != 0;
    let dictionary = fields::be32(stream, 2);
    if preset && dictionary != DICTIONARY {
        return Err(UefiVarsError::Dictionary { id: dictionary });
    }
    let tail = stream.len().saturating_sub(4);
    let deflated = stream.get(if preset { 6 } else { 2 }..tail).unwrap_or_default();
    let payload = decompress_to_vec_with_limit(deflated, PAYLOAD_MAX).map_err(|_| {
        // A reference to before the first byte is an error to a decompressor, too.
        if preset {
            UefiVarsError::Dictionary { id: dictionary }
        } else {
            UefiVarsError::Compressed { most: PAYLOAD_MAX }
        }
    })?;
    checksum("payload", adler32(&payload), fields::be32(stream, tail))?;
    Ok(payload)
}

fn checksum(of: &'static str, found: u32, stored: u32) -> Result<(), UefiVarsError> {
    if found == stored { Ok(()) } else { Err(UefiVarsError::Checksum { of, found, stored }) }
}

/// Reads fields one after another.
struct PayloadReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> PayloadReader<'a> {
    fn variables(mut self) -> Result<Vec<Variable>, UefiVarsError> {
        let count = self.u64("the number of variables")?;
        let mut variables = Vec::new();
        for number in 1..=count {
            variables.push(self.variable(number)?);
        }
        if self.at != self.bytes.len() {
            let (field, at) = ("number of bytes after the last variable", self.at as u64);
            let found = (self.bytes.len() as u64).saturating_sub(at);
            return Err(UefiVarsError::Field { field, at, found, rule: "0" });
        }
        Ok(variables)
    }

    fn variable(&mut self, number: u64) -> Result<Variable, UefiVarsError> {
        let len = self.u64("the length of a name")?;
        let name =
            std::str::from_utf8(self.take("a name", len)?).map_err(|_| UefiVarsError::Name { number })?;
        if name.is_empty() || Printable(name.as_bytes()).to_string() != name {
            return Err(UefiVarsError::Name { number });
        }
        let len = self.u64("the length of a value")?;
        let data = self.take("a value", len)?.to_vec();
        let guid = Guid::from_bytes_le(fields::array(self.take("a vendor", 16)?, 0));
        let attributes = fields::u32(self.take("attributes", 4)?, 0);
        let mut variable = Variable { name: name.to_owned(), guid, attributes, data, timestamp: [0; 16] };
        if variable.is_time_based() {
            variable.timestamp = fields::array(self.take("a time", 16)?, 0);
            let digest = self.u64("the length of a digest")?;
            self.take("a digest", digest)?;
        }
        Ok(variable)
    }

    fn u64(&mut self, what: &'static str) -> Result<u64, UefiVarsError> {
        Ok(fields::u64(self.take(what, 8)?, 0))
    }

    fn take(&mut self, what: &'static str, len: u64) -> Result<&'a [u8], UefiVarsError> {
        let end = (self.at as u64).saturating_add(len);
        let range = usize::try_from(end).ok().and_then(|end| self.bytes.get(self.at..end));
        let taken = range.ok_or_else(|| outside(what, self.at as u64, end, self.bytes.len()))?;
        self.at = self.at.saturating_add(taken.len());
        Ok(taken)
    }
}

fn outside(what: &'static str, at: u64, end: u64, len: usize) -> UefiVarsError {
    UefiVarsError::Outside { what, at, end, within: "the store", len: len as u64 }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::super::{Enrolment, SignatureList};
    use super::*;

    fn store() -> Vec<Variable> {
        let list = |len: usize| vec![SignatureList::certificate(Guid::from_u128(9), &vec![7; len])];
        Enrolment { pk: list(900), kek: list(901), db: list(902), dbx: Vec::new() }.variables()
    }

    /// The text of a payload with its checksums repaired.
    fn sealed(payload: &[u8]) -> String {
        let mut rest = vec![0; 4];
        rest.extend(zlib(payload));
        let blob = [MAGIC, &crc32c::crc32c(&rest).to_le_bytes(), &rest].concat();
        STANDARD.encode(blob)
    }

    #[test]
    fn a_store_is_read_back() {
        let text = encode_ec2(&store()).unwrap();
        assert_eq!(decode_ec2(&text), Ok(store()));
        let broken: Vec<_> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        assert_eq!(decode_ec2(&broken.join("\n")), Ok(store()));
        // Longer than a stored block.
        let long = vec![Variable { data: vec![1; 40_000], ..store().remove(0) }];
        assert_eq!(decode_ec2(&encode_ec2(&long).unwrap()), Ok(long));
    }

    #[test]
    fn a_store_over_the_limit_of_ec2_is_refused() {
        let variable = |len| vec![Variable { data: vec![1; len], ..store().remove(0) }];
        assert!(encode_ec2(&variable(47_800)).is_ok());
        assert!(matches!(encode_ec2(&variable(48_000)), Err(UefiVarsError::TooLong { most: 64_000, .. })));
    }

    #[test]
    fn every_changed_bit_is_found() {
        let blob = STANDARD.decode(encode_ec2(&store()).unwrap()).unwrap();
        for bit in (0..blob.len() * 8).step_by(37) {
            let mut changed = blob.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_ec2(&STANDARD.encode(&changed)).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_hostile_payload_with_repaired_checksums_is_refused() {
        let good = payload(&store());
        assert_eq!(decode_ec2(&sealed(&good)), Ok(store()));
        for (at, value) in [(0, u64::MAX), (0, 4), (0, 2), (8, u64::MAX), (8, 1 << 40), (19, u64::MAX)] {
            let mut bytes = good.clone();
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            assert!(decode_ec2(&sealed(&bytes)).is_err(), "{value} at byte {at}");
        }
        let mut named = good.clone();
        named[16] = 0x1b;
        assert_eq!(decode_ec2(&sealed(&named)), Err(UefiVarsError::Name { number: 1 }));
        assert!(matches!(decode_ec2("!!"), Err(UefiVarsError::Base64)));
        assert!(matches!(decode_ec2("QUJD"), Err(UefiVarsError::Magic)));
    }

    #[test]
    fn a_stream_that_needs_the_dictionary_is_named() {
        // A fixed Huffman block with a match at distance 1 before any literal (RFC 1951, section 3.2.6).
        let mut rest = vec![0; 4];
        rest.extend([CMF, zlib_flags()]);
        rest.extend(DICTIONARY.to_be_bytes());
        rest.extend([0x03, 0x02, 0x00, 0, 0, 0, 1]);
        let blob = [MAGIC, &crc32c::crc32c(&rest).to_le_bytes(), &rest].concat();
        assert_eq!(decode_ec2(&STANDARD.encode(blob)), Err(UefiVarsError::Dictionary { id: DICTIONARY }));
    }
}
