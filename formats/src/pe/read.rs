//! The reader of images: machine and sections, as strict as a careful loader.
//!
//! Shares no code with the writer. Trusts no length: headers of at most 64 KiB are read, and sections only on
//! request. Alignment of addresses is not required: a stub of systemd 252 has a section at 0x19100, which firmware takes.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::fmt;

use super::{COFF, ENTRY, OPTIONAL, PE32_PLUS, PeError, SECTIONS_MAX, SIGNATURES};
use crate::arch::Arch;
use crate::fields;
use crate::read_at::ReadAt;
use crate::tree::Printable;

/// The most bytes of headers that are read; linkers make some hundred.
const HEADERS_MAX: u64 = 64 << 10;

/// The processor that an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeMachine {
    /// One that images are built for.
    Known(Arch),
    /// Another one, by its number.
    Other(u16),
}

impl fmt::Display for PeMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(arch) => f.write_str(arch.name()),
            Self::Other(number) => write!(f, "machine 0x{number:04x}"),
        }
    }
}

/// A section of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedSection {
    /// Its name without the NULs; bytes that are not printable as `\xNN`.
    pub name: String,
    /// Its address in memory, from the image's base.
    pub va: u32,
    /// Its length in memory: of an appended section the exact length of its content.
    pub virtual_size: u32,
    /// Offset of its bytes in the file.
    pub raw_offset: u32,
    /// Bytes in the file, padding included.
    pub raw_size: u32,
}

impl PlacedSection {
    /// Bytes of content in the file: without padding, and without zeros that only memory has.
    pub fn len(&self) -> u64 {
        self.virtual_size.min(self.raw_size).into()
    }

    /// Whether the file has no byte of it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The headers of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeHeaders {
    /// The processor.
    pub machine: PeMachine,
    /// What runs it: 10 is an application of UEFI.
    pub subsystem: u16,
    /// Length in memory in bytes.
    pub image_size: u32,
    /// Bytes of headers at the start of the file.
    pub headers_size: u32,
    /// The sections in the order of the table, which is that of their addresses.
    pub sections: Vec<PlacedSection>,
    /// First byte of the file after every section; what follows is a signature or debris.
    pub end: u64,
    /// Offset and length of the signatures, where there are some.
    pub signatures: Option<(u32, u32)>,
    /// Offset of the field `CheckSum`, 4 bytes.
    pub checksum_at: u64,
    /// Offset of the data directory of signatures, 8 bytes; none where the image has no such directory.
    pub signatures_at: Option<u64>,
    /// The field `MajorImageVersion`: kernels that take their initrd by a protocol of Linux have 1 or more.
    pub image_version: u16,
}

impl PeHeaders {
    /// The first section of a name.
    pub fn section(&self, name: &str) -> Option<&PlacedSection> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The content of a section; nothing where the image has none of that name.
    ///
    /// # Errors
    /// [`PeError::SectionLong`] above `most` bytes; [`PeError::Io`].
    pub fn content(&self, bytes: &dyn ReadAt, name: &str, most: u64) -> Result<Option<Vec<u8>>, PeError> {
        let Some(section) = self.section(name) else { return Ok(None) };
        let len = section.len();
        if len > most {
            return Err(PeError::SectionLong { name: name.to_owned(), len, most });
        }
        // The offset of a section without bytes has no meaning and may be any number.
        if len == 0 {
            return Ok(Some(Vec::new()));
        }
        fetch(bytes, section.raw_offset.into(), len).map(Some)
    }
}

/// The memory that an image needs when it is loaded, from its first bytes; `None` where they are not PE32+.
pub fn size_of_image(head: &[u8]) -> Option<u32> {
    let at = usize::try_from(fields::u32(head, 0x3c)).ok()?;
    let pe = head.get(at..at.saturating_add(84))?;
    let is_pe =
        fields::u16(head, 0) == 0x5a4d && fields::u32(pe, 0) == 0x4550 && fields::u16(pe, 24) == PE32_PLUS;
    is_pe.then(|| fields::u32(pe, 80))
}

/// Reads the headers of an image.
///
/// # Errors
/// When the bytes are no PE32+ image, or when headers or sections reach past what holds them or share bytes.
pub fn read(bytes: &dyn ReadAt) -> Result<PeHeaders, PeError> {
    let dos = part(bytes, "the DOS header", 0, 64)?;
    magic("DOS signature", 0, fields::u16(&dos, 0).into(), 0x5a4d)?;
    let pe = u64::from(fields::u32(&dos, 0x3c));
    let coff = part(bytes, "the COFF header", pe, COFF)?;
    magic("PE signature", pe, fields::u32(&coff, 0).into(), 0x0000_4550)?;
    let at = pe.saturating_add(COFF);
    let optional = part(bytes, "the optional header", at, fields::u16(&coff, 20).into())?;
    magic("magic number", at, fields::u16(&optional, 0).into(), PE32_PLUS.into())?;
    let count = fields::u16(&coff, 6);
    if count == 0 || count > SECTIONS_MAX {
        return Err(PeError::Field { field: "number of sections", found: count.into(), rule: "1 to 96" });
    }
    let table = at.saturating_add(optional.len() as u64);
    let entries = part(bytes, "the section table", table, u64::from(count).saturating_mul(ENTRY))?;
    let headers = check_sizes(bytes, &optional, table.saturating_add(entries.len() as u64))?;
    let sections = entries.chunks_exact(ENTRY as usize).map(placed).collect();
    let mut image = PeHeaders {
        machine: machine(fields::u16(&coff, 4)),
        subsystem: fields::u16(&optional, 68),
        image_size: fields::u32(&optional, 56),
        headers_size: headers,
        sections,
        end: 0,
        signatures: signatures(bytes, &optional)?,
        checksum_at: at.saturating_add(64),
        signatures_at: (u64::from(fields::u32(&optional, 108)) > SIGNATURES)
            .then(|| at.saturating_add(OPTIONAL).saturating_add(SIGNATURES.saturating_mul(8))),
        image_version: fields::u16(&optional, 44),
    };
    image.end = check_sections(bytes, &image)?;
    Ok(image)
}

/// A part of the headers.
fn part(bytes: &dyn ReadAt, what: &str, at: u64, len: u64) -> Result<Vec<u8>, PeError> {
    let end = at.saturating_add(len);
    let within = bytes.size().min(HEADERS_MAX);
    if end > within {
        let what = what.to_owned();
        return Err(PeError::Outside { what, end, within: "what may hold headers", len: within });
    }
    fetch(bytes, at, len)
}

/// Bytes whose number was checked.
fn fetch(bytes: &dyn ReadAt, at: u64, len: u64) -> Result<Vec<u8>, PeError> {
    let mut buf = vec![0; usize::try_from(len).unwrap_or(0)];
    bytes.read_exact_at(at, &mut buf).map_err(|source| PeError::Io { at, len, source })?;
    Ok(buf)
}

fn magic(field: &'static str, at: u64, found: u64, expected: u64) -> Result<(), PeError> {
    if found == expected { Ok(()) } else { Err(PeError::Magic { field, at, found, expected }) }
}

fn machine(number: u16) -> PeMachine {
    let known = Arch::ALL.into_iter().find(|arch| arch.pe_machine() == number);
    known.map_or(PeMachine::Other(number), PeMachine::Known)
}

/// The length of the headers, when they contain the section table and are within the file, and the optional header has
/// its fields.
fn check_sizes(bytes: &dyn ReadAt, optional: &[u8], table_end: u64) -> Result<u32, PeError> {
    let directories = u64::from(fields::u32(optional, 108)).saturating_mul(8);
    let need = directories.saturating_add(OPTIONAL);
    let outside = |what: &str, end, within, len| PeError::Outside { what: what.to_owned(), end, within, len };
    if need > optional.len() as u64 {
        return Err(outside(
            "the list of data directories",
            need,
            "the optional header",
            optional.len() as u64,
        ));
    }
    for (field, at) in [("alignment in memory", 32), ("alignment in the file", 36)] {
        let found = fields::u32(optional, at);
        if !found.is_power_of_two() {
            return Err(PeError::Field { field, found: found.into(), rule: "a power of two" });
        }
    }
    let headers = fields::u32(optional, 60);
    if table_end > headers.into() {
        return Err(outside("the section table", table_end, "the headers", headers.into()));
    }
    if u64::from(headers) > bytes.size() {
        return Err(outside("the headers", headers.into(), "the file", bytes.size()));
    }
    Ok(headers)
}

/// A section by its entry.
fn placed(entry: &[u8]) -> PlacedSection {
    let name: [u8; 8] = fields::array(entry, 0);
    let len = name.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
    PlacedSection {
        name: Printable(name.get(..len).unwrap_or_default()).to_string(),
        va: fields::u32(entry, 12),
        virtual_size: fields::u32(entry, 8),
        raw_offset: fields::u32(entry, 20),
        raw_size: fields::u32(entry, 16),
    }
}

/// Offset and length of the signatures.
fn signatures(bytes: &dyn ReadAt, optional: &[u8]) -> Result<Option<(u32, u32)>, PeError> {
    if u64::from(fields::u32(optional, 108)) <= SIGNATURES {
        return Ok(None);
    }
    let (at, len) = (fields::u32(optional, 144), fields::u32(optional, 148));
    let end = u64::from(at).saturating_add(len.into());
    if len != 0 && end > bytes.size() {
        let what = "the list of signatures".to_owned();
        return Err(PeError::Outside { what, end, within: "the file", len: bytes.size() });
    }
    Ok((len != 0).then_some((at, len)))
}

/// Refuses sections that reach past the file or the image, or meet; gives the end of all in the file.
fn check_sections(bytes: &dyn ReadAt, image: &PeHeaders) -> Result<u64, PeError> {
    let (mut address, mut first) = (u64::from(image.headers_size), "the headers");
    let mut in_file: Vec<&PlacedSection> = Vec::new();
    for section in &image.sections {
        let in_memory = if section.virtual_size == 0 { section.raw_size } else { section.virtual_size };
        let end = u64::from(section.va).saturating_add(in_memory.into());
        if u64::from(section.va) < address {
            return Err(overlap(first, section, "address", section.va, address));
        }
        let outside = |within, end, len| PeError::Outside {
            what: format!("section `{}`", section.name),
            end,
            within,
            len,
        };
        if end > image.image_size.into() {
            return Err(outside("the image", end, image.image_size.into()));
        }
        (address, first) = (end, &section.name);
        let end = u64::from(section.raw_offset).saturating_add(section.raw_size.into());
        if section.raw_size != 0 && end > bytes.size() {
            return Err(outside("the file", end, bytes.size()));
        }
        in_file.extend((section.raw_size != 0).then_some(section));
    }
    in_file.sort_by_key(|section| section.raw_offset);
    let (mut end, mut first) = (u64::from(image.headers_size), "the headers");
    for section in in_file {
        if u64::from(section.raw_offset) < end {
            return Err(overlap(first, section, "byte", section.raw_offset, end));
        }
        end = u64::from(section.raw_offset).saturating_add(section.raw_size.into());
        first = &section.name;
    }
    Ok(end)
}

fn overlap(first: &str, second: &PlacedSection, space: &'static str, start: u32, end: u64) -> PeError {
    PeError::Overlap { first: first.to_owned(), second: second.name.clone(), space, start: start.into(), end }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{PE, TABLE, put, stub};
    use super::*;

    /// The result of reading a valid image with some bytes changed.
    fn changed(at: usize, new: &[u8]) -> Result<PeHeaders, PeError> {
        let mut bytes = stub(0x400);
        put(&mut bytes, at, new);
        read(&bytes)
    }

    #[test]
    fn other_files_are_refused() {
        assert!(matches!(changed(0, b"EL"), Err(PeError::Magic { field: "DOS signature", .. })));
        assert!(matches!(changed(PE, b"NE"), Err(PeError::Magic { field: "PE signature", .. })));
        assert!(matches!(changed(PE + 24, &[0x0b, 1]), Err(PeError::Magic { found: 0x10b, .. })));
        assert!(matches!(changed(0x3c, &[0xff; 4]), Err(PeError::Outside { .. })));
        assert!(matches!(read(&vec![0; 63]), Err(PeError::Outside { end: 64, len: 63, .. })));
    }

    #[test]
    fn sections_that_meet_or_reach_out_are_refused() {
        let second = TABLE + 40;
        let error = changed(second + 12, &0x11ff_u32.to_le_bytes()).unwrap_err().to_string();
        assert!(
            error.contains("`.sdmagic` starts at address 0x11ff, before section `.text` ends at 0x1200"),
            "{error}"
        );
        let error = changed(second + 20, &0x5ff_u32.to_le_bytes()).unwrap_err();
        assert!(matches!(error, PeError::Overlap { space: "byte", start: 0x5ff, end: 0x600, .. }), "{error}");
        assert!(matches!(changed(second + 16, &[0xff; 4]), Err(PeError::Outside { within: "the file", .. })));
        assert!(matches!(changed(second + 8, &[0xff; 4]), Err(PeError::Outside { within: "the image", .. })));
        assert!(matches!(changed(PE + 6, &[97, 0]), Err(PeError::Field { found: 97, .. })));
        assert!(matches!(
            changed(PE + 24 + 60, &[0x10, 1]),
            Err(PeError::Outside { within: "the headers", .. })
        ));
    }

    #[test]
    fn another_machine_is_told_by_its_number() {
        assert_eq!(changed(PE + 4, &[0x64, 0xaa]).unwrap().machine, PeMachine::Known(Arch::Aarch64));
        assert_eq!(changed(PE + 4, &[0x4c, 1]).unwrap().machine.to_string(), "machine 0x014c");
    }

    #[test]
    fn a_section_that_is_longer_in_memory_gives_what_the_file_has() {
        let mut bytes = stub(0x400);
        put(&mut bytes, TABLE + 8, &0x900_u32.to_le_bytes());
        let image = read(&bytes).unwrap();
        assert_eq!(image.content(&bytes, ".text", 0x200).unwrap().unwrap().len(), 0x200);
        assert!(image.content(&bytes, ".none", 1).unwrap().is_none());
        put(&mut bytes, TABLE + 16, &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        let image = read(&bytes).unwrap();
        assert!(
            image.content(&bytes, ".text", 0).unwrap().unwrap().is_empty(),
            "no bytes, wherever they are"
        );
        assert_eq!(image.end, 0x800);
    }
}
