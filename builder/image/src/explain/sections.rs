//! The sections of executable images on the EFI system partition: kernel, initrd, command line.

use std::collections::BTreeMap;
use std::io;

use amiforge_formats::map::{FileSection, RangeMap, Subject};
use amiforge_formats::pe;
use amiforge_formats::read_at::ReadAt;

/// A file of a volume, by where its bytes are.
struct FileBytes<'a, R> {
    volume: &'a R,
    /// Offset in the file, offset in the volume, and length of each run, in the order of the file.
    runs: Vec<(u64, u64, u64)>,
}

impl<R: ReadAt> ReadAt for FileBytes<'_, R> {
    fn size(&self) -> u64 {
        self.runs.last().map_or(0, |(offset, _, len)| offset.saturating_add(*len))
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let (mut at, mut left) = (offset, buf);
        while !left.is_empty() {
            let index = self.runs.partition_point(|(first, _, len)| first.saturating_add(*len) <= at);
            let run = self.runs.get(index).filter(|(first, ..)| *first <= at);
            let (first, start, len) = run.ok_or(io::ErrorKind::UnexpectedEof)?;
            let skip = at - first;
            let part = left.len().min(usize::try_from(len - skip).unwrap_or(usize::MAX));
            let (now, later) = left.split_at_mut(part);
            self.volume.read_exact_at(start.saturating_add(skip), now)?;
            (at, left) = (at.saturating_add(part as u64), later);
        }
        Ok(())
    }
}

/// The map with the contents of executable images divided into their sections. An image that cannot be read stays whole.
pub(super) fn with_sections<R: ReadAt>(volume: &R, map: RangeMap) -> RangeMap {
    let mut files: BTreeMap<u32, Vec<(u64, u64, u64)>> = BTreeMap::new();
    for range in map.ranges() {
        if let Subject::Content { node, offset } = range.subject {
            files.entry(node).or_default().push((offset, range.start, range.len));
        }
    }
    let sections = files.into_iter().filter_map(|(node, mut runs)| {
        runs.sort_unstable();
        Some((node, sections(&FileBytes { volume, runs })?))
    });
    let sections = sections.collect();
    map.with_sections(&sections)
}

/// The sections of a file; none where it is no executable image.
fn sections<R: ReadAt>(file: &FileBytes<'_, R>) -> Option<Vec<FileSection>> {
    let mut magic = [0; 2];
    file.read_exact_at(0, &mut magic).ok()?;
    let headers = (magic == *b"MZ").then(|| pe::read(file).ok()).flatten()?;
    let section = |section: &pe::PlacedSection| {
        let start = u64::from(section.raw_offset);
        FileSection { start, end: start.saturating_add(section.len()), name: section.name.as_str().into() }
    };
    let mut all: Vec<_> = headers.sections.iter().filter(|one| !one.is_empty()).map(section).collect();
    all.push(FileSection { start: 0, end: headers.headers_size.into(), name: "headers".into() });
    all.extend(headers.signatures.filter(|(_, len)| *len > 0).map(|(at, len)| {
        let start = u64::from(at);
        FileSection { start, end: start.saturating_add(len.into()), name: "signatures".into() }
    }));
    all.sort_by_key(|section| section.start);
    Some(all)
}
