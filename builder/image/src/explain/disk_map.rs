//! The map of the disk: the partition table, the space between partitions, and the partitions, each mapped when it is first
//! asked for.

use std::cell::OnceCell;
use std::ops::Range;

use amiforge_formats::bios;
use amiforge_formats::gpt;
use amiforge_formats::map::{MapBuilder, MappedRange, RangeMap, Subject, SubjectText};
use amiforge_formats::read_at::Window;
use amiforge_formats::volume::{FsKind, VolumeContent};

use super::ExplainError;
use super::origin::OriginLookup;
use super::sections::with_sections;
use crate::inspect::{DiskView, InspectError, Medium, PartitionSlot, chain};

/// What is called with each range: the index of its partition, the range, and its words.
pub(super) type RangeVisitor<'v> =
    dyn FnMut(Option<usize>, &MappedRange, SubjectText<'_>) -> Result<(), ExplainError> + 'v;

/// A disk with its partitions.
pub(super) struct ExplainedDisk<'a> {
    /// What is in no partition; partitions are ranges without a subject of their own.
    outside: RangeMap,
    /// By the order of `outside`.
    slots: Vec<MappedSlot<'a>>,
}

/// A partition.
pub(super) struct MappedSlot<'a> {
    pub(super) slot: PartitionSlot,
    medium: &'a Medium,
    /// Whether the recipe puts the bytes of a file there.
    raw: bool,
    map: OnceCell<RangeMap>,
}

impl<'a> ExplainedDisk<'a> {
    /// Reads the partition table; maps no partition.
    pub(super) fn new(
        medium: &'a Medium,
        view: DiskView,
        origins: Option<&OriginLookup>,
    ) -> Result<Self, ExplainError> {
        let mut outside = MapBuilder::new(view.len);
        if view.table.is_some() {
            gpt::map::add(medium, &mut outside)
                .map_err(|error| ExplainError::Inspect(InspectError::Table(error)))?;
        }
        let mut slots: Vec<MappedSlot<'a>> = Vec::new();
        for slot in view.slots {
            outside.add(slot.start, slot.len, partition());
            let holds = origins.and_then(|origins| origins.holds(slot.number()));
            let raw = holds == Some("raw");
            slots.push(MappedSlot { slot, medium, raw, map: OnceCell::new() });
        }
        let between = Subject::Free { what: "space between partitions" };
        let outside = outside.finish(Some(&between)).map_err(ExplainError::Disk)?;
        Ok(Self { outside, slots })
    }

    /// A partition by its index.
    pub(super) fn slot(&self, index: usize) -> Option<&MappedSlot<'a>> {
        self.slots.get(index)
    }

    /// All partitions.
    pub(super) fn slots(&self) -> &[MappedSlot<'a>] {
        &self.slots
    }

    /// Calls `visit` with every range that has a byte in `bytes`, cut to them, in order.
    pub(super) fn visit(&self, bytes: Range<u64>, visit: &mut RangeVisitor<'_>) -> Result<(), ExplainError> {
        for range in self.outside.within(bytes.clone()) {
            let index =
                self.slots.iter().position(|one| one.slot.start == range.start && one.slot.len == range.len);
            let Some(index) = index.filter(|_| range.subject == partition()) else {
                visit(None, &cut(range, 0, &bytes), self.outside.text(&range.subject))?;
                continue;
            };
            let (mapped, start) = (&self.slots[index], range.start);
            let map = mapped.map();
            let within = bytes.start.saturating_sub(start)..bytes.end.saturating_sub(start);
            for range in map.within(within) {
                visit(Some(index), &cut(range, start, &bytes), map.text(&range.subject))?;
            }
        }
        Ok(())
    }
}

/// The subject of a partition in the map of what is outside.
fn partition() -> Subject {
    Subject::Structure { name: "partition".into() }
}

/// A range of a partition as a range of the disk, cut to some bytes.
fn cut(range: &MappedRange, base: u64, bytes: &Range<u64>) -> MappedRange {
    let (start, end) = (range.start.saturating_add(base), range.end().saturating_add(base));
    let (from, till) = (start.max(bytes.start), end.min(bytes.end));
    let mut subject = range.subject.clone();
    if let Subject::Content { offset, .. } | Subject::Section { offset, .. } = &mut subject {
        *offset = offset.saturating_add(from - start);
    }
    MappedRange { start: from, len: till.saturating_sub(from), subject }
}

impl MappedSlot<'_> {
    /// Its map; of a partition that is damaged one range that is not explained.
    pub(super) fn map(&self) -> &RangeMap {
        self.map.get_or_init(|| {
            self.mapped().unwrap_or_else(|why| RangeMap::of_one(self.slot.len, Subject::Unexplained { why }))
        })
    }

    /// Why it is not mapped.
    pub(super) fn damage(&self) -> Option<&str> {
        match self.map().ranges() {
            [MappedRange { subject: Subject::Unexplained { why }, .. }] => Some(why),
            _ => None,
        }
    }

    fn mapped(&self) -> Result<RangeMap, String> {
        let PartitionSlot { start, len, content, .. } = self.slot;
        let Some(window) = Window::new(self.medium, start, len) else {
            return Err("the partition reaches past the end of the disk".to_owned());
        };
        if self.raw {
            return Ok(RangeMap::of_one(len, Subject::Raw));
        }
        if let VolumeContent::Known(kind) = content {
            let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
                format!("the {} file system cannot be read: {}", content.name(), chain(&*error))
            };
            let map = kind.format().map(&window).map_err(failed)?;
            return Ok(if kind == FsKind::Fat { with_sections(&window, map) } else { map });
        }
        match bios::map::map(&window, start) {
            Ok(Some(map)) => Ok(map),
            Err(error) => Err(format!("the loader cannot be read: {}", chain(&error))),
            Ok(None) if content == VolumeContent::Zeros => {
                Ok(RangeMap::of_one(len, Subject::Free { what: "an empty partition" }))
            }
            Ok(None) => Err(format!("what the partition holds is not known: {}", content.name())),
        }
    }
}
