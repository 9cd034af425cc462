//! The part of ELF that describes a shared library or a kernel module: sections, segments, symbols. Independent of
//! libraries, modules and trees.
//!
//! Follows the System V ABI, chapters 4 and 5, for little-endian files of both classes.

/// `e_machine` of 80386.
pub(crate) const EM_386: u16 = 3;
/// `e_machine` of 64-bit PowerPC.
pub(crate) const EM_PPC64: u16 = 21;
/// `e_machine` of 32-bit ARM.
pub(crate) const EM_ARM: u16 = 40;
/// `e_machine` of x86-64.
pub(crate) const EM_X86_64: u16 = 62;
/// `e_machine` of 64-bit ARM.
pub(crate) const EM_AARCH64: u16 = 183;
/// `e_machine` of RISC-V.
pub(crate) const EM_RISCV: u16 = 243;

/// Width of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// 32 bits.
    Narrow,
    /// 64 bits.
    Wide,
}

/// A section that has bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ElfSection<'a> {
    /// Its name.
    pub(crate) name: &'a [u8],
    /// `sh_link`: for symbol tables the number of the section with the names.
    pub(crate) link: u32,
    /// Its bytes.
    pub(crate) bytes: &'a [u8],
}

/// `DT_SONAME` of a dynamic object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Soname<'a> {
    /// It has none.
    Missing,
    /// This.
    Is(&'a [u8]),
}

/// A symbol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Symbol<'a> {
    /// Its name.
    pub(crate) name: &'a [u8],
    /// The section that defines it; 0 is none.
    pub(crate) section: u16,
    /// Binding: 0 local, 1 global, 2 weak.
    pub(crate) binding: u8,
}

/// A file of that format.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Elf<'a> {
    bytes: &'a [u8],
    /// Width of its addresses.
    pub(crate) class: Class,
    /// The architecture, by `EM_*`.
    pub(crate) machine: u16,
    /// `e_flags`.
    pub(crate) flags: u32,
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}

/// The text up to the NUL at `at`.
pub(crate) fn text_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    rest.get(..rest.iter().position(|&byte| byte == 0)?)
}

impl<'a> Elf<'a> {
    /// Looks at the head; `None` for everything that is no little-endian ELF.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        if bytes.get(..4)? != b"\x7fELF" || *bytes.get(5)? != 1 {
            return None;
        }
        let class = match bytes.get(4)? {
            1 => Class::Narrow,
            2 => Class::Wide,
            _ => return None,
        };
        let flags = u32_at(bytes, if class == Class::Wide { 48 } else { 36 })?;
        Some(Self { bytes, class, machine: u16_at(bytes, 18)?, flags })
    }

    /// An integer of the width of an address, in `bytes`, at the offset that it has in each class.
    fn word(&self, bytes: &[u8], narrow: usize, wide: usize) -> Option<u64> {
        match self.class {
            Class::Narrow => u32_at(bytes, narrow).map(u64::from),
            Class::Wide => u64_at(bytes, wide),
        }
    }

    fn half(&self, narrow: usize, wide: usize) -> Option<usize> {
        u16_at(self.bytes, if self.class == Class::Wide { wide } else { narrow }).map(usize::from)
    }

    fn slice(&self, at: u64, len: u64) -> Option<&'a [u8]> {
        let at = usize::try_from(at).ok()?;
        self.bytes.get(at..at.checked_add(usize::try_from(len).ok()?)?)
    }

    /// Rows of a table in the file: its offset, the size of a row and how many there are.
    fn rows(&self, at: u64, size: usize, count: usize) -> impl Iterator<Item = &'a [u8]> {
        let len = (size as u64).checked_mul(count as u64);
        let table = len.and_then(|len| self.slice(at, len)).unwrap_or_default();
        table.chunks_exact(size.max(1))
    }

    /// Every section, in order; those without bytes in the file are empty.
    pub(crate) fn sections(&self) -> Option<Vec<ElfSection<'a>>> {
        let at = self.word(self.bytes, 32, 40)?;
        let (size, count, names) = (self.half(46, 58)?, self.half(48, 60)?, self.half(50, 62)?);
        let rows: Vec<&[u8]> = self.rows(at, size, count).collect();
        let body = |row: &[u8]| -> Option<&'a [u8]> {
            // SHT_NOBITS
            if u32_at(row, 4)? == 8 {
                return Some(&[]);
            }
            self.slice(self.word(row, 16, 24)?, self.word(row, 20, 32)?)
        };
        let names = body(rows.get(names)?)?;
        let section = |row: &&[u8]| {
            let name = text_at(names, u32_at(row, 0)? as usize)?;
            let link = u32_at(row, if self.class == Class::Wide { 40 } else { 24 })?;
            Some(ElfSection { name, link, bytes: body(row)? })
        };
        rows.iter().map(section).collect()
    }

    /// The symbols of `.symtab`, the null symbol left out.
    pub(crate) fn symbols(&self, sections: &[ElfSection<'a>]) -> Option<Vec<Symbol<'a>>> {
        let table = sections.iter().find(|section| section.name == b".symtab")?;
        let names = sections.get(table.link as usize)?.bytes;
        let size = if self.class == Class::Wide { 24 } else { 16 };
        let (kind, section) = if self.class == Class::Wide { (4, 6) } else { (12, 14) };
        let symbol = |row: &'a [u8]| {
            let name = text_at(names, u32_at(row, 0)? as usize)?;
            Some(Symbol { name, section: u16_at(row, section)?, binding: row.get(kind)? >> 4 })
        };
        table.bytes.chunks_exact(size).skip(1).map(symbol).collect()
    }

    /// `DT_SONAME`, found through the segments as the loader finds it. `None` if this is no dynamic object.
    pub(crate) fn soname(&self) -> Option<Soname<'a>> {
        let at = self.word(self.bytes, 28, 32)?;
        let (size, count) = (self.half(42, 54)?, self.half(44, 56)?);
        let segments: Vec<&[u8]> = self.rows(at, size, count).collect();
        // (type, offset, address, size in the file)
        let head = |row: &[u8]| {
            Some((u32_at(row, 0)?, self.word(row, 4, 8)?, self.word(row, 8, 16)?, self.word(row, 16, 32)?))
        };
        let heads: Vec<_> = segments.iter().filter_map(|row| head(row)).collect();
        // PT_DYNAMIC
        let (_, at, _, len) = heads.iter().find(|(kind, ..)| *kind == 2)?;
        let step = if self.class == Class::Wide { 16 } else { 8 };
        let (mut strings, mut name) = (None, None);
        for row in self.slice(*at, *len)?.chunks_exact(step) {
            let value = self.word(row, 4, 8)?;
            match self.word(row, 0, 0)? {
                0 => break,
                5 => strings = Some(value),
                14 => name = Some(value),
                _ => {}
            }
        }
        let Some(name) = name else { return Some(Soname::Missing) };
        let address = strings?;
        // PT_LOAD: the offset in the file of the address of the names.
        let (_, at, start, _) = heads.iter().find(|(kind, _, start, len)| {
            *kind == 1 && (*start..start.saturating_add(*len)).contains(&address)
        })?;
        let at = at.checked_add(address - start)?.checked_add(name)?;
        Some(text_at(self.bytes, usize::try_from(at).ok()?).map_or(Soname::Missing, Soname::Is))
    }
}
