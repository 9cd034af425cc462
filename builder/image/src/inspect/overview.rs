//! The overview of an image: disk, partitions, file systems, as text and as JSON.

use std::error::Error;
use std::fmt::{self, Write as _};

use amiforge_formats::gpt;
use serde::Serialize;

use super::{DiskView, InspectError, Medium, ReadFileSystem, SlotJson, VolumeFacts};

/// An image with its partitions and file systems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// The file that was read.
    pub image: String,
    /// Length in bytes.
    pub size: u64,
    /// Bytes in a sector of the partition table.
    pub sector_size: Option<u64>,
    /// GUID of the disk.
    pub guid: Option<String>,
    /// `primary` or `backup`: the copy of the partition table that was read.
    pub table: Option<&'static str>,
    /// What is wrong or odd with the partition table.
    pub findings: Vec<String>,
    /// The partitions; without a table, the image as the only one.
    pub partitions: Vec<SlotOverview>,
}

/// A partition with its file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlotOverview {
    /// Its range, number and names.
    #[serde(flatten)]
    pub slot: SlotJson,
    /// Facts of its file system, if that can be read.
    pub file_system: Option<VolumeFacts>,
    /// Why it cannot be read.
    pub damage: Option<String>,
}

impl Overview {
    /// Reads an image. A file system that cannot be read is a fact of its partition and no error.
    ///
    /// # Errors
    /// [`InspectError::Medium`], [`InspectError::Table`].
    pub fn read(medium: &Medium) -> Result<Self, InspectError> {
        use amiforge_formats::read_at::ReadAt as _;
        let view = DiskView::read(medium)?;
        let partitions = view.slots.iter().map(|slot| {
            let (file_system, damage) = match ReadFileSystem::read(medium, slot) {
                Ok(volume) => (volume.map(|volume| volume.facts), None),
                Err(error) => (None, Some(chain(&error))),
            };
            SlotOverview { slot: slot.json(), file_system, damage }
        });
        let table = view.table.as_ref();
        Ok(Self {
            image: super::escape(&medium.path().to_string_lossy()),
            size: medium.size(),
            sector_size: table.map(|_| gpt::SECTOR),
            guid: table.map(|table| table.guid.to_string()),
            table: table.map(|table| table.copy.word()),
            findings: table.map(|table| table.findings.clone()).unwrap_or_default(),
            partitions: partitions.collect(),
        })
    }
}

/// An error and its causes in one line, with nothing in it that a terminal could take for a command.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text.replace(|char: char| char.is_control(), " ")
}

/// A number of bytes for people: exact, and in the largest unit that keeps it readable.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units.into_iter().find(|(unit, _)| self.0 >= *unit) {
            Some((unit, name)) if self.0.is_multiple_of(unit) => write!(f, "{} {name}", self.0 / unit),
            Some((unit, name)) => write!(f, "{:.1} {name}", self.0 as f64 / unit as f64),
            None => write!(f, "{} B", self.0),
        }
    }
}

impl fmt::Display for Overview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({} bytes)", self.image, Size(self.size), self.size)?;
        match (&self.guid, self.table) {
            (Some(guid), Some(copy)) => {
                writeln!(f, ", GPT {guid}, sectors of {} bytes", self.sector_size.unwrap_or_default())?;
                let read = if copy == "primary" { "" } else { "read from the backup; " };
                match self.findings.len() {
                    0 => writeln!(f, "  partition table: {read}both copies are good")?,
                    _ => self
                        .findings
                        .iter()
                        .try_for_each(|finding| writeln!(f, "  partition table: {read}{finding}"))?,
                }
            }
            _ => writeln!(f, ", no partition table")?,
        }
        self.partitions.iter().try_for_each(|partition| partition.fmt(f))
    }
}

impl fmt::Display for SlotOverview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.slot.fmt(f)?;
        if let Some(damage) = &self.damage {
            writeln!(f, "    damaged: {damage}")?;
        }
        match &self.file_system {
            Some(facts) => facts.fmt(f),
            None if self.damage.is_none() => writeln!(f, "    holds: {}", self.slot.holds),
            None => Ok(()),
        }
    }
}

impl fmt::Display for SlotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(number) = self.number else { return Ok(()) };
        let name = self.name.as_deref().unwrap_or_default();
        write!(f, "{number:>3} `{name}`  {}", self.r#type.as_deref().unwrap_or_default())?;
        write!(f, "  {} at {}", Size(self.len), Size(self.start))?;
        if !self.attributes.is_empty() {
            write!(f, "  [{}]", self.attributes.join(", "))?;
        }
        writeln!(f, "\n    guid: {}", self.guid.as_deref().unwrap_or_default())
    }
}

impl fmt::Display for VolumeFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self.label.as_ref().map_or_else(String::new, |label| format!(" `{label}`"));
        let uuid = self.uuid.as_ref().map_or_else(String::new, |uuid| format!(" {uuid}"));
        writeln!(f, "    {}{label}{uuid}", self.kind)?;
        if let (Some(size), Some(free)) = (self.size, self.free) {
            writeln!(f, "    space: {} of {} free", Size(free), Size(size))?;
        } else if let Some(size) = self.size {
            writeln!(f, "    space: {}", Size(size))?;
        }
        if let Some(block) = self.block_size {
            writeln!(f, "    block size: {block}")?;
        }
        if let (Some(inodes), Some(free)) = (self.inodes, self.free_inodes) {
            writeln!(f, "    inodes: {free} of {inodes} free")?;
        }
        if let Some(files) = self.files {
            let [dirs, links, others] = [files.dirs, files.symlinks, files.others];
            writeln!(
                f,
                "    holds: {} files of {}, {dirs} directories, {links} links, {others} others",
                files.files,
                Size(files.bytes)
            )?;
        }
        if !self.features.is_empty() {
            writeln!(f, "    features: {}", self.features.join(" "))?;
        }
        self.more.iter().try_for_each(|(name, value)| writeln!(f, "    {name}: {value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        let shown = |bytes| Size(bytes).to_string();
        assert_eq!(
            [shown(0), shown(1023), shown(1536), shown(1 << 30)],
            ["0 B", "1023 B", "1.5 KiB", "1 GiB"]
        );
        assert!(shown(u64::MAX).ends_with("TiB"));
    }
}
