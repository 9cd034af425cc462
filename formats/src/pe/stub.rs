//! The headers of a stub that gets more sections: read, checked, and changed in place.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::{COFF, DEBUG, ENTRY, OPTIONAL, PE32_PLUS, PeError, SECTIONS_MAX, SIGNATURES};
use crate::fields;

/// What an appended section is: initialized data that may be read (`IMAGE_SCN_CNT_INITIALIZED_DATA`,
/// `IMAGE_SCN_MEM_READ`).
const CHARACTERISTICS: u32 = 0x4000_0040;

/// Fields by their offset from the signature `PE\0\0`.
const COUNT: u64 = 6;
const TIME: u64 = 8;
const SYMBOLS: u64 = 12;
const SYMBOL_COUNT: u64 = 16;
const OPTIONAL_LEN: u64 = 20;
const INITIALIZED: u64 = COFF + 8;
const MEMORY_ALIGN: u64 = COFF + 32;
const FILE_ALIGN: u64 = COFF + 36;
const IMAGE_SIZE: u64 = COFF + 56;
const HEADERS_SIZE: u64 = COFF + 60;
const CHECKSUM: u64 = COFF + 64;
const DIRECTORIES: u64 = COFF + 108;

/// An entry of the section table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SectionHeader {
    /// Its name, filled up with NULs.
    pub(super) name: [u8; 8],
    /// Its address in memory, from the image's base.
    pub(super) va: u32,
    /// Its length in memory.
    pub(super) virtual_size: u32,
    /// Offset of its bytes in the file.
    pub(super) raw: u32,
    /// Bytes in the file.
    pub(super) raw_size: u32,
}

impl SectionHeader {
    /// First byte of the file after its own.
    fn raw_end(&self) -> u64 {
        u64::from(self.raw).saturating_add(self.raw_size.into())
    }

    /// First address after its own.
    fn va_end(&self) -> u64 {
        u64::from(self.va).saturating_add(self.virtual_size.max(self.raw_size).into())
    }
}

/// A stub whose headers are changed.
#[derive(Debug)]
pub(super) struct Stub {
    /// Headers and sections of the stub, filled up to the alignment, and nothing after them.
    bytes: Vec<u8>,
    /// Offset of the signature `PE\0\0`.
    pe: u64,
    /// Where the section table starts.
    table: u64,
    headers: Vec<SectionHeader>,
    /// Bytes of the sections that were entered.
    entered: u32,
}

impl Stub {
    /// Takes a stub's headers and sections, and drops what comes after: symbols, a signature.
    pub(super) fn open(bytes: &[u8]) -> Result<Self, PeError> {
        expect("DOS signature", 0, fields::u16(bytes, 0).into(), 0x5a4d)?;
        let pe = u64::from(fields::u32(bytes, 0x3c));
        let mut stub = Self { bytes: bytes.to_vec(), pe, table: 0, headers: Vec::new(), entered: 0 };
        expect("PE signature", pe, stub.u32(0).into(), 0x4550)?;
        let optional = pe.saturating_add(COFF);
        expect("magic number", optional, stub.u16(COFF).into(), PE32_PLUS.into())?;
        stub.table = optional.saturating_add(stub.u16(OPTIONAL_LEN).into());
        stub.check_headers()?;
        stub.headers = (0..stub.u16(COUNT)).map(|number| stub.header(number)).collect();
        stub.check_sections()?;
        stub.drop_signature();
        let end = stub.headers.iter().map(SectionHeader::raw_end).max().unwrap_or(0).max(stub.headers_size());
        stub.bytes.truncate(index(end));
        stub.fill_up();
        Ok(stub)
    }

    /// Alignment of sections in the file.
    pub(super) fn file_align(&self) -> u64 {
        self.u32(FILE_ALIGN).into()
    }

    /// Alignment of sections in memory.
    pub(super) fn memory_align(&self) -> u64 {
        self.u32(MEMORY_ALIGN).into()
    }

    /// Length of the file up to here, a multiple of the alignment.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// First address after every section.
    pub(super) fn end(&self) -> u64 {
        self.headers.iter().map(SectionHeader::va_end).max().unwrap_or(0).max(self.headers_size())
    }

    /// The section of a name.
    pub(super) fn find(&self, name: &str) -> Option<SectionHeader> {
        let named =
            |header: &&SectionHeader| header.name.iter().copied().filter(|byte| *byte != 0).eq(name.bytes());
        self.headers.iter().find(named).copied()
    }

    /// The bytes of a section of the stub.
    pub(super) fn content(&self, header: &SectionHeader) -> &[u8] {
        let len = header.virtual_size.min(header.raw_size);
        let range = header.raw as usize..(header.raw as usize).saturating_add(len as usize);
        self.bytes.get(range).unwrap_or_default()
    }

    /// Gives a section another name.
    pub(super) fn rename(&mut self, header: &SectionHeader, name: [u8; 8]) {
        let Some(number) = self.headers.iter().position(|own| own == header) else { return };
        if let Some(own) = self.headers.get_mut(number) {
            own.name = name;
        }
        self.put(self.entry(number), &name);
    }

    /// Makes room for `more` more entries in the section table, if need be by moving the sections up in the file.
    pub(super) fn make_room(&mut self, more: usize) -> Result<(), PeError> {
        let count = self.headers.len().saturating_add(more);
        let need = self.entry(count);
        let most = u64::from(SECTIONS_MAX);
        if count as u64 > most {
            return Err(PeError::NoRoom { more, need, room: self.entry(usize::from(SECTIONS_MAX)) });
        }
        let have = self.headers_size();
        // Bytes between the table and the first section are the linker's padding, unless a directory points there.
        if need <= have {
            return Ok(());
        }
        let grown = need.checked_next_multiple_of(self.file_align()).unwrap_or(u64::MAX);
        let first = self.headers.iter().map(|header| u64::from(header.va)).min().unwrap_or(u64::MAX);
        let tied = self.directory(DEBUG).1 != 0;
        if grown > first || tied {
            return Err(PeError::NoRoom { more, need, room: if tied { have } else { first.max(have) } });
        }
        self.grow_headers(index(have), index(grown));
        Ok(())
    }

    /// Enters a section into the table, which has room for it.
    pub(super) fn enter(&mut self, header: &SectionHeader) {
        let at = self.entry(self.headers.len());
        self.put(at, &header.name);
        for (field, value) in (8..).step_by(4).zip([
            header.virtual_size,
            header.va,
            header.raw_size,
            header.raw,
            0,
            0,
            0,
            CHARACTERISTICS,
        ]) {
            self.put(at.saturating_add(field), &value.to_le_bytes());
        }
        self.headers.push(*header);
        self.entered = self.entered.saturating_add(header.raw_size);
    }

    /// The bytes with every sum in the headers brought up to date.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let count = self.headers.len() as u16;
        let size = self.end_in_memory().checked_next_multiple_of(self.memory_align()).unwrap_or(u64::MAX);
        self.set_u16(COUNT, count);
        self.set_u32(INITIALIZED, self.u32(INITIALIZED).wrapping_add(self.entered));
        self.set_u32(IMAGE_SIZE, u32::try_from(size).unwrap_or(u32::MAX));
        for field in [TIME, SYMBOLS, SYMBOL_COUNT, CHECKSUM] {
            self.set_u32(field, 0);
        }
        self.bytes
    }

    /// First address after every section as it is loaded: of an appended one only the exact length counts.
    fn end_in_memory(&self) -> u64 {
        let end = |header: &SectionHeader| u64::from(header.va).saturating_add(header.virtual_size.into());
        self.headers.iter().map(end).max().unwrap_or(0).max(self.u32(IMAGE_SIZE).into())
    }

    /// Moves all sections up by the growth of the headers.
    fn grow_headers(&mut self, have: usize, grown: usize) {
        let by = grown.saturating_sub(have);
        let at = have.min(self.bytes.len());
        self.bytes.splice(at..at, std::iter::repeat_n(0, by));
        self.set_u32(HEADERS_SIZE, grown as u32);
        for number in 0..self.headers.len() {
            let at = self.entry(number).saturating_add(20);
            let Some(header) = self.headers.get_mut(number).filter(|header| header.raw_size != 0) else {
                continue;
            };
            header.raw = header.raw.saturating_add(by as u32);
            let raw = header.raw;
            self.put(at, &raw.to_le_bytes());
        }
        self.fill_up();
    }

    /// Fills the file up to its alignment.
    fn fill_up(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(index(self.file_align())), 0);
    }

    /// Removes a signature from the directories; its bytes come after the sections.
    fn drop_signature(&mut self) {
        if u64::from(self.u32(DIRECTORIES)) > SIGNATURES {
            let at = directory_at(SIGNATURES);
            self.set_u32(at, 0);
            self.set_u32(at.saturating_add(4), 0);
        }
    }

    /// Refuses headers that do not hold what they have to.
    fn check_headers(&self) -> Result<(), PeError> {
        let outside =
            |what: &str, end, within, len| PeError::Outside { what: what.to_owned(), end, within, len };
        let directories = u64::from(self.u32(DIRECTORIES)).saturating_mul(8);
        let optional = self.pe.saturating_add(COFF);
        let end = optional.saturating_add(OPTIONAL).saturating_add(directories);
        if end > self.table {
            return Err(outside("the list of data directories", end, "the optional header", self.table));
        }
        let (end, headers) = (self.entry(self.u16(COUNT).into()), self.headers_size());
        if end > headers {
            return Err(outside("the section table", end, "the headers", headers));
        }
        if headers > self.len() {
            return Err(outside("the headers", headers, "the file", self.len()));
        }
        let aligns =
            [("alignment in the file", self.file_align()), ("alignment in memory", self.memory_align())];
        for (field, found) in aligns {
            if !found.is_power_of_two() || found > 0x10_0000 {
                return Err(PeError::Field { field, found, rule: "a power of two up to 1048576" });
            }
        }
        Ok(())
    }

    /// Refuses sections that reach past the file.
    fn check_sections(&self) -> Result<(), PeError> {
        for header in self.headers.iter().filter(|header| header.raw_size != 0) {
            if header.raw_end() > self.len() || u64::from(header.raw) < self.headers_size() {
                let what = format!("section `{}`", crate::tree::Printable(&header.name));
                return Err(PeError::Outside {
                    what,
                    end: header.raw_end(),
                    within: "the file",
                    len: self.len(),
                });
            }
        }
        Ok(())
    }

    fn headers_size(&self) -> u64 {
        self.u32(HEADERS_SIZE).into()
    }

    /// Offset and length of a data directory; zeros where the image has no such directory.
    fn directory(&self, number: u64) -> (u32, u32) {
        if u64::from(self.u32(DIRECTORIES)) <= number {
            return (0, 0);
        }
        let at = directory_at(number);
        (self.u32(at), self.u32(at.saturating_add(4)))
    }

    /// Offset of the entry of a section.
    fn entry(&self, number: usize) -> u64 {
        self.table.saturating_add((number as u64).saturating_mul(ENTRY))
    }

    /// The entry of a section.
    fn header(&self, number: u16) -> SectionHeader {
        let at = index(self.entry(number.into()));
        let field = |offset: usize| fields::u32(&self.bytes, at.saturating_add(offset));
        SectionHeader {
            name: fields::array(&self.bytes, at),
            virtual_size: field(8),
            va: field(12),
            raw_size: field(16),
            raw: field(20),
        }
    }

    fn u16(&self, field: u64) -> u16 {
        fields::u16(&self.bytes, index(self.pe.saturating_add(field)))
    }

    fn u32(&self, field: u64) -> u32 {
        fields::u32(&self.bytes, index(self.pe.saturating_add(field)))
    }

    fn set_u16(&mut self, field: u64, value: u16) {
        self.put(self.pe.saturating_add(field), &value.to_le_bytes());
    }

    fn set_u32(&mut self, field: u64, value: u32) {
        self.put(self.pe.saturating_add(field), &value.to_le_bytes());
    }

    /// Writes into the headers, which were checked to be within the bytes.
    fn put(&mut self, at: u64, value: &[u8]) {
        let end = index(at).saturating_add(value.len());
        if let Some(field) = self.bytes.get_mut(index(at)..end) {
            field.copy_from_slice(value);
        }
    }
}

/// Offset of a data directory from the signature.
fn directory_at(number: u64) -> u64 {
    number.saturating_mul(8).saturating_add(COFF).saturating_add(OPTIONAL)
}

/// An offset as an index; one beyond the address space is past every end.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// Refuses a number that is not the expected one.
fn expect(field: &'static str, at: u64, found: u64, expected: u64) -> Result<(), PeError> {
    if found == expected { Ok(()) } else { Err(PeError::Magic { field, at, found, expected }) }
}
