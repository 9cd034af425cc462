//! The writer of unified kernel images: a stub with sections appended.
//!
//! Only headers are changed and bytes appended; code is never moved. Every byte of the result is in the headers or in
//! a section, since firmware and tools differ in how they hash other bytes. The stub's time and checksum are
//! zeroed, so that the same stub and sections give the same bytes.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::sync::Arc;

use super::stub::{SectionHeader, Stub};
use super::{PeError, sbat};
use crate::tree::{Content, Origin, Segment};

/// Addresses of appended sections are multiples of this, whatever the stub's own alignment: pages of the firmware.
const PAGE: u64 = 4096;

/// The section whose lines are added to those of the stub.
const SBAT: &str = ".sbat";

/// New name of the stub's own section `.sbat`, whose lines the new section has.
const SBAT_OF_STUB: &[u8; 8] = b".sbat0\0\0";

/// A section to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UkiSection {
    /// Its name: 1 to 8 bytes, such as `.linux`.
    pub name: &'static str,
    /// Its bytes.
    pub content: Content,
    /// Least length in memory in bytes, padded with zeros; 0 for the length of the content.
    pub memory: u64,
}

impl UkiSection {
    /// A section whose length in memory is that of its content.
    pub fn new(name: &'static str, content: Content) -> Self {
        Self { name, content, memory: 0 }
    }
}

/// A stub with sections appended in the given order; contents stay references.
///
/// The virtual size of a section is the exact length of its content, but for `.initrd`, which is filled up with zeros
/// to a multiple of 4, and where more memory is requested. Lines of `.sbat` are added to those that the stub has. A signature of the stub is dropped.
///
/// # Errors
/// When the stub is no sound PE32+ image, has a section of a given name, or cannot take that many.
pub fn uki(stub: &[u8], sections: &[UkiSection]) -> Result<Content, PeError> {
    let mut stub = Stub::open(stub)?;
    let sections = admit(&mut stub, sections)?;
    stub.make_room(sections.len())?;
    let mut tail = UkiTail { len: stub.len(), segments: Vec::new() };
    for section in &sections {
        tail.append(&mut stub, section)?;
    }
    Ok(tail.finish(stub))
}

/// The sections as they are appended; refuses names that cannot be.
fn admit(stub: &mut Stub, sections: &[UkiSection]) -> Result<Vec<UkiSection>, PeError> {
    let mut admitted: Vec<UkiSection> = Vec::with_capacity(sections.len());
    for section in sections {
        let name = section.name;
        if !(1..=8).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(PeError::Name { name });
        }
        if section.content.is_empty() {
            return Err(PeError::Empty { name });
        }
        if admitted.iter().any(|before| before.name == name) {
            return Err(PeError::Taken { name });
        }
        let content = match stub.find(name) {
            None => section.content.clone(),
            Some(theirs) if name == SBAT => merge_sbat(stub, &theirs, &section.content)?,
            Some(_) => return Err(PeError::Taken { name }),
        };
        admitted.push(UkiSection { name, content, memory: section.memory });
    }
    Ok(admitted)
}

/// The lines of the stub and ours; the stub's section gets another name, since two of one name are refused by loaders.
fn merge_sbat(stub: &mut Stub, theirs: &SectionHeader, ours: &Content) -> Result<Content, PeError> {
    let Content::Inline(ours) = ours else { return Err(PeError::SbatReference) };
    let merged = sbat::merged(stub.content(theirs), ours);
    stub.rename(theirs, *SBAT_OF_STUB);
    Ok(Content::Inline(merged.into()))
}

/// What comes after the stub.
struct UkiTail {
    /// Length of the file so far; a multiple of the stub's alignment.
    len: u64,
    segments: Vec<Segment>,
}

impl UkiTail {
    /// Appends a section and enters it into the stub's table.
    fn append(&mut self, stub: &mut Stub, section: &UkiSection) -> Result<(), PeError> {
        let name = section.name;
        let too_long = |end: u64| PeError::TooLong { name, end };
        let len = section.content.len();
        // Two consecutive archives are recognised at multiples of 4 only.
        let filled = if name == ".initrd" { up(len, 4) } else { len };
        let seen = filled.max(section.memory);
        let raw_size = up(filled, stub.file_align());
        let va = up(stub.end(), stub.memory_align().max(PAGE));
        let raw = self.len;
        let (raw_end, va_end) = (raw.saturating_add(raw_size), va.saturating_add(seen));
        let end = raw_end.max(up(va_end, stub.memory_align()));
        let u32_of = |number: u64| u32::try_from(number).map_err(|_| too_long(end));
        u32_of(end)?;
        let mut short = [0; 8];
        short.iter_mut().zip(name.bytes()).for_each(|(slot, byte)| *slot = byte);
        let (raw, raw_size) = (u32_of(raw)?, u32_of(raw_size)?);
        stub.enter(&SectionHeader {
            name: short,
            va: u32_of(va)?,
            virtual_size: u32_of(seen)?,
            raw,
            raw_size,
        });
        let from = u64::from(raw);
        self.segments.extend(section.content.segments().into_iter().map(|mut segment| {
            segment.offset = segment.offset.saturating_add(from);
            segment
        }));
        self.len = raw_end;
        Ok(())
    }

    /// The file: the stub with its headers as they are now, then the sections; paddings are holes.
    fn finish(self, stub: Stub) -> Content {
        let head: Arc<[u8]> = stub.finish().into();
        let mut segments = vec![Segment {
            offset: 0,
            len: head.len() as u64,
            origin: Origin::Inline { bytes: head, at: 0 },
        }];
        segments.extend(self.segments);
        Content::Sparse { len: self.len, segments: segments.into() }
    }
}

/// `number` rounded up to a multiple of `align`, a power of two.
fn up(number: u64, align: u64) -> u64 {
    number.checked_next_multiple_of(align).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "a test fails by panicking"
    )]

    use super::super::sample::{PE, TABLE, put, stub};
    use super::super::{PeMachine, read};
    use super::*;
    use crate::fields;
    use crate::plan::SourceId;

    fn text(name: &'static str, text: &str) -> UkiSection {
        UkiSection::new(name, Content::Inline(text.as_bytes().into()))
    }

    /// The bytes of a content; a source gives its number.
    fn bytes(content: &Content) -> Vec<u8> {
        let mut bytes = vec![0; content.len() as usize];
        for segment in content.segments() {
            let part = &mut bytes[segment.offset as usize..][..segment.len as usize];
            match segment.origin {
                Origin::Inline { bytes, at } => part.copy_from_slice(&bytes[at..at + part.len()]),
                Origin::Slice { source, .. } => part.fill(source.0 as u8),
            }
        }
        bytes
    }

    #[test]
    fn sections_are_appended_with_their_exact_lengths() {
        let linux = Content::Slice { source: SourceId(7), at: 5, len: 5000 };
        let sections =
            [text(".cmdline", "root=x"), UkiSection::new(".linux", linux), text(".initrd", "seven!!")];
        let made = uki(&stub(0x400), &sections).unwrap();
        let file = bytes(&made);
        let image = read(&file).unwrap();
        let sections: Vec<_> = image
            .sections
            .iter()
            .map(|s| (s.name.as_str(), s.va, s.virtual_size, s.raw_offset, s.raw_size))
            .collect();
        assert_eq!(
            sections,
            [
                (".text", 0x1000, 0x200, 0x400, 0x200),
                (".sdmagic", 0x2000, 0x30, 0x600, 0x200),
                (".cmdline", 0x3000, 6, 0x800, 0x200),
                (".linux", 0x4000, 5000, 0xa00, 0x1400),
                (".initrd", 0x6000, 8, 0x1e00, 0x200),
            ]
        );
        assert_eq!(
            (image.machine, image.subsystem, image.end),
            (PeMachine::Known(crate::arch::Arch::X86_64), 10, file.len() as u64)
        );
        assert_eq!(image.image_size, 0x6200);
        assert_eq!(image.content(&file, ".cmdline", 100).unwrap().unwrap(), b"root=x");
        assert_eq!(image.content(&file, ".initrd", 100).unwrap().unwrap(), b"seven!!\0");
        assert_eq!(image.content(&file, ".linux", 5000).unwrap().unwrap(), [7; 5000]);
        assert!(matches!(image.content(&file, ".linux", 4999), Err(PeError::SectionLong { len: 5000, .. })));
        let initialized = fields::u32(&file, PE + 32);
        assert_eq!(initialized, 0x400 + 0x200 + 0x1400 + 0x200);
        // Time, symbols and checksum.
        assert_eq!((fields::array(&file, PE + 8), fields::u32(&file, PE + 24 + 64)), ([0; 12], 0));
        assert_eq!(file[0x400..0x630], stub(0x400)[0x400..0x630], "code stays as it is");
    }

    #[test]
    fn headers_grow_when_the_table_is_full() {
        // Room for one more entry in headers of 0x200 bytes.
        let small = stub(0x200);
        let fits = uki(&small, &[text(".a", "a")]).unwrap();
        assert_eq!(read(&bytes(&fits)).unwrap().headers_size, 0x200);
        let grown = bytes(&uki(&small, &[text(".a", "a"), text(".b", "b")]).unwrap());
        let image = read(&grown).unwrap();
        assert_eq!(image.headers_size, 0x400);
        assert_eq!(image.content(&grown, ".text", 0x200).unwrap().unwrap(), [b'T'; 0x200]);
        assert_eq!(image.content(&grown, ".b", 1).unwrap().unwrap(), b"b");
        // A directory that points into the file would point elsewhere.
        let mut tied = small.clone();
        put(&mut tied, PE + 24 + 112 + 6 * 8, &[0, 0x10, 0, 0, 28]);
        let error = uki(&tied, &[text(".a", "a"), text(".b", "b")]).unwrap_err();
        assert!(matches!(error, PeError::NoRoom { more: 2, room: 0x200, .. }), "{error}");
        let many: Vec<_> = NAMES.iter().map(|name| text(name, "x")).collect();
        let mut close = small;
        put(&mut close, TABLE + 12, &0x300_u32.to_le_bytes());
        assert!(matches!(uki(&close, &many), Err(PeError::NoRoom { more: 8, room: 0x300, .. })));
    }

    const NAMES: [&str; 8] = [".a", ".b", ".c", ".d", ".e", ".f", ".g", ".h"];

    #[test]
    fn a_signature_is_dropped() {
        let mut signed = stub(0x400);
        let at = signed.len() as u32;
        signed.extend([9; 64]);
        put(&mut signed, PE + 24 + 144, &at.to_le_bytes());
        put(&mut signed, PE + 24 + 148, &64_u32.to_le_bytes());
        assert_eq!(read(&signed).unwrap().signatures, Some((at, 64)));
        let plain = bytes(&uki(&stub(0x400), &[text(".a", "a")]).unwrap());
        assert_eq!(bytes(&uki(&signed, &[text(".a", "a")]).unwrap()), plain);
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        let refused = |sections: &[UkiSection]| uki(&stub(0x400), sections).unwrap_err();
        assert!(matches!(refused(&[text(".toolong1", "x")]), PeError::Name { .. }));
        assert!(matches!(refused(&[text("", "x")]), PeError::Name { .. }));
        assert!(matches!(refused(&[text(".a", "")]), PeError::Empty { .. }));
        assert!(matches!(refused(&[text(".a", "x"), text(".a", "y")]), PeError::Taken { name: ".a" }));
        assert!(matches!(refused(&[text(".text", "x")]), PeError::Taken { name: ".text" }));
        let kernel = Content::Slice { source: SourceId(0), at: 0, len: 1 << 32 };
        assert!(matches!(refused(&[UkiSection::new(".linux", kernel)]), PeError::TooLong { .. }));
    }

    #[test]
    fn the_stubs_generations_are_kept_under_the_one_name() {
        let mut theirs = stub(0x400);
        put(&mut theirs, TABLE + 40, b".sbat\0\0\0");
        put(&mut theirs, 0x600, &[0; 0x30]);
        put(&mut theirs, 0x600, b"sbat,1,x\nstub,1,y\n");
        let made = bytes(&uki(&theirs, &[text(".sbat", "sbat,1,x\nimage,1,z\n")]).unwrap());
        let image = read(&made).unwrap();
        let names: Vec<_> = image.sections.iter().map(|section| section.name.as_str()).collect();
        assert_eq!(names, [".text", ".sbat0", ".sbat"]);
        let lines = image.content(&made, ".sbat", 100).unwrap().unwrap();
        assert_eq!(lines, b"sbat,1,x\nstub,1,y\nimage,1,z\n");
        let reference = UkiSection::new(".sbat", Content::Slice { source: SourceId(0), at: 0, len: 3 });
        assert!(matches!(uki(&theirs, &[reference]), Err(PeError::SbatReference)));
    }

    #[test]
    fn a_kernel_that_runs_where_it_stands_gets_the_memory_that_it_asks_for() {
        let kernel = |memory| UkiSection { memory, ..text(".linux", "kernel") };
        let made = |memory| bytes(&uki(&stub(0x400), &[kernel(memory), text(".z", "after")]).unwrap());
        assert_eq!(made(3), made(0), "never less than it has");
        let (exact, more) = (made(0), made(0x5001));
        assert_eq!(exact.len(), more.len(), "the file has no more bytes");
        let section = |image: &[u8], name: &str| read(&image).unwrap().section(name).unwrap().clone();
        assert_eq!(section(&more, ".linux").virtual_size, 0x5001);
        assert_eq!(section(&more, ".z").va, section(&more, ".linux").va + 0x6000, "it has nothing else");
    }

    #[test]
    fn no_damage_to_a_stub_makes_the_writer_panic() {
        let whole = stub(0x400);
        for len in (0..whole.len()).step_by(7) {
            let _ = uki(&whole[..len], &[text(".a", "a")]);
        }
        for at in 0..0x200 {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                let Ok(made) = uki(&damaged, &[text(".a", "a"), text(".b", "b")]) else { continue };
                assert!(made.len() < 1 << 24, "{at:#x} {value:#x}: {}", made.len());
            }
        }
    }
}
