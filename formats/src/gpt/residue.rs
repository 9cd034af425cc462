//! What is below a partition table: code in the MBR, unused entries, reserved bytes, and names after their end. What is
//! outside partitions follows from what is claimed here.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::read::{GptReadError, Loaded, copies};
use super::{Copy, SECTOR};
use crate::bios::STAGE1;
use crate::fields;
use crate::read_at::ReadAt;
use crate::residue::{ResidueKind, ResidueOwner, ResidueSurvey, SurveyedPartition};

/// Bytes for code in an MBR.
const CODE: u64 = 440;
/// First byte of the number that is written into our own code.
const CODE_NUMBER: usize = 432;
/// First entry of the table of an MBR; there are four of 16 bytes.
const MBR_ENTRIES: u64 = 446;
/// Bytes of an entry that have a meaning.
const ENTRY: usize = 128;

/// Surveys a disk and claims the sectors of its tables; the partitions by their first byte.
///
/// # Errors
/// [`GptReadError`] when neither copy is good, nor is there an MBR with partitions, or the medium fails.
pub(crate) fn survey(
    disk: &dyn ReadAt,
    survey: &mut ResidueSurvey,
) -> Result<Vec<SurveyedPartition>, GptReadError> {
    let [primary, backup] = copies(disk)?;
    let mut partitions = Vec::new();
    match (&primary, &backup) {
        (Ok(loaded), _) | (Err(_), Ok(loaded)) => {
            for partition in &loaded.partitions {
                let (start, len) = (partition.first.offset(), partition.len());
                partitions.push(SurveyedPartition::new(partition.number, &partition.name, start, len));
            }
        }
        (Err(primary), Err(backup)) => {
            partitions = mbr_partitions(disk)?;
            if partitions.is_empty() {
                let (primary, backup) = (Box::new(primary.clone()), Box::new(backup.clone()));
                return Err(GptReadError::NoTable { primary, backup });
            }
        }
    }
    mbr(disk, survey)?;
    for (copy, loaded) in [(Copy::Primary, &primary), (Copy::Backup, &backup)] {
        if let Ok(loaded) = loaded {
            table(copy, loaded, survey);
        }
    }
    partitions.sort_by_key(|partition| partition.start);
    Ok(partitions)
}

/// The first sector.
fn mbr(disk: &dyn ReadAt, survey: &mut ResidueSurvey) -> Result<(), GptReadError> {
    let sector = first_sector(disk)?;
    survey.claim(0..SECTOR);
    let ours = sector.get(..CODE_NUMBER) == STAGE1.get(..CODE_NUMBER);
    if !ours {
        survey.suspect(ResidueKind::MbrCode, ResidueOwner::Volume, 0..CODE);
    }
    for number in 0..4_u64 {
        let at = MBR_ENTRIES.saturating_add(number.saturating_mul(16));
        // An entry without a type is not in use.
        if fields::u8(&sector, at.saturating_add(4) as usize) == 0 {
            survey.suspect(ResidueKind::UnusedEntry, ResidueOwner::Part("MBR"), at..at.saturating_add(16));
        }
    }
    Ok(())
}

fn first_sector(disk: &dyn ReadAt) -> Result<[u8; SECTOR as usize], GptReadError> {
    let mut sector = [0; SECTOR as usize];
    let read = disk.read_exact_at(0, &mut sector);
    read.map(|()| sector).map_err(|source| GptReadError::Io { at: super::Lba(0), source })
}

/// The partitions of an MBR without a GPT: the four entries of its own, extended ones as a whole.
fn mbr_partitions(disk: &dyn ReadAt) -> Result<Vec<SurveyedPartition>, GptReadError> {
    let mut partitions = Vec::new();
    if disk.size() < SECTOR {
        return Ok(partitions);
    }
    let sector = first_sector(disk)?;
    // A boot sector of a file system has the same signature, and code where the entries are.
    if fields::u16(&sector, 510) != 0xaa55 {
        return Ok(partitions);
    }
    for number in 0..4_u32 {
        let at = (MBR_ENTRIES as usize).saturating_add((number as usize).saturating_mul(16));
        let (active, kind) = (fields::u8(&sector, at), fields::u8(&sector, at.saturating_add(4)));
        let first = u64::from(fields::u32(&sector, at.saturating_add(8)));
        let count = u64::from(fields::u32(&sector, at.saturating_add(12)));
        if kind == 0 {
            continue;
        }
        let end = first.saturating_add(count).saturating_mul(SECTOR);
        if !matches!(active, 0 | 0x80) || first == 0 || count == 0 || end > disk.size() || kind == 0xee {
            return Ok(Vec::new());
        }
        let (start, len) = (first.saturating_mul(SECTOR), count.saturating_mul(SECTOR));
        partitions.push(SurveyedPartition::new(number.saturating_add(1), "", start, len));
    }
    Ok(partitions)
}

/// A copy of the table.
fn table(copy: Copy, loaded: &Loaded, survey: &mut ResidueSurvey) {
    let header = loaded.header.at.offset();
    let owner = ResidueOwner::Part(match copy {
        Copy::Primary => "primary partition table",
        Copy::Backup => "backup partition table",
    });
    let kind = ResidueKind::PartitionTableGap;
    survey.claim(header..header.saturating_add(SECTOR));
    survey.suspect(kind, owner, header.saturating_add(20)..header.saturating_add(24));
    survey.suspect(kind, owner, header.saturating_add(92)..header.saturating_add(SECTOR));
    let start = loaded.header.entries_at.offset();
    let end = start.saturating_add(u64::from(loaded.header.entries_bytes()));
    survey.claim(start..end.next_multiple_of(SECTOR));
    survey.suspect(kind, owner, end..end.next_multiple_of(SECTOR));
    let len = (loaded.header.entry_len as usize).max(ENTRY);
    for (number, entry) in loaded.entries.chunks_exact(len).enumerate() {
        let at = start.saturating_add((number as u64).saturating_mul(len as u64));
        let end = at.saturating_add(len as u64);
        if entry.iter().take(16).all(|byte| *byte == 0) {
            survey.suspect(ResidueKind::UnusedEntry, owner, at..end);
        } else {
            let name = entry.get(56..ENTRY).unwrap_or_default().chunks_exact(2);
            let units = name.take_while(|unit| *unit != [0, 0]).count() as u64;
            survey.suspect(kind, owner, at.saturating_add(56).saturating_add(units.saturating_mul(2))..end);
        }
    }
}
