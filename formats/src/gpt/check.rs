//! GPT checker: everything that is wrong or odd about both copies of a table and the MBR before it.
//!
//! Looks through the reader's eyes and adds what a reader need not care for: the protective MBR, whether the copies
//! agree, whether the backup is at the end, alignment.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::corruption::{GptFinding, TableCorruption, TableLocation};
use super::read::{GptHeader, GptReadError, Loaded, copies};
use super::{Copy, Lba, SECTOR};
use crate::fields;
use crate::read_at::ReadAt;

/// Sectors in a MiB, where partitions should start.
const ALIGNMENT: u64 = 2048;

/// Checks the partition table of a disk. No findings mean a table that every tool takes; a damaged copy is reported by
/// its first corruption.
///
/// # Errors
/// [`GptReadError::Io`] when the disk cannot be read.
pub fn check(disk: &dyn ReadAt) -> Result<Vec<GptFinding>, GptReadError> {
    let mut findings = Vec::new();
    let len = disk.size();
    if len.checked_rem(SECTOR) != Some(0) {
        findings.push(TableCorruption::PartSector { len }.at(TableLocation::Disk));
    }
    let sectors = len / SECTOR;
    if sectors > 0 {
        findings.extend(check_mbr(disk, sectors)?);
    }
    let copies = copies(disk)?;
    if let [Ok(primary), Ok(backup)] = &copies {
        findings.extend(disagreements(primary, backup));
    }
    let numbered = [Copy::Primary, Copy::Backup].into_iter().zip(copies);
    for (copy, outcome) in numbered {
        match outcome {
            Err(finding) if findings.contains(&finding) => {}
            Err(finding) => findings.push(finding),
            Ok(loaded) => {
                for finding in oddities(copy, loaded, sectors) {
                    if !repeats(&findings, &finding) {
                        findings.push(finding);
                    }
                }
            }
        }
    }
    Ok(findings)
}

/// Whether the findings of the backup's entries only repeat those of the primary's.
fn repeats(findings: &[GptFinding], finding: &GptFinding) -> bool {
    let TableLocation::Entry { copy: Copy::Backup, number } = finding.location else { return false };
    let location = TableLocation::Entry { copy: Copy::Primary, number };
    findings.iter().any(|other| other.location == location && other.corruption == finding.corruption)
}

/// What is wrong with the protective MBR (UEFI 2.10, section 5.2.3).
fn check_mbr(disk: &dyn ReadAt, sectors: u64) -> Result<Vec<GptFinding>, GptReadError> {
    let mut mbr = [0; SECTOR as usize];
    disk.read_exact_at(0, &mut mbr).map_err(|source| GptReadError::Io { at: Lba(0), source })?;
    let found = fields::u16(&mbr, 510);
    if found != 0xaa55 {
        return Ok(vec![TableCorruption::MbrSignature { found }.at(TableLocation::Mbr)]);
    }
    let mut corruptions = Vec::new();
    let mut protected = false;
    for at in [446_usize, 462, 478, 494] {
        let record: [u8; 16] = fields::array(&mbr, at);
        match fields::u8(&record, 4) {
            0 => {}
            0xee if !protected => {
                protected = true;
                let (start, len) = (fields::u32(&record, 8), fields::u32(&record, 12));
                let expected = u32::try_from(sectors.saturating_sub(1)).unwrap_or(u32::MAX);
                if start != 1 {
                    corruptions.push(TableCorruption::ProtectiveStart { found: start });
                }
                // Some tools always write the largest length; every reader takes it.
                if len != expected && len != u32::MAX {
                    corruptions.push(TableCorruption::ProtectiveLen { found: len, expected });
                }
            }
            kind => corruptions.push(TableCorruption::Hybrid { kind }),
        }
    }
    if !protected {
        corruptions.push(TableCorruption::NotProtective);
    }
    Ok(corruptions.into_iter().map(|corruption| corruption.at(TableLocation::Mbr)).collect())
}

/// What is odd about a copy that can be read.
fn oddities(copy: Copy, loaded: Loaded, sectors: u64) -> Vec<GptFinding> {
    let mut findings = loaded.oddities;
    let last = Lba(sectors.saturating_sub(1));
    if copy == Copy::Backup && loaded.header.at != last {
        findings.push(
            TableCorruption::NotAtEnd { stored: loaded.header.at, last }.at(TableLocation::Header(copy)),
        );
    }
    // A BIOS-boot partition may be before the first MiB: nothing but its loader reads it.
    let unaligned = |first: Lba| first.0.checked_rem(ALIGNMENT) != Some(0) && first.0 > ALIGNMENT;
    for partition in loaded.partitions.iter().filter(|partition| unaligned(partition.first)) {
        let location = TableLocation::Entry { copy, number: partition.number };
        findings.push(TableCorruption::Unaligned { first: partition.first }.at(location));
    }
    findings
}

/// The differences of the two copies.
fn disagreements(primary: &Loaded, backup: &Loaded) -> Vec<GptFinding> {
    let texts = |header: &GptHeader| {
        [
            ("the disk's GUID", header.disk.to_string()),
            ("the first usable sector", header.usable_first.to_string()),
            ("the last usable sector", header.usable_last.to_string()),
            ("the number of entries", header.count.to_string()),
            ("the length of an entry", header.entry_len.to_string()),
        ]
    };
    let pairs = texts(&primary.header).into_iter().zip(texts(&backup.header));
    let mut findings: Vec<_> = pairs
        .filter(|((_, a), (_, b))| a != b)
        .map(|((field, primary), (_, backup))| TableCorruption::HeadersDisagree { field, primary, backup })
        .map(|corruption| corruption.at(TableLocation::Header(Copy::Backup)))
        .collect();
    let stored = backup.header.alternate;
    if stored != primary.header.at {
        let corruption = TableCorruption::HeadersDisagree {
            field: "the sector of the primary header",
            primary: primary.header.at.to_string(),
            backup: stored.to_string(),
        };
        findings.push(corruption.at(TableLocation::Header(Copy::Backup)));
    }
    let len = primary.header.entry_len.max(1) as usize;
    let entries = primary.entries.chunks_exact(len).zip(backup.entries.chunks_exact(len));
    for (number, (a, b)) in (1_u32..).zip(entries) {
        if a != b {
            findings.push(
                TableCorruption::EntriesDisagree.at(TableLocation::Entry { copy: Copy::Backup, number }),
            );
        }
    }
    findings
}
