//! Fuzzes the GPT reader, checker and survey: they may refuse any bytes, they may not panic, hang or take unbounded memory.
//!
//! Bytes are given as they are and once more with the primary's checksums repaired, which no mutation would hit.
#![no_main]

use amiforge_formats::gpt::{check, map, read};
use amiforge_formats::map::{MapBuilder, Subject};
use amiforge_formats::residue;
use libfuzzer_sys::fuzz_target;

/// Repairs the checksums of the entries and of the header in sector 1, where its fields allow.
fn seal(disk: &mut [u8]) -> Option<()> {
    let u32_at =
        |disk: &[u8], at: usize| Some(u32::from_le_bytes(disk.get(at..at + 4)?.try_into().ok()?) as usize);
    let first = u32_at(disk, 584)?.checked_mul(512)?;
    let len = u32_at(disk, 592)?.checked_mul(u32_at(disk, 596)?)?;
    let crc = crc32fast::hash(disk.get(first..first.checked_add(len)?)?);
    disk.get_mut(600..604)?.copy_from_slice(&crc.to_le_bytes());
    disk.get_mut(528..532)?.fill(0);
    let header = u32_at(disk, 524)?;
    let crc = crc32fast::hash(disk.get(512..512_usize.checked_add(header)?)?);
    disk.get_mut(528..532)?.copy_from_slice(&crc.to_le_bytes());
    Some(())
}

/// A map of the table covers every byte or is refused.
fn mapped(disk: &[u8]) {
    let mut builder = MapBuilder::new(disk.len() as u64);
    let added = map::add(&disk, &mut builder);
    if let (Ok(()), Ok(map)) = (added, builder.finish(Some(&Subject::Free { what: "free" }))) {
        assert_eq!(map.ranges().iter().map(|range| range.len).sum::<u64>(), disk.len() as u64);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let _ = read::read(&bytes);
    let _ = check::check(&bytes);
    mapped(bytes);
    let mut sealed = bytes.to_vec();
    if seal(&mut sealed).is_some() {
        let _ = read::read(&sealed);
        let _ = check::check(&sealed);
        mapped(&sealed);
        assert!(residue::disk(&sealed).is_ok(), "memory can be read");
    }
});
