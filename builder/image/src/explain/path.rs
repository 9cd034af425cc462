//! Where the bytes of a path are in the image, and where they come from.

use std::fmt::Write as _;

use amiforge_formats::digest::BLOCK;
use amiforge_formats::map::MappedRange;
use amiforge_formats::tree::Printable;
use serde::Serialize;

use super::disk_map::MappedSlot;
use super::origin::ExplainedOrigin;
use super::{ExplainError, ExplainedRange, Explanation};
use crate::inspect::Selector;

/// A path of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedPath {
    /// The partition by number and name.
    pub partition: String,
    /// The path with a leading `/`, from the root of its file system.
    pub path: String,
    /// Where its content comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<ExplainedOrigin>,
    /// Where mode, owner and attributes come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<ExplainedOrigin>,
    /// Its bytes and structures, in the order of the image.
    pub ranges: Vec<ExplainedRange>,
}

impl Explanation<'_> {
    /// Explains a path of names joined by `/`, without a leading one. `partition` is a number, a name or a role; an empty
    /// one is the partition that is mounted nearest above the path, or the only one that has files.
    ///
    /// # Errors
    /// [`ExplainError::NoPath`], [`ExplainError::Damaged`], [`ExplainError::NotMounted`].
    pub fn path(&self, partition: &str, path: &[u8]) -> Result<ExplainedPath, ExplainError> {
        let names: Vec<&[u8]> =
            path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".").collect();
        let path = names.join(&b'/');
        let (index, path) = self.partition_of(partition, &path)?;
        let mapped = &self.disk.slots()[index];
        if let Some(why) = mapped.damage() {
            return Err(ExplainError::Damaged { partition: mapped.slot.title(), why: why.to_owned() });
        }
        let map = mapped.map();
        let Some(node) = map.find(&path) else {
            return Err(ExplainError::NoPath { partition: mapped.slot.title(), path });
        };
        let of_node = map.ranges().iter().filter(|range| range.subject.node() == Some(node));
        let ranges = of_node.map(|range| {
            let start = range.start.saturating_add(mapped.slot.start);
            let on_disk = MappedRange { start, ..range.clone() };
            self.explained(Some(index), &on_disk, map.text(&range.subject).to_string())
        });
        let ranges = ranges.collect();
        let lookup = self.origins.as_ref();
        let origins = lookup.and_then(|lookup| lookup.of_path(mapped.slot.number(), &path));
        let (content, metadata) = origins.unzip();
        let (partition, path) = (mapped.slot.title(), format!("/{}", Printable(&path)));
        Ok(ExplainedPath { partition, path, content, metadata, ranges })
    }

    /// The index of the partition that a user means, and the path from its root.
    fn partition_of(&self, selector: &str, path: &[u8]) -> Result<(usize, Vec<u8>), ExplainError> {
        let slots = self.disk.slots();
        if !selector.is_empty() {
            let view = crate::inspect::DiskView {
                len: self.size(),
                table: None,
                slots: slots.iter().map(|one| one.slot.clone()).collect(),
            };
            let selected = view.select(Selector(selector)).map_err(ExplainError::Inspect)?;
            let index = slots.iter().position(|one| one.slot == *selected);
            return Ok((index.unwrap_or_default(), path.to_vec()));
        }
        if let Some((number, rest)) = self.origins.as_ref().and_then(|lookup| lookup.mounted(path)) {
            let index = slots.iter().position(|one| one.slot.number() == Some(number));
            return index
                .map(|index| (index, rest.to_vec()))
                .ok_or(ExplainError::NotMounted { path: path.to_vec() });
        }
        let has_files = |one: &&MappedSlot<'_>| {
            one.slot.content.kind().is_some_and(|kind| kind.format().files().is_some())
        };
        let root = slots.iter().position(|one| one.slot.role() == Some("root"));
        let only = slots
            .iter()
            .position(|one| has_files(&one))
            .filter(|_| slots.iter().filter(has_files).count() == 1);
        let index = root.or(only).ok_or(ExplainError::NotMounted { path: path.to_vec() })?;
        Ok((index, path.to_vec()))
    }
}

impl ExplainedPath {
    /// The report as text.
    pub fn text(&self) -> String {
        let mut text = format!("{} on partition {}\n", self.path, self.partition);
        // Writing to a String cannot fail, here and below.
        for (name, origin) in [("content", &self.content), ("metadata", &self.metadata)] {
            let Some(origin) = origin else { continue };
            for (index, step) in origin.chain.iter().enumerate() {
                let _ = match index {
                    0 => writeln!(text, "  {name}: {step}"),
                    _ => writeln!(text, "  {:>width$}  <- {step}", "", width = name.len()),
                };
            }
        }
        for range in &self.ranges {
            let _ = writeln!(
                text,
                "{:>14} {:>10}  block {:>6}  {:<10} {}",
                range.start,
                range.len,
                range.start / BLOCK,
                range.kind,
                range.what
            );
        }
        text
    }
}
