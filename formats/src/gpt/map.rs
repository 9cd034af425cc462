//! The map of a partition table: protective MBR, and header and entries of both copies.
//!
//! A copy that is damaged is a range that nothing explains, with the reason; the other one is mapped all the same.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::read::{self, GptReadError, Loaded};
use super::{Copy, HEAD_SECTORS, SECTOR, TAIL_SECTORS};
use crate::bios::STAGE1;
use crate::map::{MapBuilder, Subject};
use crate::read_at::ReadAt;

/// Bytes of a header (UEFI 2.10, table 5-5).
const HEADER: u64 = 92;
/// First bytes of the parts of a protective MBR (UEFI 2.10, table 5-3).
const SIGNATURE: u64 = 440;
const RECORDS: u64 = 446;
const END: u64 = 510;
/// Where stage 1 of our loader has the sector of stage 2.
const STAGE1_LBA: usize = 432;

/// Adds the ranges of the table to a map of the disk.
///
/// # Errors
/// [`GptReadError::Io`].
pub fn add(disk: &dyn ReadAt, map: &mut MapBuilder) -> Result<(), GptReadError> {
    protective_mbr(disk, map)?;
    let [primary, backup] = read::copies(disk)?;
    for (copy, loaded) in [(Copy::Primary, primary), (Copy::Backup, backup)] {
        match loaded {
            Ok(loaded) => table(copy, &loaded, map),
            Err(finding) => {
                let (start, end) = area(copy, disk.size());
                let why = format!("the {copy} partition table is damaged: {finding}");
                map.add(start, end.saturating_sub(start), Subject::Unexplained { why });
            }
        }
    }
    Ok(())
}

/// The bytes that a copy has where it is damaged.
fn area(copy: Copy, len: u64) -> (u64, u64) {
    match copy {
        Copy::Primary => (SECTOR, HEAD_SECTORS.saturating_mul(SECTOR)),
        Copy::Backup => (len.saturating_sub(TAIL_SECTORS.saturating_mul(SECTOR)), len),
    }
}

/// Adds the first sector.
fn protective_mbr(disk: &dyn ReadAt, map: &mut MapBuilder) -> Result<(), GptReadError> {
    let mut sector = [0; SECTOR as usize];
    let read = disk.read_exact_at(0, &mut sector);
    read.map_err(|source| GptReadError::Io { at: super::Lba(0), source })?;
    let code = sector.get(..SIGNATURE as usize).unwrap_or_default();
    if code.iter().all(|byte| *byte == 0) {
        map.padding(0, SIGNATURE, "unused boot code of the protective MBR");
    } else {
        let own = code.get(..STAGE1_LBA) == STAGE1.get(..STAGE1_LBA);
        map.add(0, SIGNATURE, Subject::Loader { name: if own { "stage 1" } else { "boot code" } });
    }
    map.add(
        SIGNATURE,
        RECORDS.saturating_sub(SIGNATURE),
        named("signature of the disk in the protective MBR"),
    );
    for (index, at) in (RECORDS..END).step_by(16).enumerate() {
        let name = format!("record {} of the protective MBR", index.saturating_add(1));
        map.add(at, 16, Subject::Table { name: name.into() });
    }
    map.add(END, SECTOR.saturating_sub(END), named("signature of the protective MBR"));
    Ok(())
}

fn named(name: &'static str) -> Subject {
    Subject::Table { name: name.into() }
}

/// Adds a copy.
fn table(copy: Copy, loaded: &Loaded, map: &mut MapBuilder) {
    let header = loaded.header.at.offset();
    map.add(header, HEADER, Subject::Table { name: format!("{copy} GPT header").into() });
    map.padding(header.saturating_add(HEADER), header.saturating_add(SECTOR), "behind a GPT header");
    let (start, len) = (loaded.header.entries_at.offset(), u64::from(loaded.header.entry_len));
    let entries_end = start.saturating_add(loaded.header.entries_bytes().into());
    let mut at = start;
    for partition in &loaded.partitions {
        let index = u64::from(partition.number.saturating_sub(1));
        let entry = start.saturating_add(index.saturating_mul(len));
        map.padding(at, entry, "unused GPT entries");
        let name = format!("{copy} GPT entry of partition {}", partition.number);
        map.add(entry, len, Subject::Table { name: name.into() });
        at = entry.saturating_add(len);
    }
    map.padding(at, entries_end, "unused GPT entries");
    let sectors_end = entries_end.checked_next_multiple_of(SECTOR).unwrap_or(entries_end);
    map.padding(entries_end, sectors_end, "behind the GPT entries");
}
