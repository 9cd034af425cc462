//! The map of a partition with our loader for a legacy BIOS: stage 2 with its numbers and command line, kernel and initrd
//! where the numbers say that they are.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::io;

use crate::fields;
use crate::gpt::SECTOR;
use crate::map::{MapBuilder, MapError, RangeMap, Subject};
use crate::read_at::ReadAt;

/// What stage 2 has behind its first jump.
const MAGIC: &[u8; 6] = b"AMI2\0\0";
const MAGIC_AT: usize = 2;
/// First bytes of the numbers of stage 2 and of what is behind them, and of the command line (`stage2.S`).
const NUMBERS: u64 = 8;
const NUMBERS_END: u64 = 0x40;
const CMDLINE: u64 = 0x800;
/// Bytes of stage 2.
const STAGE2: u64 = 4096;

/// Why there is no map.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoaderMapError {
    /// It cannot be read.
    #[error("reading the loader")]
    Io(#[from] io::Error),
    /// Its numbers name bytes twice, or bytes that the partition does not have.
    #[error("reading where stage 2 of the loader has kernel and initrd")]
    Map(#[from] MapError),
}

/// Maps a partition that begins at byte `start` of its disk; none if it does not begin with our stage 2.
///
/// # Errors
/// [`LoaderMapError`].
pub fn map(partition: &dyn ReadAt, start: u64) -> Result<Option<RangeMap>, LoaderMapError> {
    if partition.size() < STAGE2 {
        return Ok(None);
    }
    let mut stage2 = vec![0; STAGE2 as usize];
    partition.read_exact_at(0, &mut stage2)?;
    if !stage2.get(MAGIC_AT..).is_some_and(|bytes| bytes.starts_with(MAGIC)) {
        return Ok(None);
    }
    let mut map = MapBuilder::new(partition.size());
    let loader = |name| Subject::Loader { name };
    map.add(0, NUMBERS, loader("stage 2"));
    map.add(NUMBERS, NUMBERS_END.saturating_sub(NUMBERS), loader("numbers of stage 2"));
    map.add(NUMBERS_END, CMDLINE.saturating_sub(NUMBERS_END), loader("stage 2"));
    let line = stage2.get(CMDLINE as usize..).unwrap_or_default();
    let len = line.iter().position(|byte| *byte == 0).unwrap_or(line.len()) as u64;
    map.add(CMDLINE, len, loader("command line"));
    map.padding(CMDLINE.saturating_add(len), STAGE2, "behind the command line of the loader");
    for (lba, sectors, name) in [(8, 24, "kernel"), (16, 28, "initrd")] {
        let len = u64::from(fields::u32(&stage2, sectors)).saturating_mul(SECTOR);
        // An offset that is not in the partition ends past its end, which the map refuses.
        let at = fields::u64(&stage2, lba).saturating_mul(SECTOR).wrapping_sub(start);
        map.add(at, len, loader(name));
    }
    Ok(Some(map.finish(Some(&Subject::Free { what: "room for a longer kernel" }))?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn stage_2_says_where_kernel_and_initrd_are() {
        let mut bytes = vec![0; 1 << 20];
        assert!(map(&bytes, 2048 * 512).unwrap().is_none());
        bytes[2..8].copy_from_slice(MAGIC);
        for (at, number) in [(8, 2056_u64), (16, 2060)] {
            bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        for (at, number) in [(24, 4_u32), (28, 2)] {
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        bytes[0x800..0x804].copy_from_slice(b"quit");
        let mapped = map(&bytes, 2048 * 512).unwrap().unwrap();
        let texts: Vec<_> = mapped
            .ranges()
            .iter()
            .map(|range| format!("{} {} {}", range.start, range.len, mapped.text(&range.subject)))
            .collect();
        let expected = [
            "0 8 stage 2 of the loader",
            "8 56 numbers of stage 2 of the loader",
            "64 1984 stage 2 of the loader",
            "2048 4 command line of the loader",
            "2052 2044 zeros: behind the command line of the loader",
            "4096 2048 kernel of the loader",
            "6144 1024 initrd of the loader",
            "7168 1041408 room for a longer kernel",
        ];
        assert_eq!(texts, expected);
        bytes[8..16].copy_from_slice(&3_u64.to_le_bytes());
        assert!(matches!(map(&bytes, 2048 * 512), Err(LoaderMapError::Map(MapError::PastEnd { .. }))));
    }
}
