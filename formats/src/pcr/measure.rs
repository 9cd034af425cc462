//! The digests of a unified kernel image from which its registers follow, taken in one pass over its bytes.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use super::bank::BankHasher;
use super::{BankDigests, Pcr, PcrError, StubVersion};
use crate::pe::{self, PeError, PeHeaders, PlacedSection};
use crate::read_at::ReadAt;

/// Bytes read at a time.
const CHUNK: u64 = 1 << 20;

/// The most bytes of zero that sections have in memory and not in the file: kernels need some 50 MiB.
const MEMORY_ONLY_MAX: u64 = 512 << 20;

/// The longest section `.sdmagic`.
const MAGIC_MAX: u64 = 4096;

/// The digests of an image, of which only those count that its stub makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UkiDigests {
    /// The version of its stub.
    pub stub: StubVersion,
    /// The Authenticode digests of the image, which a signature does not change.
    pub image: BankDigests,
    /// The Authenticode digests of the kernel in it, where the stub has the firmware load it while Secure Boot is off.
    pub kernel: Option<BankDigests>,
    /// The sections that the stub measures, in its order, by name.
    pub sections: Vec<(&'static str, BankDigests)>,
}

impl UkiDigests {
    /// PCR 11 when the stub has measured the sections: for each its name with a NUL, then its content.
    pub fn sections_pcr(&self) -> Pcr {
        let mut pcr = Pcr::ZERO;
        for (name, content) in &self.sections {
            pcr.extend(&BankDigests::of(&[name.as_bytes(), &[0]].concat()));
            pcr.extend(content);
        }
        pcr
    }
}

/// Reads an image, whole and once. A stub without a version counts as one of `assumed`.
///
/// # Errors
/// [`PcrError`] where the image cannot be read, is no unified kernel image, or may be measured in more than one way.
pub fn measure(bytes: &dyn ReadAt, assumed: Option<&StubVersion>) -> Result<UkiDigests, PcrError> {
    let headers = pe::read(bytes)?;
    if headers.section(".linux").is_none_or(|linux| linux.virtual_size == 0) {
        return Err(PcrError::NoKernel);
    }
    let stub = match (headers.content(bytes, ".sdmagic", MAGIC_MAX)?, assumed) {
        (Some(content), _) => StubVersion::from_magic(&content)?,
        (None, Some(assumed)) => assumed.clone(),
        (None, None) => return Err(PcrError::NoVersion),
    };
    stub.check(&headers)?;
    let mut sections = Vec::new();
    for name in stub.sections().iter().copied() {
        if let Some(section) = measured(&headers, name)? {
            sections.push((name, section));
        }
    }
    let linux = sections.iter().find(|(name, _)| *name == ".linux").map(|(_, section)| *section);
    let mut streams = vec![Stream::of_file(pe::hashed_ranges(bytes, bytes.size())?)];
    streams.extend(
        sections
            .iter()
            .map(|(_, section)| Stream::of_section(section, std::slice::from_ref(&(0..memory(section))))),
    );
    if let Some(linux) = linux.filter(|_| stub.firmware_loads_kernel(false)) {
        streams.push(Stream::of_section(linux, &kernel_ranges(bytes, linux)?));
    }
    check_memory_only(&streams)?;
    let mut digests = digest(bytes, streams).map_err(PcrError::Image)?.into_iter();
    let missing = || PcrError::NoKernel;
    let image = digests.next().ok_or_else(missing)?;
    let sections: Vec<_> = sections.iter().map(|(name, _)| *name).zip(digests.by_ref()).collect();
    Ok(UkiDigests { stub, image, kernel: digests.next(), sections })
}

/// The section that a stub takes for `name`. Stubs before 257 compare only as many bytes as the name has and take the last one
/// that fits, later ones compare the whole name and take the first: where both rules give the same section, its
/// digest is certain. The writer of this project renames a stub's own `.sbat` to `.sbat0`, before the one that counts.
fn measured<'a>(headers: &'a PeHeaders, name: &'static str) -> Result<Option<&'a PlacedSection>, PcrError> {
    let first = headers.section(name);
    let last = headers.sections.iter().rev().find(|section| section.name.starts_with(name));
    if first.map(|section| section.va) != last.map(|section| section.va) {
        return Err(PcrError::Ambiguous { name });
    }
    Ok(first.filter(|section| section.virtual_size != 0))
}

/// Length of a section in memory: what stubs measure, zeros included that no file holds.
fn memory(section: &PlacedSection) -> u64 {
    section.virtual_size.into()
}

/// The ranges of a kernel that firmware hashes, from the start of its section. The stub gives it the section as it is in memory.
fn kernel_ranges(bytes: &dyn ReadAt, linux: &PlacedSection) -> Result<Vec<Range<u64>>, PcrError> {
    let kernel =
        SectionMemory { file: bytes, at: linux.raw_offset.into(), filled: linux.len(), len: memory(linux) };
    let headers = pe::read(&kernel).map_err(PcrError::Kernel)?;
    if headers.image_version < 1 {
        return Err(PcrError::OldKernel { version: headers.image_version });
    }
    pe::hashed_ranges(&kernel, kernel.len).map_err(PcrError::Kernel)
}

/// A section as it is in memory: bytes of the file, then zeros.
struct SectionMemory<'a> {
    file: &'a dyn ReadAt,
    at: u64,
    /// Bytes that the file holds.
    filled: u64,
    len: u64,
}

impl ReadAt for SectionMemory<'_> {
    fn size(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).filter(|end| *end <= self.len);
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let filled = self.filled.saturating_sub(offset).min(buf.len() as u64) as usize;
        let (from_file, zeros) = buf.split_at_mut(filled);
        zeros.fill(0);
        if from_file.is_empty() {
            return Ok(());
        }
        self.file.read_exact_at(self.at.saturating_add(offset), from_file)
    }
}

/// A part of what is hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum MeasuredPiece {
    /// Bytes of the file.
    File(Range<u64>),
    /// So many bytes of zero.
    Zeros(u64),
}

/// What one pair of digests is taken over.
#[derive(Debug, Default)]
struct Stream {
    pieces: VecDeque<MeasuredPiece>,
    hasher: BankHasher,
}

impl Stream {
    fn of_file(ranges: Vec<Range<u64>>) -> Self {
        Self { pieces: ranges.into_iter().map(MeasuredPiece::File).collect(), ..Self::default() }
    }

    /// Ranges of a section as it is in memory.
    fn of_section(section: &PlacedSection, ranges: &[Range<u64>]) -> Self {
        let (at, filled) = (u64::from(section.raw_offset), section.len());
        let mut pieces = VecDeque::new();
        for Range { start, end } in ranges.iter().cloned() {
            let file = start.min(filled)..end.min(filled);
            if !file.is_empty() {
                pieces.push_back(MeasuredPiece::File(
                    at.saturating_add(file.start)..at.saturating_add(file.end),
                ));
            }
            let zeros = end.saturating_sub(start.max(filled));
            if zeros != 0 {
                pieces.push_back(MeasuredPiece::Zeros(zeros));
            }
        }
        Self { pieces, ..Self::default() }
    }

    /// Takes what is next of this stream from a chunk of the file that begins at byte `at`.
    fn feed(&mut self, chunk: &[u8], at: u64) {
        while let Some(piece) = self.pieces.front_mut() {
            let range = match piece {
                MeasuredPiece::Zeros(len) => {
                    self.hasher.update_zeros(*len);
                    self.pieces.pop_front();
                    continue;
                }
                MeasuredPiece::File(range) => range,
            };
            let from = range.start.checked_sub(at).and_then(|from| usize::try_from(from).ok());
            let Some(rest) = from.and_then(|from| chunk.get(from..)).filter(|rest| !rest.is_empty()) else {
                return;
            };
            let len = range.end.saturating_sub(range.start).min(rest.len() as u64);
            self.hasher.update(rest.get(..len as usize).unwrap_or_default());
            range.start = range.start.saturating_add(len);
            if range.is_empty() {
                self.pieces.pop_front();
            }
        }
    }

    /// First and last byte that it still needs of the file.
    fn next_in_file(&self) -> Option<Range<u64>> {
        self.pieces.iter().find_map(|piece| match piece {
            MeasuredPiece::File(range) => Some(range.clone()),
            MeasuredPiece::Zeros(_) => None,
        })
    }
}

/// Refuses sections with lengths in memory that no image has, which would take minutes to hash.
fn check_memory_only(streams: &[Stream]) -> Result<(), PcrError> {
    let pieces = streams.iter().flat_map(|stream| &stream.pieces);
    let len = pieces.fold(0_u64, |len, piece| match piece {
        MeasuredPiece::Zeros(zeros) => len.saturating_add(*zeros),
        MeasuredPiece::File(_) => len,
    });
    if len > MEMORY_ONLY_MAX { Err(PcrError::MemoryOnly { len, most: MEMORY_ONLY_MAX }) } else { Ok(()) }
}

/// The digests of all streams. Reads the file once from its start; what a stream needs of bytes before those that it had
/// already is read again.
fn digest(bytes: &dyn ReadAt, mut streams: Vec<Stream>) -> Result<Vec<BankDigests>, PeError> {
    let mut buf = vec![0; CHUNK as usize];
    let mut at = 0;
    loop {
        let starts = || streams.iter().filter_map(|stream| Some(stream.next_in_file()?.start));
        // A stream that has to go back waits until the others are done.
        let Some(start) = starts().filter(|start| *start >= at).min().or_else(|| starts().min()) else {
            break;
        };
        at = start;
        let len = bytes.size().saturating_sub(at).min(CHUNK);
        let chunk = buf.get_mut(..len as usize).filter(|chunk| !chunk.is_empty());
        let chunk =
            chunk.ok_or_else(|| PeError::Io { at, len, source: io::ErrorKind::UnexpectedEof.into() })?;
        bytes.read_exact_at(at, chunk).map_err(|source| PeError::Io { at, len, source })?;
        for stream in &mut streams {
            stream.feed(chunk, at);
        }
        at = at.saturating_add(len);
    }
    // What is left of them are zeros.
    for stream in &mut streams {
        stream.feed(&[], 0);
    }
    Ok(streams.into_iter().map(|stream| stream.hasher.finish()).collect())
}

#[cfg(test)]
mod tests;
