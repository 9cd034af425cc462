//! The bytes of an image that Authenticode hashes: signers sign their digest, and firmware measures it into PCR 4.
//!
//! All bytes but the checksum, the directory entry of the signatures and the signatures themselves, so a signature changes
//! no digest. Follows Microsoft's "Windows Authenticode Portable Executable Signature Format" (1.0), "Calculating the PE
//! Image Hash", as the firmware EDK2 does (`DxeTpm2MeasureBootLib`, `DxeImageVerificationLib`). It takes no digest itself.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::ops::Range;

use super::read::{PeHeaders, read};
use super::{PeError, SIGNATURES};
use crate::read_at::ReadAt;

/// Signatures start, and their list ends, at a multiple of this.
const ALIGN: u64 = 8;

/// Number of zeros that a file of `len` bytes needs at its end before a signature can be appended: 0 to 7. They are hashed,
/// so a digest that is to be signed is that of the padded file.
pub fn zero_padding(len: u64) -> u64 {
    len.wrapping_neg() & ALIGN.saturating_sub(1)
}

/// The ranges of a file of `len` bytes that Authenticode hashes, in the order in which they are hashed.
///
/// `bytes` gives the headers, and no other byte of it is read; bytes from its end up to `len` are zeros
/// ([`zero_padding`], or memory that no file fills). Ranges that meet are joined. The ranges ascend, except where the file
/// has a gap between two sections: bytes after the sections are counted from the sum of all lengths, as the specification
/// has it, so a part of the last section is hashed twice and the gap never.
///
/// # Errors
/// [`PeError`] where the headers cannot be read, or where signatures are not the last bytes.
pub fn hashed_ranges(bytes: &dyn ReadAt, len: u64) -> Result<Vec<Range<u64>>, PeError> {
    let image = read(bytes)?;
    let signed = signed_bytes(&image, len)?;
    let headers = u64::from(image.headers_size);
    let after_checksum = image.checksum_at.saturating_add(4);
    let mut ranges = Joined::default();
    ranges.push(0, image.checksum_at);
    match image.signatures_at {
        Some(at) => {
            ranges.push(after_checksum, at);
            ranges.push(at.saturating_add(8), headers);
        }
        None => ranges.push(after_checksum, headers),
    }
    let mut sections: Vec<_> = image.sections.iter().filter(|section| section.raw_size != 0).collect();
    sections.sort_by_key(|section| section.raw_offset);
    let mut sum = headers;
    for section in sections {
        let start = u64::from(section.raw_offset);
        ranges.push(start, start.saturating_add(section.raw_size.into()));
        sum = sum.saturating_add(section.raw_size.into());
    }
    ranges.push(sum, len.saturating_sub(signed));
    Ok(ranges.0)
}

/// Bytes of signatures at the end of the file.
fn signed_bytes(image: &PeHeaders, len: u64) -> Result<u64, PeError> {
    if image.end > len {
        let what = "the last section".to_owned();
        return Err(PeError::Outside { what, end: image.end, within: "the file", len });
    }
    let Some((at, size)) = image.signatures else { return Ok(0) };
    let (at, end) = (u64::from(at), u64::from(at).saturating_add(size.into()));
    if at < image.end || end != len {
        return Err(PeError::SignaturesWithin { at, end, sections: image.end, len });
    }
    Ok(size.into())
}

/// Ranges of which two that meet are one.
#[derive(Default)]
struct Joined(Vec<Range<u64>>);

impl Joined {
    fn push(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        match self.0.last_mut().filter(|last| last.end == start) {
            Some(last) => last.end = end,
            None => self.0.push(start..end),
        }
    }
}

// The directory of signatures is the fifth; a constant that moved would move the hashed ranges.
const _: () = assert!(SIGNATURES == 4);

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::super::sample::{PE, TABLE, put, stub};
    use super::*;

    const CHECKSUM: u64 = PE as u64 + 24 + 64;
    const DIRECTORY: u64 = PE as u64 + 24 + 112 + 32;

    /// The sample without the bytes after its sections.
    fn bare() -> Vec<u8> {
        let mut bytes = stub(0x400);
        bytes.truncate(0x800);
        bytes
    }

    #[test]
    fn all_is_hashed_but_checksum_directory_and_signatures() {
        let bytes = bare();
        let parts = [0..CHECKSUM, CHECKSUM + 4..DIRECTORY, DIRECTORY + 8..0x800];
        assert_eq!(hashed_ranges(&bytes, 0x800).unwrap(), parts);
        let mut signed = bytes.clone();
        signed.extend([9; 16]);
        put(&mut signed, DIRECTORY as usize, &[0, 8, 0, 0, 16, 0, 0, 0]);
        assert_eq!(hashed_ranges(&signed, 0x810).unwrap(), parts, "a signature changes nothing");
    }

    #[test]
    fn bytes_after_the_sections_and_the_padding_are_hashed() {
        let bytes = stub(0x400);
        let len = bytes.len() as u64;
        assert_eq!(len, 0x814);
        assert_eq!(hashed_ranges(&bytes, len).unwrap()[2], DIRECTORY + 8..len);
        let padded = len + zero_padding(len);
        assert_eq!((padded, hashed_ranges(&bytes, padded).unwrap()[2].end), (0x818, 0x818));
        assert_eq!([0, 1, 7, 8, 9].map(zero_padding), [0, 7, 1, 0, 7]);
    }

    #[test]
    fn bytes_are_counted_and_not_located_after_a_gap() {
        let mut bytes = bare();
        bytes.splice(0x600..0x600, [0xee; 0x100]);
        put(&mut bytes, TABLE + 40 + 20, &0x700_u32.to_le_bytes());
        let ranges = hashed_ranges(&bytes, 0x900).unwrap();
        assert_eq!(ranges[2..], [DIRECTORY + 8..0x600, 0x700..0x900, 0x800..0x900]);
    }

    #[test]
    fn an_image_without_the_directory_is_hashed_through_its_headers() {
        let mut bytes = bare();
        put(&mut bytes, PE + 24 + 108, &[4, 0, 0, 0]);
        assert_eq!(hashed_ranges(&bytes, 0x800).unwrap(), [0..CHECKSUM, CHECKSUM + 4..0x800]);
    }

    #[test]
    fn signatures_that_are_not_last_are_refused() {
        let mut bytes = bare();
        bytes.extend([9; 24]);
        let mut with = |at: u32, size: u32| {
            put(&mut bytes, DIRECTORY as usize, &at.to_le_bytes());
            put(&mut bytes, DIRECTORY as usize + 4, &size.to_le_bytes());
            hashed_ranges(&bytes, 0x818)
        };
        assert!(with(0x800, 24).is_ok());
        for (at, size) in [(0x800, 16), (0x7f8, 32), (0, 0x818)] {
            assert!(matches!(with(at, size), Err(PeError::SignaturesWithin { .. })), "{at:#x} {size}");
        }
        assert!(matches!(with(0x800, 25), Err(PeError::Outside { .. })));
        assert!(matches!(hashed_ranges(&bare(), 0x7ff), Err(PeError::Outside { .. })));
    }
}
