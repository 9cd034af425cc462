//! The entries of a directory: short names, and the long ones before them.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::super::corruption::{NO_TIME, VolumeCorruption};
use super::super::dos_time::{self, DosStamp};
use super::super::spec::{
    DIRECTORY, ENTRY, FORBIDDEN, LONG_LAST, LONG_NAME, LONG_OFFSETS, LONG_UNITS, VOLUME_ID, short_sum,
};
use crate::fields;
use crate::time::Time;
use crate::tree::NAME_MAX;

/// Parts that a long name of 255 units has at most.
const PARTS_MAX: u8 = 20;

/// Flags for a lower-case base, and a lower-case extension, of a short name.
const LOWER_BASE: u8 = 0x08;
const LOWER_EXTENSION: u8 = 0x10;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FatEntryKind {
    Label,
    Directory,
    File,
}

/// An entry with its long name, and what is wrong with it by itself.
#[derive(Debug)]
pub(super) struct FatEntry {
    /// Which entry of the directory it is, those of long names counted.
    pub(super) index: usize,
    pub(super) what: FatEntryKind,
    /// The long name, else the short one with its dot.
    pub(super) name: Vec<u8>,
    pub(super) short: [u8; 11],
    pub(super) attributes: u8,
    pub(super) first: u32,
    pub(super) len: u32,
    pub(super) mtime: Time,
    pub(super) corruptions: Vec<VolumeCorruption>,
}

impl FatEntry {
    /// Whether it is `.` or `..`.
    pub(super) fn is_dot(&self) -> bool {
        matches!(&self.short, b".          " | b"..         ")
    }
}

/// A long name of which entries were met.
#[derive(Debug)]
struct Long {
    units: Vec<u16>,
    sum: u8,
    /// The parts still to come.
    left: u8,
}

/// The entries of a directory up to its end mark. Entries of long names that belong to none are a corruption of the
/// next entry, or given back when there is no next.
pub(super) fn entries(bytes: &[u8], wide: bool) -> (Vec<FatEntry>, bool) {
    let mut entries = Vec::new();
    let mut long: Option<Long> = None;
    let mut orphan = false;
    for (index, raw) in bytes.chunks_exact(ENTRY).enumerate() {
        let raw: [u8; ENTRY] = fields::array(raw, 0);
        match fields::u8(&raw, 0) {
            0 => break,
            0xe5 => orphan |= long.take().is_some(),
            _ if fields::u8(&raw, 11) & 0x3f == LONG_NAME => orphan |= !take_part(&raw, &mut long),
            _ => {
                let mut entry = FatEntry { index, ..entry(&raw, long.take(), wide) };
                if std::mem::take(&mut orphan) {
                    entry.corruptions.push(VolumeCorruption::OrphanLong);
                }
                entries.push(entry);
            }
        }
    }
    (entries, orphan || long.is_some())
}

/// Takes a part of a long name; whether it follows on what was there.
fn take_part(raw: &[u8; ENTRY], long: &mut Option<Long>) -> bool {
    let order = fields::u8(raw, 0);
    let (number, sum) = (order & !LONG_LAST, fields::u8(raw, 13));
    let mut fits = true;
    if order & LONG_LAST != 0 {
        fits = long.is_none();
        *long = (1..=PARTS_MAX).contains(&number).then(|| Long { units: Vec::new(), sum, left: number });
        fits &= long.is_some();
    }
    let Some(open) = long.as_mut().filter(|open| open.left == number && number > 0 && open.sum == sum) else {
        *long = None;
        return false;
    };
    // Parts come last first, so each goes before what was taken.
    let mut units: Vec<u16> = LONG_OFFSETS.iter().map(|at| fields::u16(raw, *at)).collect();
    units.append(&mut open.units);
    open.units = units;
    open.left = open.left.saturating_sub(1);
    fits
}

/// An entry of a short name.
fn entry(raw: &[u8; ENTRY], long: Option<Long>, wide: bool) -> FatEntry {
    let mut corruptions = Vec::new();
    let short: [u8; 11] = fields::array(raw, 0);
    let attributes = fields::u8(raw, 11);
    let what = match attributes {
        bits if bits & VOLUME_ID != 0 => FatEntryKind::Label,
        bits if bits & DIRECTORY != 0 => FatEntryKind::Directory,
        _ => FatEntryKind::File,
    };
    if attributes & 0xc0 != 0 {
        corruptions.push(VolumeCorruption::Attributes { bits: attributes & 0xc0 });
    }
    let mut name = short_name(&short, fields::u8(raw, 12));
    if what != FatEntryKind::Label && !matches!(&short, b".          " | b"..         ") {
        let wrong =
            |byte: &u8| *byte < 0x20 && *byte != 5 || FORBIDDEN.contains(byte) || b"+,.;=[]".contains(byte);
        if let Some(byte) = short.iter().copied().find(|byte| wrong(byte)) {
            corruptions.push(VolumeCorruption::ShortName { byte });
        }
        if short.starts_with(b" ") {
            corruptions.push(VolumeCorruption::ShortName { byte: b' ' });
        }
    }
    match long.map(|long| long_name(&long, &short)) {
        None => {}
        Some(Ok(long)) => name = long,
        Some(Err(corruption)) => corruptions.push(corruption),
    }
    let stamp = DosStamp { date: fields::u16(raw, 24), time: fields::u16(raw, 22) };
    let mtime = dos_time::decode(stamp).unwrap_or_else(|| {
        corruptions.push(VolumeCorruption::Stamp { date: stamp.date, time: stamp.time });
        NO_TIME
    });
    let high = if wide { u32::from(fields::u16(raw, 20)) } else { 0 };
    let first = high << 16 | u32::from(fields::u16(raw, 26));
    FatEntry { index: 0, what, name, short, attributes, first, len: fields::u32(raw, 28), mtime, corruptions }
}

/// The long name, or why it cannot be that of this short one.
fn long_name(long: &Long, short: &[u8; 11]) -> Result<Vec<u8>, VolumeCorruption> {
    if long.left > 0 {
        return Err(VolumeCorruption::OrphanLong);
    }
    let computed = short_sum(short);
    if long.sum != computed {
        return Err(VolumeCorruption::LongSum { stored: long.sum, computed });
    }
    let units: Vec<u16> = long.units.iter().copied().take_while(|unit| *unit != 0).collect();
    let padding = long.units.iter().skip(units.len().saturating_add(1));
    let padded = padding.clone().all(|unit| *unit == 0xffff) && padding.len() < LONG_UNITS;
    let name = String::from_utf16(&units).map_err(|_| VolumeCorruption::LongName)?.into_bytes();
    let bad = |byte: &u8| *byte < 0x20 || FORBIDDEN.contains(byte);
    let usable =
        !name.is_empty() && name.len() <= NAME_MAX && !name.iter().any(bad) && name != b"." && name != b"..";
    if usable && padded { Ok(name) } else { Err(VolumeCorruption::LongName) }
}

/// A short name with its dot, lower-case where its flags are set. Bytes of a code page become `_`: the volume does
/// not name the page, and a name outside ASCII has a long one beside it.
fn short_name(short: &[u8; 11], flags: u8) -> Vec<u8> {
    let part = |bytes: &[u8], lower: u8| -> Vec<u8> {
        let kept = bytes.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last.saturating_add(1));
        let letter = |byte: &u8| match byte {
            5 | 0x80.. => b'_',
            byte if flags & lower != 0 => byte.to_ascii_lowercase(),
            byte => *byte,
        };
        bytes.iter().take(kept).map(letter).collect()
    };
    let (base, extension) = short.split_at(8);
    let (mut name, extension) = (part(base, LOWER_BASE), part(extension, LOWER_EXTENSION));
    if !extension.is_empty() {
        name.push(b'.');
        name.extend_from_slice(&extension);
    }
    name
}
