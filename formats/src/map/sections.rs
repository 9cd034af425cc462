//! Files whose parts have names of their own: executable images, of which a boot loader reads a section as a file.

use std::collections::BTreeMap;

use super::{MappedRange, RangeMap, Subject};

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSection {
    /// First byte in the file.
    pub start: u64,
    /// First byte after it.
    pub end: u64,
    /// Its name.
    pub name: Box<str>,
}

impl RangeMap {
    /// The same map with the contents of some nodes divided into sections, which are sorted and do not overlap. Bytes
    /// between them become parts with an empty name.
    #[must_use]
    pub fn with_sections(mut self, sections: &BTreeMap<u32, Vec<FileSection>>) -> Self {
        if sections.is_empty() {
            return self;
        }
        let mut ranges = Vec::with_capacity(self.ranges.len());
        for range in std::mem::take(&mut self.ranges) {
            match range.subject {
                Subject::Content { node, offset } if sections.contains_key(&node) => {
                    divide(&range, (node, offset), &sections[&node], &mut ranges);
                }
                _ => ranges.push(range),
            }
        }
        self.ranges = ranges;
        self
    }
}

/// Divides a range of a content.
fn divide(
    range: &MappedRange,
    (node, first): (u32, u64),
    sections: &[FileSection],
    ranges: &mut Vec<MappedRange>,
) {
    let end = first.saturating_add(range.len);
    let mut at = first;
    while at < end {
        let section = sections.iter().find(|section| section.end > at);
        let (name, till) = match section {
            Some(section) if section.start <= at => (section.name.clone(), section.end),
            Some(section) => (Box::default(), section.start),
            None => (Box::default(), end),
        };
        let till = till.min(end);
        let start = range.start.saturating_add(at - first);
        ranges.push(MappedRange {
            start,
            len: till - at,
            subject: Subject::Section { node, offset: at, name },
        });
        at = till;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::{MapBuilder, NodeName};

    #[test]
    fn a_content_in_two_runs_is_divided_at_the_bounds_of_its_sections() {
        let mut map = MapBuilder::new(100);
        let node = map.node(NodeName::of_path(b"x.efi"));
        map.add(0, 40, Subject::Content { node, offset: 30 });
        map.add(40, 30, Subject::Content { node, offset: 0 });
        let map = map.finish(Some(&Subject::Free { what: "free clusters" })).unwrap();
        let part = |start, end, name: &str| FileSection { start, end, name: name.into() };
        let sections = [(node, vec![part(10, 50, ".linux"), part(50, 60, ".initrd")])].into();
        let map = map.with_sections(&sections);
        let shown: Vec<_> = map
            .ranges()
            .iter()
            .map(|range| format!("{}+{} {}", range.start, range.len, map.text(&range.subject)))
            .collect();
        let expected = [
            "0+20 section .linux of /x.efi",
            "20+10 section .initrd of /x.efi",
            "30+10 between the sections of /x.efi",
            "40+10 between the sections of /x.efi",
            "50+20 section .linux of /x.efi",
            "70+30 free clusters",
        ];
        assert_eq!(shown, expected);
    }
}
