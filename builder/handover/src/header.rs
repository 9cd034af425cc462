//! The header of a hand-over, or of a part of one: 128 bytes that name the whole and the range of it that follows.

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use amiforge_formats::digest::{BLOCK, Digest};

use crate::error::Damage;

/// The first bytes of every part. Like those of PNG they show a transfer that changes bytes: one that strips the eighth
/// bit, or exchanges line ends.
pub const MAGIC: [u8; 8] = *b"\x89AMX\r\n\x1a\n";
/// Length in bytes.
pub const HEADER_LEN: u64 = 128;
/// Version of the format.
pub const VERSION: u32 = 1;
/// Maximum number of parts: all are open at once, and a process may have 1024 files by default.
pub const PARTS_MAX: u32 = 999;
/// Maximum length of an index in bytes: enough for an image of 8 TiB in which no two blocks are equal.
pub const INDEX_MAX: u64 = 1 << 30;

/// Bytes that the checksum is taken over.
const SUMMED: usize = 96;

/// A header.
///
/// | offset | length | field |
/// |---|---|---|
/// | 0 | 8 | [`MAGIC`] |
/// | 8 | 4 | version, 1 |
/// | 12 | 4 | length of a block, 524288 |
/// | 16 | 4 | number of this part, from 1 |
/// | 20 | 4 | number of parts |
/// | 24 | 8 | start of this part's range in the body |
/// | 32 | 8 | end of the range |
/// | 40 | 8 | length of the body |
/// | 48 | 8 | length of the index |
/// | 56 | 32 | SHA-256 of the index |
/// | 88 | 8 | zero |
/// | 96 | 32 | SHA-256 of the bytes before |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Number of this part, from 1.
    pub part: u32,
    /// Number of parts.
    pub parts: u32,
    /// Start of this part's range in the body.
    pub start: u64,
    /// End of the range.
    pub end: u64,
    /// Length of the body.
    pub body_len: u64,
    /// Length of the index, with which the body begins.
    pub index_len: u64,
    /// SHA-256 of the index: the name of the hand-over.
    pub index_sha256: Digest,
}

impl Header {
    /// The bytes.
    pub fn encode(&self) -> [u8; HEADER_LEN as usize] {
        let mut bytes = Vec::with_capacity(HEADER_LEN as usize);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((BLOCK as u32).to_le_bytes());
        bytes.extend(self.part.to_le_bytes());
        bytes.extend(self.parts.to_le_bytes());
        for field in [self.start, self.end, self.body_len, self.index_len] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(self.index_sha256.0);
        bytes.extend([0; 8]);
        bytes.extend(Digest::of(&bytes).0);
        bytes.try_into().unwrap_or([0; HEADER_LEN as usize])
    }

    /// Reads a header. The checksum is compared before any field is looked at, the magic number before that.
    ///
    /// # Errors
    /// [`Damage::Magic`], [`Damage::HeaderChecksum`], [`Damage::HeaderField`].
    pub fn decode(bytes: &[u8; HEADER_LEN as usize]) -> Result<Self, Damage> {
        let (summed, checksum) = bytes.split_at(SUMMED);
        let mut fields = HeaderFields(summed);
        if fields.take::<8>() != MAGIC {
            return Err(Damage::Magic);
        }
        let stated = Digest(HeaderFields(checksum).take());
        let computed = Digest::of(summed);
        if stated != computed {
            return Err(Damage::HeaderChecksum { stated, computed });
        }
        let (version, block) = (fields.u32(), fields.u32());
        must_be("version", version.into(), version == VERSION, || format!("this program reads {VERSION}"))?;
        must_be("block length", block.into(), u64::from(block) == BLOCK, || format!("blocks have {BLOCK}"))?;
        let header = Self {
            part: fields.u32(),
            parts: fields.u32(),
            start: fields.u64(),
            end: fields.u64(),
            body_len: fields.u64(),
            index_len: fields.u64(),
            index_sha256: Digest(fields.take()),
        };
        let reserved = fields.u64();
        must_be("reserved", reserved, reserved == 0, || "it is zero".to_owned())?;
        header.check()?;
        Ok(header)
    }

    /// Checks the fields against each other.
    fn check(&self) -> Result<(), Damage> {
        let Self { part, parts, start, end, body_len, index_len, .. } = *self;
        must_be("number of parts", parts.into(), (1..=PARTS_MAX).contains(&parts), || {
            format!("a hand-over has 1 to {PARTS_MAX}")
        })?;
        must_be("part", part.into(), (1..=parts).contains(&part), || format!("there are {parts} parts"))?;
        // File offsets are signed.
        let longest = i64::MAX as u64 / 2;
        must_be("length of the body", body_len, body_len <= longest, || {
            format!("the longest has {longest}")
        })?;
        let longest = body_len.min(INDEX_MAX);
        must_be("length of the index", index_len, (1..=longest).contains(&index_len), || {
            format!("it is at least 1 and at most {longest}")
        })?;
        must_be("end of the range", end, end <= body_len, || format!("the body has {body_len} bytes"))?;
        must_be("start of the range", start, start < end, || format!("the range ends at {end}"))?;
        must_be("start of the range", start, (part == 1) == (start == 0), || {
            format!("part 1 alone starts at 0, and this is part {part}")
        })?;
        must_be("end of the range", end, (part == parts) == (end == body_len), || {
            format!("the last part alone ends at {body_len}, and this is part {part} of {parts}")
        })
    }

    /// Whether two parts are of one hand-over.
    pub fn same_whole(&self, other: &Self) -> bool {
        let whole = |header: &Self| (header.index_sha256, header.index_len, header.body_len, header.parts);
        whole(self) == whole(other)
    }
}

fn must_be(
    field: &'static str,
    value: u64,
    holds: bool,
    rule: impl FnOnce() -> String,
) -> Result<(), Damage> {
    if holds { Ok(()) } else { Err(Damage::HeaderField { field, value, rule: rule() }) }
}

/// Reads fields of fixed length one after the other; what reaches past the end reads as zeros.
struct HeaderFields<'a>(&'a [u8]);

impl HeaderFields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_first_chunk::<N>().unwrap_or((&[0; N], &[]));
        self.0 = rest;
        *field
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "a test fails by panicking"
    )]

    use super::*;

    fn header() -> Header {
        let index_sha256 = Digest::of(b"index");
        Header { part: 1, parts: 1, start: 0, end: 900, body_len: 900, index_len: 100, index_sha256 }
    }

    /// The header with a field replaced and the checksum computed anew.
    fn forged(offset: usize, field: &[u8]) -> Result<Header, Damage> {
        let mut bytes = header().encode();
        bytes[offset..offset + field.len()].copy_from_slice(field);
        let checksum = Digest::of(&bytes[..SUMMED]);
        bytes[SUMMED..].copy_from_slice(&checksum.0);
        Header::decode(&bytes)
    }

    #[test]
    fn a_header_reads_back_and_every_changed_bit_is_refused() {
        let bytes = header().encode();
        assert_eq!(Header::decode(&bytes), Ok(header()));
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            let expected = if bit < 64 { "Magic" } else { "HeaderChecksum" };
            let damage = format!("{:?}", Header::decode(&changed).unwrap_err());
            assert!(damage.starts_with(expected), "bit {bit}: {damage}");
        }
    }

    #[test]
    fn a_field_without_sense_is_named_although_the_checksum_fits() {
        let huge = (8u64 << 60).to_le_bytes();
        for (offset, field, name) in [
            (8, &2u32.to_le_bytes()[..], "version"),
            (12, &4096u32.to_le_bytes(), "block length"),
            (16, &0u32.to_le_bytes(), "part"),
            (16, &2u32.to_le_bytes(), "part"),
            (20, &0u32.to_le_bytes(), "number of parts"),
            (20, &u32::MAX.to_le_bytes(), "number of parts"),
            (20, &2u32.to_le_bytes(), "end of the range"),
            (24, &1u64.to_le_bytes(), "start of the range"),
            (24, &900u64.to_le_bytes(), "start of the range"),
            (32, &899u64.to_le_bytes(), "end of the range"),
            (32, &huge, "end of the range"),
            (40, &huge, "length of the body"),
            (40, &901u64.to_le_bytes(), "end of the range"),
            (48, &0u64.to_le_bytes(), "length of the index"),
            (48, &901u64.to_le_bytes(), "length of the index"),
            (48, &huge, "length of the index"),
            (88, &1u64.to_le_bytes(), "reserved"),
        ] {
            let damage = forged(offset, field);
            assert!(
                matches!(&damage, Err(Damage::HeaderField { field, .. }) if *field == name),
                "{offset}: {damage:?}"
            );
        }
        assert_eq!(forged(48, &100u64.to_le_bytes()), Ok(header()));
    }
}
